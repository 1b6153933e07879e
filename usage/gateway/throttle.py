"""How often a network may ask with keys and for providers that nobody here knows.

A token bucket per network and process, bounded in memory. Who is known spends nothing. A key
of our form that isn't in the cache may be a good one's first call: it may overdraw, so that no
noise without keys keeps it out. Against a flood of well-formed guesses out of its own network
it takes its turn with them, as anybody whose call has to be looked up.
"""

from collections import OrderedDict

from usage.ingest import network_of

BURST = 60.0  # calls at once: somebody's typing error in a loop is still told what is wrong
REFILL = 5.0  # calls per second
OVERDRAFT = 60.0  # further calls that are open to keys of our form
NETWORKS = 20_000  # remembered; one that is forgotten begins anew


class Throttle:
    """Used by one event loop. `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, now: float, *, formed: bool) -> float:
        """Spends a call of the address's network; or the seconds until there is one to spend."""
        network = network_of(address)
        left, at = self._left.pop(network, (BURST, now))
        left = min(BURST, left + (now - at) * REFILL)
        missing = 1.0 - left - (OVERDRAFT if formed else 0.0)
        self._left[network] = (left if missing > 0 else left - 1.0, now)
        if len(self._left) > NETWORKS:
            self._left.popitem(last=False)
        return max(0.0, missing / REFILL)

    def give_back(self, address: str) -> None:
        """Takes the last call back: it was no stranger's."""
        network = network_of(address)
        if network in self._left:
            left, at = self._left[network]
            self._left[network] = (left + 1.0, at)
