"""Settings that can be read but can't work, one clear line each that says what to do.

`manage.py check` runs them, `--deploy` those of the second kind too. What is an error keeps
`manage.py up` from starting, `--prepare` of the production set included.
"""

import ipaddress
import re
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register, run_checks

from keys.destinations import Blocked, check_host, is_allowed
from keys.providers.registry import BUILT_IN

TAG = "keydeck"
SHORTEST_KEY = 32  # characters
_ENTRY = re.compile(r"(\[?[0-9A-Fa-f:.]+\]?|[A-Za-z0-9._-]+):(\d{1,5})")
_PORTS = {"http": 80, "https": 443}


def first_fault() -> str:
    """Why Keydeck must not start, in one line; empty where it may."""
    faults = [found for found in run_checks(tags=[TAG]) if found.is_serious()]
    more = f" (and {len(faults) - 1} more: manage.py check)" if len(faults) > 1 else ""
    return f"{faults[0].msg}{more}" if faults else ""


@register(TAG)
def check_settings(**_: object) -> list[CheckMessage]:
    """What can't work, or must not be served."""
    return [
        *_outbound_allow(),
        *_outbound_ca(),
        *_provider_urls(),
        *_oidc(),
        *_secret_key(),
        *_exposed(),
    ]


@register(TAG, Tags.security, deploy=True)
def check_production(**_: object) -> list[CheckMessage]:
    """What is right on one's own machine only."""
    if settings.HTTPS:
        return []
    return [
        Warning(
            f"KEYDECK_PUBLIC_URL: {settings.PUBLIC_URL} sends passwords and keys readable, and "
            "cookies are not bound to the host: put TLS in front and name the https:// address",
            id="keydeck.W001",
        )
    ]


def _outbound_allow() -> Iterator[CheckMessage]:
    for entry in settings.OUTBOUND_ALLOW:
        match = _ENTRY.fullmatch(entry)
        if match is None or not 0 < int(match[2]) < 65536:
            yield Error(
                "KEYDECK_OUTBOUND_ALLOW: expected host:port, such as 10.0.0.5:8080 or "
                f"[fd00::5]:443, got {entry!r}",
                id="keydeck.E001",
            )


def _outbound_ca() -> Iterator[CheckMessage]:
    path = settings.OUTBOUND_CA
    if not path:
        return
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        reason = "holds no certificate in PEM form"
    except OSError as error:
        reason = f"can't be read ({error.strerror})"
    else:
        return
    yield Error(
        f"KEYDECK_OUTBOUND_CA: {path} {reason}: name a file of the authorities to trust, or "
        "leave it out",
        id="keydeck.E002",
    )


def _provider_urls() -> Iterator[CheckMessage]:
    known = [*(spec.slug for spec in BUILT_IN), "sandbox"]
    for slug, url in settings.PROVIDER_URLS.items():
        reason = _unusable(url) if slug in known else f"expected one of {', '.join(known)}"
        if reason:  # the address isn't shown: it may hold a password
            yield Error(f"KEYDECK_PROVIDER_URLS: {slug}: {reason}", id="keydeck.E003")


def _unusable(url: str) -> str:
    """Why no call there is let through; empty where it is."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return "expected https://host/path"
    if not host or not port or parts.query or parts.fragment or "@" in parts.netloc:
        return "expected https://host/path"
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if parts.scheme == "http" and not is_allowed(host, port):
        return f"plain http goes only where KEYDECK_OUTBOUND_ALLOW={shown} lets it"
    try:
        check_host(host, port)
    except Blocked:
        return f"not of the open internet: KEYDECK_OUTBOUND_ALLOW={shown} lets it through"
    return ""


def _oidc() -> Iterator[CheckMessage]:
    if not settings.OIDC_URL:
        return
    if not settings.OIDC_CLIENT_ID:
        yield Error(
            "KEYDECK_OIDC_CLIENT_ID: missing; name the client that the sign-in server registered",
            id="keydeck.E007",
        )
    if reason := _unusable(settings.OIDC_URL):
        yield Error(f"KEYDECK_OIDC_URL: {reason}", id="keydeck.E008")


def _secret_key() -> Iterator[CheckMessage]:
    if len(settings.SECRET_KEY) < SHORTEST_KEY:
        yield Error(
            f"SECRET_KEY has {len(settings.SECRET_KEY)} characters, and sessions, sign-in secrets "
            f"and the audit rest on it: give {SHORTEST_KEY} random ones or more (openssl rand "
            "-hex 48), or leave it out to have one made",
            id="keydeck.E004",
        )


def _exposed() -> Iterator[CheckMessage]:
    """What strangers would profit from, where they can come."""
    if _is_local(urlsplit(settings.PUBLIC_URL).hostname or ""):
        return
    if "*" in settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS: * answers to any name, and links in mails lead wherever a stranger "
            "says: leave it out, or list the names",
            id="keydeck.E005",
        )
    if settings.DEBUG:
        yield Error(
            f"DEBUG shows code and settings to whoever comes to {settings.PUBLIC_URL}: unset it",
            id="keydeck.E006",
        )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
