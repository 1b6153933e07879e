"""Template tags of the usage pages: outcomes, latencies, money and shares as people read them."""

from math import floor, log10

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from usage.charts import WORDS
from usage.events import Outcome

register = template.Library()


@register.simple_tag
def outcome(value: str) -> SafeString:
    """An outcome as a word with the dot its chart uses."""
    words = WORDS[Outcome(value)] if value in set(Outcome) else value
    return format_html(
        '<span class="kd-outcome"><span class="kd-dot kd-dot-{}"></span>{}</span>', value, words
    )


@register.filter
def outcome_words(value: str) -> str:
    return WORDS[Outcome(value)] if value in set(Outcome) else value


@register.filter
def latency(ms: float | None) -> str:
    """Three digits from a second on: 0.42 ms, 12 ms, 1.20 s."""
    if ms is None:
        return "–"
    if ms >= 100_000:
        return f"{ms / 1000:.0f} s"
    if ms >= 1000:
        return f"{ms / 1000:#.3g} s"
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.2g} ms"


@register.filter
def money(dollars: float) -> str:
    """Three digits below a dollar: $1,204.50, $0.0312, $0.00000152."""
    if dollars >= 1:
        return f"${dollars:,.2f}"
    places = 2 - floor(log10(dollars)) if dollars else 2
    return f"${dollars:.{max(places, 2)}f}"


@register.simple_tag
def change(now: float, before: float | None, meaning: str = "", points: bool = False) -> SafeString:
    """How a figure moved since the time before: an arrow and by how much, in per cent, or in points
    for what is a share itself. `meaning` is bad where more of it is bad, empty where it is neither.
    """
    if before is None or (not before and not points):
        return SafeString("")
    moved = (now - before) * 100 if points else (now - before) / before * 100
    size = f"{abs(moved):.0f}" if abs(moved) >= 10 else f"{abs(moved):.1f}"
    if float(size) == 0:
        return format_html('<span class="kd-change">{}</span>', "as before")
    up = moved > 0
    tone = meaning and (" kd-change-bad" if up else " kd-change-good")
    told = f"{size} points" if points else f"{size} %"
    return format_html(
        '<span class="kd-change{}">{} {}<span class="visually-hidden"> {}</span></span>',
        tone,
        "▲" if up else "▼",
        told,
        "more than before" if up else "less than before",
    )


@register.filter
def amount(nanos: int, currency: str) -> str:
    """A balance or what it moved by, in its own currency."""
    told = money(abs(nanos) / 10**9)
    told = told if currency == "USD" else f"{told[1:]} {currency}".rstrip()
    return f"−{told}" if nanos < 0 else told


@register.filter
def percent(part: float) -> str:
    """A share as the number that an SVG of 100 units takes."""
    return f"{part * 100:.1f}"


@register.filter
def share(part: float) -> str:
    """0.0312 as 3.1 %. A share that is not nothing never reads as nothing."""
    percent = part * 100
    if 0 < percent < 0.1:
        return "< 0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 99.95 else f"{percent:.0f} %"
