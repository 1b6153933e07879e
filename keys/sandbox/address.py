"""Where the sandbox provider of a data directory listens, for who kills a key in it."""

from pathlib import Path

FILE = "sandbox.address"


def note(folder: Path, port: int) -> None:
    (folder / FILE).write_text(f"{port}\n")


def noted(folder: Path) -> int | None:
    """The port that was written down last; None when none was."""
    try:
        return int((folder / FILE).read_text())
    except (OSError, ValueError):
        return None
