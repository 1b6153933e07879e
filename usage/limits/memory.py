"""Limits counted in one process. A permit ends with its call, as calls end with the process."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from usage.limits.windows import DAY, MINUTE, Limits, Ruling, Window, full, rule


@dataclass(slots=True)
class _Account:
    minute: Window = field(default_factory=Window)
    day: Window = field(default_factory=Window)
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
            rows = []
            for limit, length, window in (
                (limits.per_minute, MINUTE, account.minute),
                (limits.per_day, DAY, account.day),
            ):
                if limit is not None:
                    number, rest = divmod(now, length)
                    window.roll(int(number))
                    rows.append((limit, length, window.count, window.before, rest / length))
            ruling = rule(rows)
            if ruling.allowed:
                account.minute.count += limits.per_minute is not None
                account.day.count += limits.per_day is not None
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
