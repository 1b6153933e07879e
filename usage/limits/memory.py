"""Limits counted in one process. A permit ends with its call, as calls end with the process."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from usage.limits.windows import (
    LASTING,
    UNCOUNTED,
    WINDOWS,
    Count,
    Counted,
    Limits,
    Ruling,
    Slots,
    full,
    rule,
)

Used = Mapping[int, Slots]  # index of a window -> what the ledger says was used of it


@dataclass(slots=True)
class _Account:
    # Of each window; None: not counted, since it has no limit or the ledger is to be asked.
    counts: list[Count | None] = field(default_factory=lambda: [None] * len(WINDOWS))
    calls: set[str] = field(default_factory=set)


class Memory:
    """Counts of this process, bounded; keys at rest are forgotten first."""

    def __init__(self, size: int = 100_000) -> None:
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._size = size
        self._lock = threading.Lock()

    def take(self, key: str, call: str, limits: Limits, now: float) -> Ruling:
        """Counts a call or refuses it; UNCOUNTED until `seed` told what was used before."""
        with self._lock:
            account = self._account(key)
            counts = account.counts
            counted: list[Counted] = []
            for index, limit in enumerate(limits.bounds):
                count = counts[index]
                if limit is None:
                    counts[index] = None  # else it would be short when there is a limit again
                    continue
                if count is None:
                    if index in LASTING:
                        return UNCOUNTED
                    count = counts[index] = Count()
                window = WINDOWS[index]
                if now >= count.until:
                    count.move(window, now)
                counted.append((window, limit, count))
            if limits.concurrency is not None and len(account.calls) >= limits.concurrency:
                return full(limits.concurrency)
            ruling = rule(counted, now)
            if ruling.allowed:
                for _, _, count in counted:
                    count.add()
                if limits.concurrency is not None:
                    account.calls.add(call)
            return ruling

    def seed(self, key: str, used: Used) -> None:
        """Counts at least what the ledger says, slot by slot: may be told again and again."""
        with self._lock:
            counts = self._account(key).counts
            for index, slots in used.items():
                known = counts[index] or Count()
                merged = {**slots}
                for slot, calls in known.slots.items():
                    merged[slot] = max(calls, merged.get(slot, 0))
                counts[index] = Count.of(merged)

    def counts(self, key: str, limits: Limits) -> bool:
        """Whether a ruling is to be had."""
        account = self._accounts.get(key)
        bounds = limits.bounds
        return not any(
            bounds[index] is not None and (account is None or account.counts[index] is None)
            for index in LASTING
        )

    def release(self, key: str, call: str) -> None:
        with self._lock:
            account = self._accounts.get(key)
            if account is not None:
                account.calls.discard(call)

    def _account(self, key: str) -> _Account:
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account()
            if len(self._accounts) > self._size:
                self._accounts.popitem(last=False)
        else:
            self._accounts.move_to_end(key)
        return account
