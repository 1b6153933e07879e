"""What a call holds of the limits on calls at once: of its app key, and of its provider key.

Where Redis counts, to take and to give back waits for the network; an event loop does both aside.
"""

import asyncio

from usage.limits import Limiter, Limits, Ruling


class Permits:
    """One call's. Whoever makes it gives back what is left, however the call ends."""

    def __init__(self, limiter: Limiter, call: str) -> None:
        self._limiter = limiter
        self._call = call
        self._held: dict[str, Limits] = {}

    @property
    def any_held(self) -> bool:
        return bool(self._held)

    def take(self, key: str, limits: Limits, now: float) -> Ruling:
        """Counts the call, and holds its permit if it is allowed one. May wait for the network."""
        return self._noted(key, limits, self._limiter.take(key, self._call, limits, now))

    async def taken(self, key: str, limits: Limits, now: float) -> Ruling:
        """As `take`, for an event loop. Who is cancelled meanwhile holds what came of it."""
        ruling = self._limiter.at_once(key, self._call, limits, now)
        if ruling is not None:
            return self._noted(key, limits, ruling)
        taking = asyncio.ensure_future(asyncio.to_thread(self.take, key, limits, now))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            await asyncio.wait([taking])
            raise

    def give_back(self, *keys: str) -> None:
        """Gives back the permits of these keys, or all. May wait for the network."""
        for key in keys or tuple(self._held):
            if limits := self._held.pop(key, None):
                self._limiter.release(key, self._call, limits)

    async def given_back(self, *keys: str) -> None:
        """As `give_back`, for an event loop."""
        if not self._held:
            return
        if self._limiter.blocking:
            await asyncio.shield(asyncio.to_thread(self.give_back, *keys))
        else:
            self.give_back(*keys)

    def _noted(self, key: str, limits: Limits, ruling: Ruling) -> Ruling:
        if ruling.allowed and limits.concurrency is not None:
            self._held[key] = limits
        return ruling
