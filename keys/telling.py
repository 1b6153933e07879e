"""Numbers and times as sentences of ours tell them: one form wherever they are printed."""

from datetime import UTC, date, datetime


def counted(number: int, word: str) -> str:
    """`1 call`, `2,000 calls`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def moment(at: datetime | str) -> str:
    """ISO 8601 to the minute, with its zone named; of a text that is ISO 8601, too."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def whole_day(day: date) -> str:
    return f"{day:%Y-%m-%d} UTC"
