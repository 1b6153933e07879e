"""KeyedSession beside requests.Session, the same calls to the same upstream, round by round.

`python -m tests.bench.wrapper PORT` in the environment of a prepared product prints the medians.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from statistics import median

import django
import requests

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from tests.bench.inner import BODY, PATH  # noqa: E402
from tests.bench.rows import SECRET  # noqa: E402
from tests.live import wait_for  # noqa: E402
from usage.client import KeyedSession  # noqa: E402
from usage.models import Call  # noqa: E402

ROUNDS, CALLS = 7, 150


@dataclass(frozen=True)
class Took:
    """Seconds of one call, by the clock and of this thread's processor time."""

    clock: float
    processor: float


def took(session: requests.Session, url: str, headers: dict[str, str]) -> Took:
    clock, processor = time.perf_counter(), time.thread_time()
    for _ in range(CALLS):
        response = session.post(url, data=BODY, headers=headers, timeout=10)
        assert len(response.content) == 1024, response.status_code
    return Took((time.perf_counter() - clock) / CALLS, (time.thread_time() - processor) / CALLS)


def main() -> None:
    base, path = f"http://127.0.0.1:{sys.argv[1]}", f"{PATH}/json"
    kind = {"Content-Type": "application/json"}
    armed = {**kind, "Authorization": f"Bearer {SECRET}"}
    wrapper, plain, usual = KeyedSession("bench", "openai"), requests.Session(), requests.Session()
    plain.trust_env = False
    before, rounds = Call.objects.count(), []
    for number in range(ROUNDS + 1):
        through = took(wrapper, path, kind)
        # What is left to drain must not be done at the cost of the others' calls.
        told = before + (number + 1) * CALLS
        wait_for(lambda told=told: Call.objects.count() >= told, 30, "the ledger")  # type: ignore[misc]
        rounds.append((through, took(plain, base + path, armed), took(usual, base + path, armed)))
    del rounds[0]  # first connections, first imports
    by_clock = [[one.clock for one in three] for three in rounds]
    by_processor = [[one.processor for one in three] for three in rounds]
    found = {
        "clock": [median(column) * 1e6 for column in zip(*by_clock, strict=True)],
        "to_plain": median(through / other for through, other, _ in by_clock),
        "to_usual": median(through / other for through, _, other in by_clock),
        "processor": [median(column) * 1e6 for column in zip(*by_processor, strict=True)],
        "calls": (ROUNDS + 1) * CALLS,
        "recorded": Call.objects.count() - before,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
