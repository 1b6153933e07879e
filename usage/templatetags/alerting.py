"""Template filters of the pages about alerts and hygiene."""

from typing import Any

from django import template

from usage import hygiene
from usage.models import HygieneFinding

register = template.Library()

# In the order in which they read; {} is the value.
PARAMS = {
    "verdicts": "{}",
    "percent": "from {} %",
    "milliseconds": "from {} ms",
    "amount": "below {}",
    "dollars_per_day": "from ${} a day",
    "times": "from {} times the week before",
    "days": "{} days",
    "hours": "{} h",
    "seconds": "from {} s",
    "minutes": "in {} minutes",
    "calls": "of at least {} calls",
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
    return ", ".join(PARAMS[name].format(_plain(told[name])) for name in PARAMS if name in told)


@register.filter
def finding_title(code: str) -> str:
    return hygiene.CODES[code].title if code in hygiene.CODES else code


@register.filter
def finding_detail(finding: HygieneFinding) -> str:
    """The numbers of a finding in one line."""
    told = finding.detail
    return " · ".join(words.format(told[name]) for name, words in DETAILS.items() if told.get(name))


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).replace("_", " ") if isinstance(value, str) else f"{value:,g}"
