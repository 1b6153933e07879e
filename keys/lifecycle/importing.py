"""Many keys at once, from what was pasted: all of them, or none and why, row by row."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, count

from django.db import transaction
from django.utils import timezone

from keys import pasted, providers, tokens, vault
from keys.audit import Actor
from keys.lifecycle import app_keys, inputs, provider_keys
from keys.lifecycle.errors import Invalid, LifecycleError
from keys.lifecycle.locks import hold_application
from keys.models import AppKey, Application, GotOut, ProviderKey, ProviderKeyVersion
from keys.pasted import Row
from keys.providers import ProviderSpec
from keys.states import WORKING, KeyState
from keys.vault import Secret

# One transaction holds them all: more would keep other writers waiting for seconds.
MOST_ROWS = 1000


_SLUG = re.compile(r"[a-z-]{1,20}")
_SHORTEST_SECRET = 8  # what is shorter may be a word that a note happens to have


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one row can't be imported; `line` is where it stood in the text.

    `field` is the column, or the variable of a .env file.
    """

    line: int
    field: str
    message: str


class ImportRefused(Invalid):
    """Nothing was imported; `faults` tells row by row why."""

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__("text", message)
        self.faults = list(faults)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made. `dotenv` is the file handed back, with app keys in it."""

    keys: list[ProviderKey]
    app_keys: list[AppKey] = field(default_factory=list)
    # Those of a .env file that were here already, and got an app key more.
    known: list[ProviderKey] = field(default_factory=list)
    left: tuple[str, ...] = ()
    unread: tuple[int, ...] = ()  # lines of the text that can't be read
    # Lines in which an imported secret stands all the same: of `dotenv`, of the text when tried.
    still: tuple[int, ...] = ()
    dotenv: Secret | None = None


def import_keys(
    actor: Actor, application: Application, text: str, *, try_only: bool = False
) -> Imported:
    """Make a provider key of every row of a table, or of every known key of a .env file.

    For each key of a .env file an app key is made as well, one more for a provider key that is
    here already, and the file handed back with the app keys in it. The providers are asked soon
    after, by the checks. With `try_only` nothing stays. Raises ImportRefused.
    """
    try:
        pasted.require_bounded(text)
        if pasted.is_dotenv(text):
            return _import_dotenv(actor, application, text, try_only=try_only)
        rows = pasted.read_table(text)
    except pasted.Unreadable as error:
        raise ImportRefused(str(error)) from None
    _require_room(rows)
    with _kept(try_only):
        return Imported(_insert_all(actor, application, rows))


def _import_dotenv(
    actor: Actor, application: Application, text: str, *, try_only: bool
) -> Imported:
    specs = {spec.slug: spec for spec in providers.all_specs()}
    read = pasted.read_dotenv(text, specs.values())
    once = {row.secret.reveal().strip(): row for row in reversed(read.found)}
    rows = sorted(once.values(), key=lambda row: row.line)
    if not rows:
        raise ImportRefused("No variable in this file looks like a provider’s key.")
    _require_room(rows)
    with _kept(try_only):
        hold_application(actor, application.pk)  # names are chosen one by one
        known = _known(application, rows, specs)
        taken = set(application.provider_keys.values_list("name", flat=True))
        new = [row for row in rows if row.line not in known]
        named = [replace(row, name=_free(row.name[:90], taken)) for row in new]
        keys = _insert_all(actor, application, named)
        stands_for = {row.line: key for row, key in zip(new, keys, strict=True)} | known
        taken = set(application.app_keys.values_list("name", flat=True))
        made = [_app_key_for(actor, application, stands_for[row.line], taken) for row in rows]
    texts = {
        row.secret.reveal().strip(): app_key.issued.reveal()
        for row, app_key in zip(rows, made, strict=True)
        if app_key.issued
    }
    told = Imported(keys, made, list(known.values()), read.left, read.unread)
    if try_only:
        return replace(told, still=pasted.lines_with(pasted.rest(read, texts, specs), texts))
    written = pasted.replacement(read, texts, specs)
    return replace(told, still=pasted.lines_with(written, texts), dotenv=Secret(written))


def _known(
    application: Application, rows: Sequence[Row], specs: Mapping[str, ProviderSpec]
) -> dict[int, ProviderKey]:
    """The rows, by line, whose secret is in use here already as a key of the same provider."""
    prints = {row.line: _fingerprint(row) for row in rows}
    found = ProviderKeyVersion.objects.filter(
        key__application=application,
        fingerprint__in=set(prints.values()) - {""},
        stage__in=WORKING,
    ).exclude(key__state=KeyState.REVOKED)
    out = GotOut.objects.values("fingerprint")
    versions = found.exclude(fingerprint__in=out).select_related("key")
    places = {(v.fingerprint, v.key.provider, v.entered_for): v.key for v in versions}
    wanted = {
        row.line: (prints[row.line], row.provider, specs[row.provider].bound_to) for row in rows
    }
    return {line: places[place] for line, place in wanted.items() if place in places}


def _fingerprint(row: Row) -> str:
    """Empty where no secret can be: its own row says so later."""
    try:
        return vault.fingerprint(inputs.clean_secret(row.secret)[0])
    except Invalid:
        return ""


@contextmanager
def _kept(try_only: bool) -> Iterator[None]:
    with transaction.atomic():
        yield
        if try_only:
            transaction.set_rollback(True)


def _require_room(rows: Sequence[Row]) -> None:
    """Before the database is held for them."""
    if not rows:
        raise ImportRefused("There is no row to import.")
    if len(rows) > MOST_ROWS:
        raise ImportRefused(f"These are {len(rows)} rows; at most {MOST_ROWS} go in at once.")


def _free(wanted: str, taken: set[str]) -> str:
    """The name, or with a number behind where that is taken; it is taken from now on."""
    numbered = (f"{wanted} {number}" for number in count(2))
    name = next(name for name in chain([wanted], numbered) if name not in taken)
    taken.add(name)
    return name


def _insert_all(actor: Actor, application: Application, rows: Sequence[Row]) -> list[ProviderKey]:
    """All keys, in the caller's transaction; ImportRefused with every fault there is."""
    hold_application(actor, application.pk)
    specs = {spec.slug: spec for spec in providers.all_specs()}
    names = application.provider_keys.values_list("name", flat=True)
    before = _Before(dict.fromkeys(names, 0))
    keys, faults = [], []
    for row in rows:
        try:
            keys.append(_insert(actor, application, row, specs, before))
        except Invalid as error:
            faults.append(Fault(row.line, _place(row, error.field), error.message))
        except LifecycleError as error:
            faults.append(Fault(row.line, _place(row, "secret"), error.message))
    if faults:
        count = len({fault.line for fault in faults})
        told = "1 row has a fault" if count == 1 else f"{count} rows have faults"
        raise ImportRefused(f"{told}; nothing was imported.", faults)
    return keys


@dataclass(frozen=True, slots=True)
class _Before:
    """What is taken when a row's turn comes, and by which line; line 0: it was here already."""

    names: dict[str, int]
    secrets: dict[str, int] = field(default_factory=dict)  # by fingerprint


def _place(row: Row, column: str) -> str:
    """Where the fault is. A variable's name is said once it is sure to be no secret itself."""
    if not row.variable:
        return column
    return row.variable[:90] if column == "secret" else "variable"


def _insert(
    actor: Actor,
    application: Application,
    row: Row,
    specs: Mapping[str, ProviderSpec],
    before: _Before,
) -> ProviderKey:
    _require_no_secret(row, specs.values())
    if row.fault:
        raise Invalid(*row.fault)
    name = inputs.clean_name(row.name)
    if line := before.names.get(name):
        raise Invalid("name", f"This name stands in line {line} too.")
    if name in before.names:
        raise Invalid("name", f"There is a key named “{name}” already.")
    spec = _provider_called(row.provider, specs)
    key = ProviderKey(
        name=name,
        provider=spec.slug,
        note=inputs.clean_note(inputs.for_people(row.note, "note")),
        tags=inputs.clean_tags(row.tags),
        environment=inputs.clean_environment(row.environment),
        next_check_at=timezone.now(),
    )
    secret, _ = inputs.clean_secret(row.secret)
    before.names[name] = row.line
    if line := before.secrets.get(vault.fingerprint(secret)):
        raise Invalid("secret", f"This secret stands in line {line} too.")
    made = provider_keys.insert_held(actor, application, key, secret, spec)
    before.secrets[vault.fingerprint(secret)] = row.line
    return made


def _require_no_secret(row: Row, specs: Collection[ProviderSpec]) -> None:
    """Columns get mixed up, and what stands in these is shown to everybody."""
    texts = {column: getattr(row, column) for column in pasted.FOR_PEOPLE}
    for column, text in texts.items():
        inputs.for_people(text, column)
        if any(_is_key(word, specs) for word in re.split(r"[\s,;]+", text)):
            raise Invalid(column, "This looks like a secret. Put it where the secret goes.")
    secret = row.secret.reveal().strip()
    for column, text in texts.items():
        if secret and (text == secret or (len(secret) >= _SHORTEST_SECRET and secret in text)):
            raise Invalid(column, "This is what stands in the column secret, too.")


def _is_key(word: str, specs: Collection[ProviderSpec]) -> bool:
    shapes = (spec.key_shape for spec in specs if spec.key_shape)
    return tokens.parse_app_key(word) is not None or any(
        re.fullmatch(shape, word) for shape in shapes
    )


def _provider_called(word: str, specs: Mapping[str, ProviderSpec]) -> ProviderSpec:
    """The provider of this short name, else the one of this name, in whichever letter case."""
    if word in specs:
        return specs[word]
    wanted = word.casefold()
    found = [s for s in specs.values() if wanted in (s.slug.casefold(), s.name.casefold())]
    if len(found) > 1:
        slugs = ", ".join(spec.slug for spec in found)
        raise Invalid("provider", f"More than one provider is called so; write one of: {slugs}.")
    if not found:
        # What stands there may be a secret: columns get mixed up.
        told = f" “{word}”" if _SLUG.fullmatch(word) else " of this name"
        raise Invalid("provider", f"There is no provider{told}.")
    return found[0]


def _app_key_for(
    actor: Actor, application: Application, key: ProviderKey, taken: set[str]
) -> AppKey:
    name = _free(f"{key.name[:80]} app key", taken)
    made = AppKey(name=name, providers=[key.provider], tags=key.tags)
    return app_keys.insert(actor, application, made)
