"""Limits counted in one process. A permit ends with its call, as calls end with the process."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from usage.limits.windows import (
    DAY,
    MINUTE,
    Counted,
    Limits,
    Ruling,
    full,
    live_from,
    rule,
    slot_of,
)

Slots = dict[int, int]  # slot -> calls, oldest first


@dataclass(slots=True)
class _Account:
    minute: Slots = field(default_factory=dict)
    day: Slots = field(default_factory=dict)
    calls: set[str] = field(default_factory=set)


class Memory:
    """Counts of this process, bounded; keys at rest are forgotten first."""

    def __init__(self, size: int = 100_000) -> None:
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._size = size
        self._lock = threading.Lock()

    def take(self, key: str, call: str, limits: Limits, now: float) -> Ruling:
        with self._lock:
            account = self._account(key)
            if limits.concurrency is not None and len(account.calls) >= limits.concurrency:
                return full(limits.concurrency)
            windows = [
                (account.minute, MINUTE, limits.per_minute),
                (account.day, DAY, limits.per_day),
            ]
            ruling = rule(
                [
                    Counted(limit, length, _live(slots, length, now))
                    for slots, length, limit in windows
                    if limit is not None
                ],
                now,
            )
            if ruling.allowed:
                for slots, length, limit in windows:
                    if limit is not None:
                        slot = slot_of(now, length)
                        slots[slot] = slots.get(slot, 0) + 1
                if limits.concurrency is not None:
                    account.calls.add(call)
            return ruling

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


def _live(slots: Slots, length: float, now: float) -> list[tuple[int, int]]:
    """The slots that still count; the others are dropped."""
    first = live_from(now, length)
    for slot in [slot for slot in slots if slot < first]:
        del slots[slot]
    return sorted(slots.items())
