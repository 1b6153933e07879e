"""What the sandbox remembers: keys seen and killed, requests received, work in progress."""

import json
import re
import time
from collections import Counter, OrderedDict, deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keys.sandbox.behaviour import behaviour_of
from keys.sandbox.messages import Incoming

REQUESTS_KEPT = 10_000
TRACES_KEPT = 500_000
JOBS_KEPT = 10_000
KEYS_KEPT = 1_000
_MARKER = re.compile(r"\btrace:([\w.-]{1,80})")


def mask(key: str) -> str:
    """A sandbox key is no secret. Anything else may be one that was sent here by mistake."""
    if not key or behaviour_of(key):
        return key
    return f"…{key[-4:]}" if len(key) >= 12 else "…"


@dataclass(frozen=True, slots=True)
class Received:
    """One request as the upstream saw it."""

    number: int
    at: float
    method: str
    path: str
    key: str
    places: list[str]
    status: int
    trace: str
    request_id: str


@dataclass(slots=True)
class Job:
    """Work that was answered with `processing`."""

    key: str
    fetches_left: int


class State:
    """Everything that is remembered. Killed keys survive a restart where `file` is given."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.killed: set[str] = set()
        if file and file.exists():
            self.killed = set(json.loads(file.read_text())["killed"])
        self.seen: dict[str, list[float]] = {}  # masked key -> [requests, last seen]
        self.jobs: OrderedDict[int, Job] = OrderedDict()
        self._job_number = 1_000_000
        self.clear_requests()

    def clear_requests(self) -> None:
        self.count = 0
        self.app_keys_seen = 0
        self.by_path: Counter[str] = Counter()
        self.requests: deque[Received] = deque(maxlen=REQUESTS_KEPT)
        self.traces: deque[str] = deque(maxlen=TRACES_KEPT)

    def kill(self, key: str) -> None:
        self.killed.add(key)
        self._save()

    def revive(self, key: str) -> None:
        self.killed.discard(key)
        self._save()

    def _save(self) -> None:
        if self.file is None:
            return
        draft = self.file.with_suffix(".tmp")
        draft.write_text(json.dumps({"killed": sorted(self.killed)}))
        draft.replace(self.file)

    def receive(self, incoming: Incoming, status: int) -> None:
        """Notes a request in the journal. Status 0: it was not answered."""
        self.count += 1
        self.by_path[incoming.path] += 1
        key = mask(incoming.key)
        now = time.time()
        if key in self.seen or len(self.seen) < KEYS_KEPT:
            uses = self.seen.setdefault(key, [0, now])
            uses[0] += 1
            uses[1] = now
        # An app key must never reach a provider: tests look at this count.
        self.app_keys_seen += b"kd_" in incoming.body or any(
            text.startswith("kd_") for _, text in incoming.credentials
        )
        trace = _trace(incoming)
        if trace:
            self.traces.append(trace)
        self.requests.append(
            Received(
                self.count,
                now,
                incoming.method,
                incoming.path,
                key,
                [place for place, _ in incoming.credentials],
                status,
                trace,
                incoming.headers.get("x-request-id", ""),
            )
        )

    def start_job(self, key: str, fetches: int) -> int:
        self._job_number += 1
        self.jobs[self._job_number] = Job(key, fetches)
        if len(self.jobs) > JOBS_KEPT:
            self.jobs.popitem(last=False)
        return self._job_number

    def next_number(self) -> int:
        self._job_number += 1
        return self._job_number

    def journal(self, last: int) -> dict[str, Any]:
        latest = list(self.requests)[-last:] if last > 0 else []
        return {
            "count": self.count,
            "app_keys_seen": self.app_keys_seen,
            "by_path": dict(self.by_path),
            "requests": [asdict(received) for received in latest],
        }


def _trace(incoming: Incoming) -> str:
    """The caller's own mark: a header, or `trace:<word>` in the prompt."""
    if header := incoming.headers.get("x-sandbox-trace"):
        return header[:80]
    found = _MARKER.search(incoming.text())
    return found[1] if found else ""
