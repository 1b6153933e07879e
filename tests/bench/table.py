"""What was measured, a line a figure, beside what DESIGN and its issue ask for."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Line:
    name: str
    target: str
    measured: str
    verdict: str


@dataclass
class Table:
    lines: list[Line] = field(default_factory=list)

    def at_least(self, name: str, target: float, measured: float, said: str = "") -> None:
        self._add(name, f"≥ {target:.2f}", said or f"{measured:.2f}", measured >= target)

    def at_most(self, name: str, target: float, measured: float, unit: str = "") -> None:
        digits = 0 if unit in ("KiB", "µs*") else 2
        self._add(name, f"≤ {target:g} {unit}", f"{measured:.{digits}f} {unit}", measured <= target)

    def note(self, name: str, measured: str) -> None:
        """A figure without a target."""
        self.lines.append(Line(name, "", measured, ""))

    def exact(self, name: str, expected: int, found: int) -> None:
        self._add(name, f"= {expected:,}", f"{found:,}", found == expected)

    def _add(self, name: str, target: str, measured: str, reached: bool) -> None:
        verdict = "ok" if reached else "NOT REACHED"
        self.lines.append(Line(name, target.strip(), measured.strip(), verdict))

    def __str__(self) -> str:
        rows = [Line("figure", "target", "measured", ""), *self.lines]
        widths = [
            max(len(getattr(row, column)) for row in rows)
            for column in ("name", "target", "measured")
        ]
        return "\n".join(
            f"{row.name:<{widths[0]}}  {row.target:>{widths[1]}}  "
            f"{row.measured:>{widths[2]}}  {row.verdict}".rstrip()
            for row in rows
        )
