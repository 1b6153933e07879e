"""What became of a wrapper's call that got no answer: for its record, and for its caller."""

import requests
from requests.exceptions import InvalidHeader
from urllib3.exceptions import DecodeError, NewConnectionError

from keys.outbound import Blocked
from usage.events import Outcome
from usage.gateway import errors
from usage.gateway.core import Judgement
from usage.gateway.errors import Denial
from usage.redaction import clip, mask


def without_answer(error: Exception) -> Judgement:
    if isinstance(error, DecodeError):
        return refused_here(errors.unreadable())
    if isinstance(error, requests.Timeout | TimeoutError) or "timed out" in str(error):
        return Judgement(Outcome.NETWORK_ERROR, "upstream_timeout", "No answer in time")
    unsent = isinstance(error, Blocked | requests.exceptions.SSLError) or not_connected(error)
    code = "upstream_unreachable" if unsent else errors.BROKE_OFF
    return Judgement(Outcome.NETWORK_ERROR, code, clip(type(error).__name__))


def not_connected(error: Exception) -> bool:
    """Whether nothing was sent: another try does no harm."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def refused_here(refused: Denial) -> Judgement:
    """For an answer that is none."""
    return Judgement(errors.outcome(refused, asked=True), refused.recorded, refused.message)


def masked(
    error: Exception, request: requests.PreparedRequest, secrets: tuple[str, ...]
) -> requests.RequestException:
    """The error anew: the old one's causes and attributes hold the request with the key."""
    text = mask(str(error), secrets)
    # An answer that contradicts itself is no answer, whoever read it.
    if isinstance(error, requests.RequestException) and not isinstance(error, InvalidHeader):
        return type(error)(text, request=request)
    return requests.ConnectionError(text, request=request)
