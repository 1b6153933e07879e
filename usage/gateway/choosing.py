"""Which provider key a call goes out with: the best of its pool that opens and isn't busy.

One `Choice` lives as long as its call, and holds the call's turn among the pool's keys.
"""

from keys import vault
from keys.providers.base import ProviderSpec
from usage.events import Outcome
from usage.gateway import errors
from usage.gateway.core import Judgement, Route
from usage.gateway.errors import Denial
from usage.gateway.pools import Rota
from usage.gateway.records import Pool, PoolKey

# What another key of the pool may be spared: the provider did nothing but say no to this one.
# A network error counts where nothing was sent.
GOES_ON = frozenset({Outcome.KEY_ERROR, Outcome.RATE_LIMITED, Outcome.NETWORK_ERROR})
MOST_ATTEMPTS = 4


# The statuses of such a refusal; it also comes inside a 200 of JSON.
REFUSALS = frozenset({401, 402, 403, 429})


class Choice:
    """The keys of a pool for one call, the best first. `now` is epoch seconds.

    Whoever drives it takes one `candidate` after the other, asks for a permit where the key has
    `limits`, and says which it `takes` or that one is `full`.
    """

    def __init__(
        self, rota: Rota, spec: ProviderSpec, pool: Pool, now: float, preferred: str = ""
    ) -> None:
        """`preferred` is the key that made the job asked for."""
        self._rota = rota
        self._spec = spec
        self._now = now
        self._preferred = preferred
        self._pool = pool
        self._order = rota.order(pool, now, preferred)
        self._at = 0
        self._held: PoolKey | None = None
        self._waits: list[float] = []
        self._full = False
        self._tries = 0

    def candidate(self) -> Route | None:
        """The next key that opens; the one before it is let go.

        Raises Denial (sealed), and SynchronousOnlyOperation in an event loop where the data key
        isn't open yet: ask again where the database may be.
        """
        self.let_go()
        while self._at < len(self._order):
            key = self._order[self._at]
            route = self._opened(key) if self._may(key) else None
            self._at += 1
            if route is not None:
                return route
        return None

    def takes(self, route: Route) -> None:
        """The call goes out with this key."""
        self._tries += 1
        if not route.alone:  # else nobody waits for its turn
            self._rota.begin(route.key)
            self._held = route.key

    def full(self) -> None:
        """The last candidate has no permit left."""
        self._full = True

    def refusal(self) -> Denial:
        """Why there is no key (left): no_usable_key, rate_limited or concurrency_limited."""
        if self._full:
            return errors.pool_full()
        if self._waits:
            return errors.resting(min(self._waits))
        return errors.denial("no_usable_key")

    def goes_on(self, found: Judgement) -> bool:
        """Whether another key may be tried after this. A job is its maker's alone."""
        if len(self._order) < 2 or self._preferred or self._tries >= MOST_ATTEMPTS:
            return False
        return found.outcome in GOES_ON

    def let_go(self) -> None:
        """The call is no longer under way with the key it had."""
        key, self._held = self._held, None
        if key is not None:
            self._rota.end(key)

    def _may(self, key: PoolKey) -> bool:
        """Not where the provider told to wait; what was begun there may be fetched."""
        wait = self._rota.wait(key.id, self._now)
        if wait and key.id != self._preferred:
            self._waits.append(wait)
            return False
        return True

    def _opened(self, key: PoolKey) -> Route | None:
        """The key with its secret, if that opens and was entered for this very address."""
        version = self._rota.version(key, self._now)
        if version.entered_for != self._spec.bound_to:
            return None
        place = (key.application, key.id, version.number)
        slot = vault.provider_key_slot(*place, self._spec.slug, version.entered_for)
        try:
            return Route(key, version, vault.unseal(slot, version.sealed), len(self._pool) == 1)
        except vault.Sealed as error:
            raise errors.denial("sealed") from error
        except vault.Undecryptable:
            return None  # validation marks it; another key of the pool may open
