"""Names that are one of a kind, and short names made from long ones."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from django.db import IntegrityError
from django.utils.text import slugify

from keys.lifecycle.errors import Conflict, Invalid
from keys.lifecycle.inputs import clean_slug
from keys.models import AppKey, Application, ProviderKey


@contextmanager
def one_of_a_name(
    model: type[ProviderKey] | type[AppKey], application: Application, name: str
) -> Iterator[None]:
    """Turns a name that is taken into a Conflict; wraps the transaction that inserts."""
    try:
        yield
    except IntegrityError:
        rows = model._default_manager.filter(application=application, name=name)
        if not rows.exists():
            raise
        raise Conflict(f"There is a key named “{name}” already.", existing=name) from None


def free_slug(name: str, taken: Collection[str]) -> str:
    """A short name made from `name` that isn't taken; Invalid where none can be made."""
    base = slugify(name)[:44].strip("-_").replace("_", "-")
    if not base:
        raise Invalid("slug", "This name makes no short name: give one of letters and digits.")
    numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
    return clean_slug(next(slug for slug in (base, *numbered) if slug not in taken))


def free_name(
    model: type[ProviderKey] | type[AppKey], application: Application, wanted: str
) -> str:
    """`wanted`, or `wanted 2`, `wanted 3` … where that is taken."""
    rows = model._default_manager.filter(application=application, name__startswith=wanted)
    taken = set(rows.values_list("name", flat=True))
    numbered = (f"{wanted} {number}" for number in range(2, len(taken) + 3))
    return next(name for name in (wanted, *numbered) if name not in taken)
