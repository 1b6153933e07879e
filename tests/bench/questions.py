"""How long questions take on the database of the environment, which was seeded (`seed_usage`).

    python -m tests.bench.questions 60

asks each so often, in turns, and prints JSON: question -> milliseconds [p50, p95] and the number
of things that were found.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import quantiles

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()

from django.db.models import Sum
from django.utils import timezone

from usage import stats
from usage.events import Outcome
from usage.models import KeyDay

MONTH, DAY = timedelta(days=30), timedelta(days=1)
TOP = 50
Question = Callable[[], int]


@dataclass(frozen=True)
class Keys:
    """Ids of app keys by how much they call, and the outcome that the busiest met least often."""

    busy: str
    middle: str
    quiet: str
    rare: str

    @classmethod
    def found(cls) -> "Keys":
        rows = KeyDay.objects.exclude(app_key="").order_by()
        by_calls = rows.values_list("app_key").annotate(n=Sum("requests")).order_by("-n", "app_key")
        keys = [key for key, _ in by_calls]
        ended = rows.filter(app_key=keys[0]).values_list("outcome").annotate(n=Sum("requests"))
        rare = min(ended, key=lambda row: row[1])[0]
        return cls(keys[0], keys[len(keys) // 2], keys[-1], rare)


def questions(keys: Keys, now: datetime) -> dict[str, Question]:
    def month(key: str) -> stats.Filter:
        return stats.Filter(app_key=key, since=now - MONTH, until=now)

    def totals_and_series(key: str, step: str) -> Question:
        return lambda: (
            bool(stats.totals(month(key), now).requests)
            + len(stats.series(month(key), step, now=now))
        )

    def newest(key: str, outcome: str) -> Question:
        return lambda: len(stats.calls(stats.Filter(app_key=key, outcome=outcome)).items)

    day = stats.Filter(since=now - DAY, until=now)
    return {
        "totals and series by the hour, busiest key, 30 days": totals_and_series(keys.busy, "hour"),
        "totals and series by the day, busiest key, 30 days": totals_and_series(keys.busy, "day"),
        "totals and series by the hour, middling key, 30 days": totals_and_series(
            keys.middle, "hour"
        ),
        "top 50 keys, 24 hours": lambda: len(stats.top(day, "app_key", limit=TOP, now=now)),
        "newest 50 calls, busiest key, ok": newest(keys.busy, Outcome.OK),
        "newest 50 calls, busiest key, rarest outcome": newest(keys.busy, keys.rare),
        "newest 50 calls, middling key, an outcome it never met": newest(keys.middle, "never"),
        "newest 50 calls, busiest key, an outcome it never met": newest(keys.busy, "never"),
    }


def asked(rounds: int) -> dict[str, dict[str, float]]:
    """Each question `rounds` times, all in turn, after one round that doesn't count."""
    every = questions(Keys.found(), timezone.now())
    found = {name: question() for name, question in every.items()}
    times: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(rounds):
        for name, question in every.items():
            started = time.perf_counter()
            question()
            times[name].append((time.perf_counter() - started) * 1000)
    cut = {name: quantiles(taken, n=20) for name, taken in times.items()}
    return {
        name: {"found": found[name], "p50": cut[name][9], "p95": cut[name][18]} for name in every
    }


if __name__ == "__main__":
    print(json.dumps(asked(int(sys.argv[1]))))
