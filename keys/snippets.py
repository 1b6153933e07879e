"""Ready code for developers: the provider's own example with the base URL and the key changed.

The templates (templates/snippets/) hold each language's frame; this module writes the values
in that language's own quoting, so that every snippet runs as copied.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.template.loader import render_to_string

from keys.models import AppKey
from keys.providers import ProviderSpec

LANGUAGES = {
    "curl": "curl",
    "python": "Python",
    "javascript": "JavaScript",
    "php": "PHP",
    "go": "Go",
}


@dataclass(frozen=True, slots=True)
class KeyText:
    """The app key as it stands in code: its text, or the variable that code reads it from."""

    text: str = ""
    variable: str = ""


def masked_key(key: AppKey, last4: str) -> str:
    """The app key as pages show it."""
    return f"kd_{key.environment}_{key.id}_…{last4}"


def gateway_url(spec: ProviderSpec) -> str:
    """What replaces the provider's base URL."""
    return f"{settings.GATEWAY_URL}/{spec.slug}"


def variable(spec: ProviderSpec) -> str:
    """The environment variable of the provider's own examples."""
    return spec.env_var or re.sub(r"\W", "_", spec.slug).upper() + "_API_KEY"


def export_line(spec: ProviderSpec, text: str) -> str:
    return f"export {variable(spec)}={_shell(text)}"


def dotenv_line(spec: ProviderSpec, text: str) -> str:
    return f"{variable(spec)}={text}"


def render(language: str, spec: ProviderSpec, key: KeyText) -> str:
    """The provider's example in `language` (one of LANGUAGES), through the gateway."""
    example = spec.example
    place = spec.placement(example.path, frozenset())
    write = _WRITERS[language](key)
    body: dict[str, Any] = dict(example.body)
    headers: dict[str, Any] = dict(spec.extra_headers)
    url: Any = gateway_url(spec) + example.path
    if place.place == "body":
        body = {place.name: _Key(), **body}
    elif place.place == "query":
        sign = "&" if "?" in url else "?"
        url = _Key(prefix=f"{url}{sign}{urlencode({place.name: ''})}")
    elif place.place == "bearer":
        headers["Authorization"] = _Key(prefix="Bearer ")
    else:
        headers[place.name] = _Key(prefix=spec.prefix)
    if body:
        headers["Content-Type"] = "application/json"
    context = {
        "method": example.method,
        "url": write.value(url),
        "method_literal": write.value(example.method),
        "headers": [(write.value(name), write.value(value)) for name, value in headers.items()],
        "header_lines": [write.header(name, value) for name, value in headers.items()],
        "body": write.value(body, write.depth) if body else "",
        "key": write.declared(),
        "from_variable": bool(key.variable),
    }
    text = render_to_string(f"snippets/{language}.txt", context)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@dataclass(frozen=True, slots=True)
class _Key:
    """Where the key stands in a value, behind `prefix`."""

    prefix: str = ""


class _Writer(ABC):
    """Writes values as one language's literals. JSON's strings are those of most languages."""

    joiner = " + "
    name = "apiKey"
    pair = "{}: {}"
    opening, closing, listing = "{", "}", ("[", "]")
    indent = "  "
    words = {True: "true", False: "false", None: "null"}
    trailing_comma = True
    depth = 0  # of the body in the template

    def __init__(self, key: KeyText) -> None:
        self.key = key

    def declared(self) -> str:
        """The right side of the line that sets the key."""
        return self.variable() if self.key.variable else self.string(self.key.text)

    @abstractmethod
    def variable(self) -> str:
        """The expression that reads the variable of the environment."""

    def string(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    def header(self, name: str, value: Any) -> str:
        """A header as one `Name: value` string."""
        if isinstance(value, _Key):
            return self.value(_Key(prefix=f"{name}: {value.prefix}"))
        return self.string(f"{name}: {value}")

    def value(self, value: Any, depth: int = 0) -> str:
        if isinstance(value, _Key):
            return (
                f"{self.string(value.prefix)}{self.joiner}{self.name}"
                if value.prefix
                else self.name
            )
        if isinstance(value, Mapping):
            pairs = [
                self.pair.format(self.string(str(name)), self.value(item, depth + 1))
                for name, item in value.items()
            ]
            return self._lines(self.opening, pairs, self.closing, depth)
        if isinstance(value, list | tuple):
            items = [self.value(item, depth + 1) for item in value]
            return self._lines(self.listing[0], items, self.listing[1], depth)
        if isinstance(value, bool) or value is None:
            return self.words[value]
        return self.string(value) if isinstance(value, str) else json.dumps(value)

    def _lines(self, opening: str, items: list[str], closing: str, depth: int) -> str:
        inner = self.indent * (depth + 1)
        rows = "".join(f"{inner}{item},\n" for item in items)
        if not self.trailing_comma:
            rows = rows[:-2] + "\n" if rows else rows
        return f"{opening}\n{rows}{self.indent * depth}{closing}"


class _Python(_Writer):
    name = "api_key"
    indent = "    "
    words = {True: "True", False: "False", None: "None"}

    def variable(self) -> str:
        return f'os.environ["{self.key.variable}"]'


class _JavaScript(_Writer):
    def variable(self) -> str:
        return f"process.env.{self.key.variable}"


class _Php(_Writer):
    name = "$apiKey"
    joiner = " . "
    pair = "{} => {}"
    opening, closing = "[", "]"
    indent = "    "

    def variable(self) -> str:
        return f"getenv('{self.key.variable}')"

    def string(self, text: str) -> str:
        escaped = text.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"


class _Go(_Writer):
    indent = "\t"
    depth = 1
    opening, listing = "map[string]any{", ("[]any{", "}")
    words = {True: "true", False: "false", None: "nil"}

    def variable(self) -> str:
        return f'os.Getenv("{self.key.variable}")'


class _Curl(_Writer):
    """JSON inside single quotes of the shell; a variable steps out of them."""

    trailing_comma = False

    def variable(self) -> str:
        return f'"${self.key.variable}"'

    def header(self, name: str, value: Any) -> str:
        if isinstance(value, _Key):
            return self.value(_Key(prefix=f"{name}: {value.prefix}"))
        return _shell(f"{name}: {value}")

    def value(self, value: Any, depth: int = 0) -> str:
        if depth:
            return json.dumps(_PLACE) if isinstance(value, _Key) else super().value(value, depth)
        if isinstance(value, _Key):
            return self._quoted(f"{value.prefix}{_PLACE}")
        return self._quoted(super().value(value) if isinstance(value, Mapping) else str(value))

    def _quoted(self, text: str) -> str:
        if not self.key.variable:
            return _shell(text.replace(_PLACE, self.key.text))
        return _shell(text).replace(_PLACE, f"'{self.variable()}'").removesuffix("''")


_PLACE = "@@app-key@@"
_WRITERS: dict[str, type[_Writer]] = {
    "curl": _Curl,
    "python": _Python,
    "javascript": _JavaScript,
    "php": _Php,
    "go": _Go,
}


def _shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
