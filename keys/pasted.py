"""What people paste to import many keys at once: a table, or a .env file.

Nothing here is stored or logged; secrets leave in a `Secret`.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from dotenv.parser import Binding, parse_stream

from keys import snippets, tokens
from keys.providers import ProviderSpec
from keys.vault import Secret

COLUMNS = ("provider", "name", "secret", "note", "tags", "environment")
NEEDED = COLUMNS[:3]
_ASSIGNMENT = re.compile(r"(?:export\s+)?[A-Za-z_][A-Za-z0-9_.]*\s*=")
_KEYLIKE = re.compile(r"(^|_)(KEY|TOKEN|SECRET)(_|$)")


@dataclass(frozen=True, slots=True)
class Row:
    """One provider key to be made; `line` is where it stood, from 1."""

    line: int
    provider: str
    name: str
    secret: Secret
    note: str = ""
    tags: str = ""
    environment: str = "live"


class Unreadable(ValueError):
    """The text is no table that keys can be read from; says why."""


def is_dotenv(text: str) -> bool:
    """Whether the text reads as a .env file, not as a table: its first line that says anything."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return _ASSIGNMENT.match(first) is not None


def read_table(text: str) -> list[Row]:
    """The rows of a table whose columns are parted by commas, semicolons or tabs.

    A first line that names the columns gives their order, else it is that of `COLUMNS`.
    Raises Unreadable.
    """
    text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")  # written by spreadsheets
    head = next((line for line in text.splitlines() if line.strip()), "")
    separator = max("\t;,", key=head.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    columns: tuple[str, ...] = COLUMNS
    rows: list[Row] = []
    try:
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if not rows and columns is COLUMNS and _names_columns(cells):
                columns = _columns(cells)
            else:
                rows.append(_row(lines.line_num, columns, cells))
    except csv.Error as error:
        raise Unreadable(f"Line {lines.line_num}: {error}.") from None
    return rows


def _names_columns(cells: list[str]) -> bool:
    return "secret" in (cell.strip().lower() for cell in cells)


def _columns(cells: list[str]) -> tuple[str, ...]:
    names = tuple(cell.strip().lower() for cell in cells)
    if unknown := [name for name in names if name not in COLUMNS]:
        told = ", ".join(repr(name[:40]) for name in unknown[:3])
        raise Unreadable(f"The first line names {told}; columns are {', '.join(COLUMNS)}.")
    if missing := [name for name in NEEDED if name not in names]:
        raise Unreadable(f"The first line lacks the column {missing[0]}.")
    return names


def _row(line: int, columns: tuple[str, ...], cells: list[str]) -> Row:
    if len(cells) > len(columns):
        raise Unreadable(f"Line {line} has {len(cells)} columns; at most {len(columns)} are known.")
    given = {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}
    secret = given.pop("secret", "")
    words = {name: given.get(name) or "" for name in COLUMNS if name != "secret"}
    words["environment"] = words["environment"] or "live"
    return Row(line=line, secret=Secret(secret), **words)


@dataclass(frozen=True, slots=True)
class Dotenv:
    """A .env file, read: the keys found in it, and the variables that were left alone."""

    bindings: tuple[Binding, ...] = field(repr=False)
    found: tuple[Row, ...]
    left: tuple[str, ...]  # variables that look like a key of a provider that isn't known


def read_dotenv(text: str, specs: Iterable[ProviderSpec]) -> Dotenv:
    """Recognises keys by the shape of the value, else by the name of the variable."""
    known = list(specs)
    bindings = tuple(parse_stream(io.StringIO(text)))
    found, left = [], []
    for binding in bindings:
        name, value = binding.key or "", binding.value or ""
        if not name or not value.strip():
            continue
        spec = _provider_of(name, value.strip(), known)
        if spec is not None:
            line = binding.original.line + _leading_lines(binding.original.string)
            found.append(Row(line, spec.slug, name, Secret(value)))
        elif _KEYLIKE.search(name.upper()) and not tokens.parse_app_key(value.strip()):
            left.append(name)
    return Dotenv(bindings, tuple(found), tuple(left))


def replacement(read: Dotenv, made: Mapping[str, str], specs: Mapping[str, ProviderSpec]) -> str:
    """The .env file again: each variable in `made` holds its app key (variable -> text).

    Behind a key stands where calls go now. The other lines are as they were.
    """
    provider_of = {row.name: specs[row.provider] for row in read.found if row.name in made}
    taken = {binding.key for binding in read.bindings}
    urls = dict(filter(None, map(_base_url, provider_of.values())))
    written, told = [], set()
    for binding in read.bindings:
        name, line = binding.key or "", binding.original.string
        if name in provider_of:
            spec = provider_of[name]
            line = _with_value(binding, made[name])
            if spec.slug not in told and _base_url_name(spec) not in taken:
                line = f"{line.rstrip()}\n{_told(spec)}\n"
            told.add(spec.slug)
        elif name in urls:
            line = _with_value(binding, urls[name])
        written.append(line)
    return "".join(written)


def lines_with(text: str, secrets: Iterable[str]) -> tuple[int, ...]:
    """The lines, from 1, in which one of the secrets stands."""
    wanted = list(secrets)
    lines = enumerate(text.splitlines(), start=1)
    return tuple(n for n, line in lines if any(secret in line for secret in wanted))


def _provider_of(name: str, value: str, specs: Iterable[ProviderSpec]) -> ProviderSpec | None:
    tests: tuple[Callable[[ProviderSpec], bool], ...] = (
        lambda spec: bool(spec.key_shape and re.fullmatch(spec.key_shape, value)),
        lambda spec: name.upper() == snippets.variable(spec),
        lambda spec: _names_key_of(name.upper(), spec),
    )
    if tokens.parse_app_key(value) is not None:
        return None
    matches = (spec for fits in tests for spec in specs if fits(spec))
    return next(matches, None)


def _names_key_of(name: str, spec: ProviderSpec) -> bool:
    """STRIPE_LIVE_SECRET_KEY is one of `stripe`; STRIPE_URL is not."""
    word = re.sub(r"\W", "_", spec.slug).upper()
    return f"_{word}_" in f"_{name}_" and _KEYLIKE.search(name) is not None


def _leading_lines(original: str) -> int:
    return original[: len(original) - len(original.lstrip())].count("\n")


def _with_value(binding: Binding, value: str) -> str:
    """The binding's own line with another value; ours need no quotes."""
    before, sign, behind = binding.original.string.partition("=")
    old = binding.value or ""
    if old and old in behind:
        return f"{before}{sign}{behind.replace(old, value, 1)}"
    end = "\n" if behind.endswith("\n") else ""
    return f"{before}{sign}{value}{end}"


def _base_url_name(spec: ProviderSpec) -> str:
    return spec.base_url_var[0]


def _base_url(spec: ProviderSpec) -> tuple[str, str] | None:
    name, behind = spec.base_url_var
    return (name, snippets.gateway_url(spec) + behind) if name else None


def _told(spec: ProviderSpec) -> str:
    if pair := _base_url(spec):
        return "=".join(pair)
    return f"# {spec.name} is called at {snippets.gateway_url(spec)} now, not at {spec.base_url}"
