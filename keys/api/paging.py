"""Lists: `{"items": […], "next": "<cursor>|null"}`, walked by a unique column, never by offset."""

import base64
import binascii
from typing import Annotated, Any, TypeVar

from django.db.models import Model, QuerySet
from pydantic import Field

from keys.api.fields import Input
from keys.lifecycle import Invalid

MOST = 1000
Row = TypeVar("Row", bound=Model)
Limit = Annotated[int, Field(ge=1, le=MOST)]


class Paging(Input):
    """Query of every list."""

    limit: Limit = 100
    cursor: Annotated[str, Field(max_length=500)] | None = None


def encode(value: str) -> str:
    return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


def decode(cursor: str) -> str:
    """The value a cursor stands for. Raises Invalid for text that is no cursor of ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        value = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        value = ""
    if not value or "\x00" in value:
        raise Invalid("cursor", "Not a cursor of this list.")
    return value


def page(
    rows: QuerySet[Row], paging: Paging, column: str, *, newest_first: bool = False
) -> tuple[list[Row], str | None]:
    """One page of `rows` ordered by the unique `column`, and the cursor of the next."""
    if paging.cursor is not None:
        bound: Any = decode(paging.cursor)
        if newest_first and not bound.isdecimal():
            raise Invalid("cursor", "Not a cursor of this list.")
        rows = rows.filter(**{f"{column}__{'lt' if newest_first else 'gt'}": bound})
    found = list(rows.order_by(f"-{column}" if newest_first else column)[: paging.limit + 1])
    if len(found) <= paging.limit:
        return found, None
    last: Any = found[paging.limit - 1]
    for name in column.split("__"):
        last = getattr(last, name)
    return found[: paging.limit], encode(str(last))
