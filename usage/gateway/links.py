"""Absolute provider URLs in answers, turned into the gateway's, so that clients who follow
them (ModelsLab's `fetch_result`, a Location) come back here with their app key.
"""

import re
from functools import lru_cache
from urllib.parse import urlsplit

from usage.gateway.terms import terms

# A JSON string that is a URL whole: `"https://…"`, slashes and ampersands escaped or not. Takes an
# unclosed one to the end, so that no body costs more than one walk over it.
_TEMPLATE = r'"%s((?:/|\\/)[^"\\]*+(?:\\(?:.|\Z)[^"\\]*+)*+)?+(?:(")|\Z)'
_LINK = re.compile(r"<([^<>]*)>")
# A last segment with an extension is a file, opened by browsers without a key.
_FILE = re.compile(r"\.[A-Za-z0-9]{2,5}$")


class Links:
    """Rewrites links of one provider."""

    def __init__(self, slug: str, base_url: str, gateway_url: str) -> None:
        self._base = base_url.rstrip("/")
        self.own = f"{gateway_url}/{slug}"
        parts = urlsplit(self._base)
        self._netloc = parts.netloc.lower()
        self._sub_path = parts.path
        port = "" if parts.port else "(?::443|:80)?"
        pattern = f"https?://{re.escape(parts.netloc)}{port}{re.escape(parts.path)}"
        pattern = pattern.replace("/", r"(?:/|\\/)")
        self._in_json = re.compile((_TEMPLATE % pattern).encode(), re.DOTALL)
        self._needle = parts.netloc.encode()

    def in_json(self, body: bytes) -> bytes:
        """A whole JSON body with the provider's links turned."""
        return self._in_json.sub(self._turn, body) if self._needle in body else body

    def in_header(self, value: str) -> str:
        """A Location, or a Link's `<url>` parts, turned; relative ones stay below the gateway."""
        if "<" in value:
            return _LINK.sub(lambda link: f"<{self._one(link[1])}>", value)
        return self._one(value)

    def _one(self, url: str) -> str:
        """Empty for one at the provider that the gateway does not lead to: whoever follows it
        would take the app key there."""
        if url.startswith("/") and not url.startswith("//"):
            return self._below(url)
        scheme, slashes, rest = url.partition("//")
        netloc = re.split(r"[/?#]", rest, maxsplit=1)[0]
        if not slashes or scheme.lower() not in ("", "http:", "https:") or not self._is_its(netloc):
            return url
        return self._below(rest[len(netloc) :] or "/")

    def _is_its(self, netloc: str) -> bool:
        bare = netloc.rpartition("@")[2].lower()
        return bare == self._netloc or bare.removesuffix(":443").removesuffix(":80") == self._netloc

    def _below(self, path: str) -> str:
        inside = path == self._sub_path or path.startswith(self._sub_path + "/")
        return self.own + path.removeprefix(self._sub_path) if inside else ""

    def _turn(self, match: re.Match[bytes]) -> bytes:
        rest = match[1] or b""
        plain = rest.replace(b"\\/", b"/").split(b"?")[0].decode("latin-1")
        if _FILE.search(plain.rpartition("/")[2]) or match[2] is None:
            return match[0]
        own = self.own.encode()
        return b'"' + (own.replace(b"/", b"\\/") if b"\\/" in match[0] else own) + rest + b'"'


def links_of(slug: str, base_url: str) -> Links:
    """The rewriter of a provider, made once."""
    return _made(slug, base_url, terms().url)


_made = lru_cache(maxsize=256)(Links)
