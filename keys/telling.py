"""Numbers and times as sentences of ours tell them, and as people tell us: one form everywhere."""

from datetime import UTC, date, datetime


def counted(number: int, word: str) -> str:
    """`1 call`, `2,000 calls`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def moment(at: datetime | str) -> str:
    """ISO 8601 to the minute, with its zone named; of a text that is ISO 8601, too."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def read_moment(text: str) -> datetime:
    """A day or moment in ISO 8601, of UTC unless it names its zone. Raises ValueError."""
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        like = "2026-01-31 or 2026-01-31T12:00"
        raise ValueError(f"“{text}” is no day or moment such as {like}") from None
    return said.astimezone(UTC) if said.tzinfo else said.replace(tzinfo=UTC)


def whole_day(day: date) -> str:
    return f"{day:%Y-%m-%d} UTC"
