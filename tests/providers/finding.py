"""Every credential in a request, as the gateway looks for them: outside of the body, then in it."""

from keys.providers.base import ProviderSpec
from keys.providers.injection import Found, Outgoing, found_inside, found_outside
from keys.providers.modelslab import MODELSLAB


def find_credentials(outgoing: Outgoing, spec: ProviderSpec = MODELSLAB) -> list[Found]:
    """Headers first, then query, then body. Raises BadBody."""
    return found_outside(outgoing, spec) + found_inside(outgoing, spec)
