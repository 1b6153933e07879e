"""Cells of CSV files that people open in a spreadsheet."""

# OWASP's list (CSV injection). Spreadsheets of some languages take the full-width signs for plain.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would run."""
    return f"'{text}" if text.startswith(_FORMULA) else text
