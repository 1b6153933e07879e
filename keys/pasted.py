"""What people paste to import many keys at once: a table, or a .env file.

Nothing here is stored or logged; secrets leave in a `Secret`.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dotenv.parser import Binding, parse_stream

from keys import snippets, tokens
from keys.providers import ProviderSpec
from keys.vault import Secret

COLUMNS = ("provider", "name", "secret", "note", "tags", "environment")
NEEDED = COLUMNS[:3]
MOST_TABLE = 1_000_000  # characters
MOST_DOTENV = 50_000
MOST_BLANKS = 100  # in a row
_MANY_BLANKS = re.compile(rf"\s{{{MOST_BLANKS + 1}}}")
FOR_PEOPLE = ("name", "note", "tags")  # what everybody who sees the key may read
_ASSIGNMENT = re.compile(r"(?:export\s+)?[A-Za-z_][A-Za-z0-9_.]*\s*=")
_KEYLIKE = re.compile(r"(^|_)(KEY|TOKEN|SECRET)(_|$)")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")
# One piece of letters and digits mixed.
_RANDOM = re.compile(r"(?=.*[^\W\d_])(?=.*\d)\S{20,}")
_WORD = re.compile(r"[a-z _-]{1,20}")


@dataclass(frozen=True, slots=True)
class Row:
    """One provider key to be made; `line` is where it stood, from 1.

    `variable`: its name in a .env file; "" in a table. `fault`: the column and what is wrong
    there, where the row as it was written shows it.
    """

    line: int
    provider: str
    name: str
    secret: Secret
    note: str = ""
    tags: str = ""
    environment: str = "live"
    variable: str = ""
    fault: tuple[str, str] | None = None


class Unreadable(ValueError):
    """The text is no table or file that keys can be read from; says why."""


def require_bounded(text: str) -> None:
    """Raises Unreadable for a text that would take long to read, before anything reads it.

    The parser of .env files takes time by the square of the blanks in one run, and of the lines
    that open a quote and don't close it.
    """
    most = MOST_DOTENV if is_dotenv(text) else MOST_TABLE
    if len(text) > most:
        raise Unreadable(f"This is {len(text):,} characters long; at most {most:,} go in at once.")
    if found := _MANY_BLANKS.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise Unreadable(f"Line {line} has more than {MOST_BLANKS} blanks in a row: take them out.")


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
        # What stands there may be a secret: not every line with the word names the columns.
        words = [repr(name) for name in unknown if _WORD.fullmatch(name)][:3]
        told = ", ".join(words) or "what is no column"
        raise Unreadable(f"The first line names {told}; columns are {', '.join(COLUMNS)}.")
    if missing := [name for name in NEEDED if name not in names]:
        raise Unreadable(f"The first line lacks the column {missing[0]}.")
    return names


def _row(line: int, columns: tuple[str, ...], cells: list[str]) -> Row:
    given = {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}
    secret = given.pop("secret", "")
    words = {name: given.get(name) or "" for name in COLUMNS if name != "secret"}
    words["environment"] = words["environment"] or "live"
    fault = _mixed_up(secret, words)
    if len(cells) > len(columns):
        fault = "row", f"It has {len(cells)} columns; at most {len(columns)} are known."
    return Row(line=line, secret=Secret(secret), fault=fault, **words)


def _mixed_up(secret: str, words: Mapping[str, str]) -> tuple[str, str] | None:
    """Something random beside a secret that is a mere word, as when two columns are swapped."""
    if any(character.isdigit() for character in secret):
        return None
    for column in FOR_PEOPLE:
        if len(words[column]) > len(secret) and _RANDOM.fullmatch(words[column]):
            return column, "This looks like the secret: are the columns mixed up?"
    return None


@dataclass(frozen=True, slots=True)
class Dotenv:
    """A .env file, read: each binding with the key found in it, and the variables left alone."""

    bindings: tuple[tuple[Binding, Row | None], ...] = field(repr=False)
    left: tuple[str, ...]  # variables that look like a key of a provider that isn't known
    unread: tuple[int, ...] = ()  # lines that say nothing to who reads such files

    @property
    def found(self) -> tuple[Row, ...]:
        return tuple(row for _, row in self.bindings if row)


def read_dotenv(text: str, specs: Iterable[ProviderSpec]) -> Dotenv:
    """Recognises keys by the shape of the value, else by the name of the variable."""
    known = list(specs)
    bindings: list[tuple[Binding, Row | None]] = []
    left = []
    for binding in parse_stream(io.StringIO(text)):
        name, value = binding.key or "", binding.value or ""
        row = None
        if name and value.strip():
            spec = _provider_of(name, value.strip(), known)
            if spec is not None:
                row = Row(_line_of(binding), spec.slug, name, Secret(value), variable=name)
            elif _KEYLIKE.search(name.upper()) and not tokens.parse_app_key(value.strip()):
                left.append(name)
        bindings.append((binding, row))
    unread = tuple(_line_of(binding) for binding, _ in bindings if binding.error)
    return Dotenv(tuple(bindings), tuple(left), unread)


def replacement(read: Dotenv, made: Mapping[str, str], specs: Mapping[str, ProviderSpec]) -> str:
    """The .env file again: each key found holds its app key (`made`: secret -> app key).

    Behind the first key of a provider stands where calls go now. The other lines are as they were.
    """
    taken = {binding.key for binding, _ in read.bindings}
    written, told = [], set()
    for binding, row, value in _with_new_values(read, made, specs):
        line = binding.original.string if value is None else _with_value(binding, value)
        if row is not None and value is not None:
            spec = specs[row.provider]
            if spec.slug not in told and _base_url_name(spec) not in taken:
                line = f"{line.rstrip()}\n{_told(spec)}\n"
            told.add(spec.slug)
        written.append(line)
    return "".join(written)


def rest(read: Dotenv, made: Mapping[str, str], specs: Mapping[str, ProviderSpec]) -> str:
    """What of the file as it was stays in its replacement, each line in its old place."""
    pieces = _with_new_values(read, made, specs)
    return "".join(
        binding.original.string if value is None else _cut(binding) for binding, _, value in pieces
    )


def lines(text: str) -> list[str]:
    """The lines as an editor numbers them, each with its end."""
    return _LINE.findall(text)


def lines_with(text: str, secrets: Iterable[str]) -> tuple[int, ...]:
    """The lines, from 1, in which one of the secrets stands."""
    wanted = list(secrets)
    numbered = enumerate(lines(text), start=1)
    return tuple(n for n, line in numbered if any(secret in line for secret in wanted))


def _with_new_values(
    read: Dotenv, made: Mapping[str, str], specs: Mapping[str, ProviderSpec]
) -> Iterator[tuple[Binding, Row | None, str | None]]:
    """Each binding with the value that it gets; None: it stays as it is."""
    held = [(binding, row, (binding.value or "").strip()) for binding, row in read.bindings]
    used = {row.provider for _, row, old in held if row and old in made}
    urls = dict(filter(None, (_base_url(specs[slug]) for slug in used)))
    for binding, row, old in held:
        value = made.get(old) if row else urls.get(binding.key or "")
        yield binding, row, value


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


def _line_of(binding: Binding) -> int:
    """Where it begins, behind the empty lines before it."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _with_value(binding: Binding, value: str) -> str:
    """The binding's own line with another value; ours need no quotes."""
    before, sign, behind = binding.original.string.partition("=")
    old = binding.value or ""
    if old and old in behind:
        return f"{before}{sign}{behind.replace(old, value, 1)}"
    end = behind[len(behind.rstrip("\r\n")) :]
    return f"{before}{sign}{value}{end}"


def _cut(binding: Binding) -> str:
    """The binding without its value, as many lines as before."""
    before, sign, behind = binding.original.string.partition("=")
    old = binding.value or ""
    gone = old if old and old in behind else behind
    ends = "".join(character for character in gone if character in "\r\n")
    return f"{before}{sign}{behind.replace(gone, ends, 1)}"


def _base_url_name(spec: ProviderSpec) -> str:
    return spec.base_url_var[0]


def _base_url(spec: ProviderSpec) -> tuple[str, str] | None:
    name, behind = spec.base_url_var
    return (name, snippets.gateway_url(spec) + behind) if name else None


def _told(spec: ProviderSpec) -> str:
    if pair := _base_url(spec):
        return "=".join(pair)
    return f"# {spec.name} is called at {snippets.gateway_url(spec)} now, not at {spec.base_url}"
