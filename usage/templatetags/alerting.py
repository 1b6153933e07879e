"""Template filters of the pages about alerts and hygiene."""

from typing import Any

from django import template

from usage import hygiene
from usage.models import HygieneFinding

register = template.Library()

# In the order in which they read; {} is the value, {s} the end of its plural.
PARAMS = {
    "verdicts": "{}",
    "percent": "from {} %",
    "milliseconds": "from {} ms",
    "amount": "below {}",
    "dollars_per_day": "from ${} a day",
    "times": "from {} times the week before",
    "days": "{} day{s}",
    "hours": "{} hour{s}",
    "seconds": "from {} second{s}",
    "minutes": "in {} minute{s}",
    "calls": "of at least {} call{s}",
    "each": "for each {}",
}
DETAILS = {
    "people": "{} who left",
    "applications": "in {} applications",
    "policy_days": "the policy says {} days",
    "allowed": "allows {:,} calls a day",
    "busiest_day": "busiest day: {:,} calls",
}


@register.filter
def params_words(params: dict[str, Any]) -> str:
    """A rule's parameters in one line."""
    told = {name: value for name, value in params.items() if value not in (0, 0.0, [], "")}
    return ", ".join(
        words.format(_plain(told[name]), s="" if told[name] == 1 else "s")
        for name, words in PARAMS.items()
        if name in told
    )


@register.filter
def finding_title(code: str) -> str:
    return hygiene.CODES[code].title if code in hygiene.CODES else code


@register.filter
def finding_why(code: str) -> str:
    """Why it ought to be tidied up."""
    return hygiene.CODES[code].why if code in hygiene.CODES else ""


@register.filter
def finding_detail(finding: HygieneFinding) -> str:
    """The numbers of a finding in one line."""
    told = finding.detail
    return " · ".join(words.format(told[name]) for name, words in DETAILS.items() if told.get(name))


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).replace("_", " ") if isinstance(value, str) else f"{value:,g}"
