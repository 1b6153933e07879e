"""Custom providers: an upstream HTTP API that a site admin describes."""

import re
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from keys import outbound, providers
from keys.audit import Action, Actor
from keys.destinations import is_allowed
from keys.lifecycle.errors import Conflict, Invalid
from keys.lifecycle.inputs import clean_name, clean_slug
from keys.lifecycle.journal import note
from keys.lifecycle.names import free_slug
from keys.models import Provider

RESERVED_SLUGS = ("sandbox",)  # built in where the demo runs
PROBE_METHODS = ("GET", "HEAD", "POST")
# Headers that the outbound door writes itself, or that would change what a request is.
FORBIDDEN_HEADERS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9_.=:/ -]{0,30}", re.ASCII)
_PARAMETER = re.compile(r"[A-Za-z0-9_.\[\]-]{1,100}", re.ASCII)


def create_custom_provider(
    actor: Actor,
    *,
    name: str,
    base_url: str,
    credential_in: str,
    slug: str = "",
    credential_name: str = "",
    credential_prefix: str = "",
    probe_method: str = "",
    probe_path: str = "",
) -> Provider:
    """Describe a provider; without a probe path its keys can't be checked for free."""
    name = clean_name(name)
    slug = clean_slug(slug, RESERVED_SLUGS) if slug else free_slug(name, _taken())
    provider = Provider(
        slug=slug,
        name=name,
        base_url=clean_base_url(base_url),
        credential_in=_clean_place(credential_in),
        credential_name=_clean_credential(credential_in, credential_name.strip()),
        credential_prefix=_clean_prefix(credential_in, credential_prefix.strip()),
    )
    provider.probe_method, provider.probe_path = _clean_probe(
        probe_method, probe_path, credential_in
    )
    try:
        with transaction.atomic():
            if slug in _taken():
                raise Conflict(f"There is a provider “{slug}” already.", existing=slug)
            provider.save(force_insert=True)
            note(
                actor,
                Action.PROVIDER_CREATED,
                f"provider:{slug}",
                base_url=provider.base_url,
                credential_in=provider.credential_in,
                credential_name=provider.credential_name,
                credential_prefix=provider.credential_prefix,
            )
    except IntegrityError:
        raise Conflict(f"There is a provider “{slug}” already.", existing=slug) from None
    return provider


def change_base_url(actor: Actor, slug: str, *, base_url: str) -> Provider:
    """Point a custom provider elsewhere; what was entered for the old address is not sent there.

    Its keys are unusable until somebody enters their secrets again.
    """
    url = clean_base_url(base_url)
    with transaction.atomic():
        provider = Provider.objects.select_for_update().filter(slug=slug).first()
        if provider is None:
            raise Conflict("The address of a built-in provider is the operator’s to choose.")
        was = provider.base_url
        if was == url:
            return provider
        provider.base_url = url
        provider.save(update_fields=["base_url"])
        note(actor, Action.BASE_URL_CHANGED, f"provider:{slug}", was=was, now=url)
    return provider


def _taken() -> set[str]:
    return {*RESERVED_SLUGS, *(spec.slug for spec in providers.all_specs())}


def clean_base_url(text: str) -> str:
    """An https URL of a host, without user, query or fragment; http only where allowed."""
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Invalid("base_url", "This is not a URL.") from None
    if not url.isprintable() or not url.isascii() or " " in url or "\\" in url or len(url) > 300:
        raise Invalid("base_url", "This is not a URL.")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise Invalid("base_url", "The base URL starts with https:// and a host.")
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in url or "#" in url:
        raise Invalid("base_url", "The base URL has no user, query or fragment.")
    if any(segment in (".", "..") for segment in parts.path.split("/")) or "//" in parts.path:
        raise Invalid("base_url", "The base URL's path is ambiguous.")
    number = port or (443 if parts.scheme == "https" else 80)
    if parts.scheme == "http" and not is_allowed(parts.hostname, number):
        raise Invalid(
            "base_url",
            "The base URL must be https: a key never travels in the clear. For a network of "
            "yours the operator can let it through: "
            f"KEYDECK_OUTBOUND_ALLOW={parts.hostname[:100]}:{number}",
        )
    _refuse_private(parts.hostname, number)
    return url


def _refuse_private(host: str, port: int) -> None:
    try:
        outbound.check_host(host, port)
    except outbound.Blocked:
        raise Invalid(
            "base_url",
            f"{host[:100]} is not on the open internet. The operator can let it through: "
            f"KEYDECK_OUTBOUND_ALLOW={host[:100]}:{port}",
        ) from None


def _clean_place(place: str) -> str:
    known = [value for value, _ in Provider.PLACES]
    if place not in known:
        raise Invalid("credential_in", f"The credential goes in one of {', '.join(known)}.")
    return place


def _clean_credential(place: str, name: str) -> str:
    if place == "bearer":
        return ""
    pattern, kind = (_HEADER, "header") if place == "header" else (_PARAMETER, "parameter")
    if not pattern.fullmatch(name):
        raise Invalid("credential_name", f"{name[:60]!r} is not a {kind} name.")
    if place == "header" and name.lower() in FORBIDDEN_HEADERS:
        raise Invalid("credential_name", f"The header {name} can't carry a credential.")
    return name


def _clean_prefix(place: str, prefix: str) -> str:
    if prefix and place != "header":
        raise Invalid("credential_prefix", "Only a header has something before the credential.")
    if not _PREFIX.fullmatch(prefix):
        raise Invalid("credential_prefix", f"{prefix[:60]!r} can't stand before a credential.")
    return prefix


def _clean_probe(method: str, path: str, place: str) -> tuple[str, str]:
    path = path.strip()
    if not path:
        return "", ""
    method = method.strip().upper() or ("POST" if place == "body" else "GET")
    if method not in PROBE_METHODS:
        raise Invalid("probe_method", f"The probe is one of {', '.join(PROBE_METHODS)}.")
    if place == "body" and method != "POST":
        raise Invalid("probe_method", "A credential in the body needs a POST probe.")
    if not path.startswith("/") or path.startswith("//") or len(path) > 300:
        raise Invalid("probe_path", "The probe's path starts with one slash.")
    if not path.isprintable() or not path.isascii() or any(mark in path for mark in " #\\"):
        raise Invalid("probe_path", "The probe's path has a character that no path has.")
    return method, path
