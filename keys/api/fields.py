"""Field types that inputs share: each refuses what a database or a page could choke on."""

from datetime import UTC, datetime
from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic import StringConstraints as Chars


class Input(BaseModel):
    """A body or a query. An unknown field is a typing error that must not pass in silence."""

    model_config = ConfigDict(extra="forbid")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not contain control characters")
    return text


def _email(text: str) -> str:
    try:
        validate_email(text)
    except ValidationError as error:
        raise ValueError("is not an e-mail address") from error
    return text


def instant(value: Any) -> Any:
    """ISO 8601 with a zone as UTC. A `+` that a query string turned into a space is forgiven."""
    if value is None or isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a time in ISO 8601, such as 2026-01-31T12:00:00Z")
    try:
        when = datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
    except ValueError as error:
        raise ValueError("must be a time in ISO 8601, such as 2026-01-31T12:00:00Z") from error
    if when.tzinfo is None:
        raise ValueError("must name its zone: end it with Z or an offset")
    # Far enough from the ends that no arithmetic on it overflows.
    if not 1970 <= when.year <= 9000:
        raise ValueError("is out of range")
    return when.astimezone(UTC)


Printable = AfterValidator(_printable)
Line = Annotated[str, Chars(strip_whitespace=True, min_length=1, max_length=100), Printable]
Text = Annotated[str, Chars(strip_whitespace=True, max_length=300), Printable]
Slug = Annotated[str, Chars(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=50)]
Email = Annotated[
    str, Chars(strip_whitespace=True, max_length=254), Printable, AfterValidator(_email)
]
Instant = Annotated[datetime, BeforeValidator(instant)]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]
Seconds = Annotated[int, Field(strict=True, ge=0, le=365 * 86400)]
