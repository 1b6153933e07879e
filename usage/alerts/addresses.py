"""Where a channel leads: its address and its signing secret, sealed under the system's data key.

A webhook's address holds a token, so it is a secret like any other: shown is its host alone.
"""

import base64
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from keys import outbound, vault
from keys.destinations import is_allowed
from keys.lifecycle import Invalid
from keys.vault import Secret, Slot
from usage.models import AlertChannel

LONGEST_URL = 1000
_SECRET_BYTES = 32
PREFIX = "whsec_"  # as Standard Webhooks writes its secrets


@dataclass(frozen=True, slots=True)
class Address:
    """A channel opened for sending. Neither part is printed."""

    url: Secret = field(repr=False)
    secret: Secret = field(repr=False)


def clean_url(text: str) -> Secret:
    """An https address of the open internet (or one the operator allowed). Raises Invalid."""
    url = text.strip()
    if not url or len(url) > LONGEST_URL or not url.isascii() or not url.isprintable():
        raise Invalid("url", f"An https address of up to {LONGEST_URL} plain characters.")
    origin = origin_of(url)
    parts = urlsplit(origin)
    if parts.scheme not in ("https", "http") or not parts.netloc:
        raise Invalid("url", "The address starts with https:// and a host.")
    try:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Invalid("url", "This is not a URL.") from None
    try:
        outbound.check_url(url, origin)
        outbound.check_host(host, port)
    except outbound.Blocked:
        raise Invalid(
            "url",
            f"{host[:100] or 'This'} is not on the open internet. The operator can let it "
            f"through: KEYDECK_OUTBOUND_ALLOW={host[:100]}:{port}",
        ) from None
    if parts.scheme != "https" and not is_allowed(host, port):
        raise Invalid("url", "The address must be https: alerts never travel in the clear.")
    return Secret(url)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def host_of(url: Secret) -> str:
    return urlsplit(url.reveal()).hostname or ""


def new_secret() -> Secret:
    return Secret(PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode())


def seal_url(channel: AlertChannel, url: Secret) -> None:
    channel.host = host_of(url)
    channel.sealed_url = vault.seal(_slot(channel, "url"), url)


def seal_secret(channel: AlertChannel, secret: Secret) -> None:
    channel.sealed_secret = vault.seal(_slot(channel, "secret"), secret)


def opened(channel: AlertChannel) -> Address:
    """Raises VaultError."""
    return Address(
        url=_open(channel, "url", channel.sealed_url),
        secret=_open(channel, "secret", channel.sealed_secret),
    )


def _open(channel: AlertChannel, what: str, stored: str) -> Secret:
    return vault.unseal(_slot(channel, what), stored) if stored else Secret("")


def _slot(channel: AlertChannel, what: str) -> Slot:
    return Slot("", channel.pk, 1, f"alert channel {what}")
