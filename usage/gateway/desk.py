"""What one process's calls share: directory, limits, what was learnt of keys."""

import os
import threading

from django.conf import settings

from usage.gateway import directory
from usage.gateway.pools import Rota
from usage.gateway.throttle import Throttle
from usage.limits import Limiter


class Desk:
    """The gateway's and the wrapper's common ground."""

    def __init__(self) -> None:
        self.rota = Rota()
        self.limiter = Limiter(settings.REDIS_URL)
        self.throttle = Throttle()

    @property
    def directory(self) -> directory.Directory:
        return directory.mine()


_mine: Desk | None = None
_making = threading.Lock()


def mine() -> Desk:
    """This process's desk, made on first use."""
    global _mine
    if _mine is None:
        with _making:
            if _mine is None:
                _mine = Desk()
    return _mine


def forget() -> None:
    """Drops the desk and the directory; for shutdown and tests."""
    global _mine
    found, _mine = _mine, None
    if found is not None:
        found.limiter.close()
    directory.forget()


def _after_fork() -> None:
    global _mine, _making
    _mine, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
