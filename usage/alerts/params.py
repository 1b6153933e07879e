"""What a rule's parameters may be."""

import math
from collections.abc import Mapping
from typing import Any

from keys.lifecycle import Invalid
from usage.alerts.conditions import CONDITIONS, Condition, Param


def clean_condition(slug: str) -> Condition:
    if slug not in CONDITIONS:
        raise Invalid("condition", f"A condition is one of {', '.join(CONDITIONS)}.")
    return CONDITIONS[slug]


def clean_params(condition: Condition, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of the condition, defaults filled in. Raises Invalid."""
    known = {param.name: param for param in condition.params}
    for name in given:
        if name not in known:
            raise Invalid(f"params.{name[:50]}", f"{condition.title}: there is no such parameter.")
    return {
        name: _clean(param, param.default if given.get(name) is None else given[name])
        for name, param in known.items()
    }


def _clean(param: Param, value: Any) -> Any:
    field = f"params.{param.name}"
    if param.choices:
        return _chosen(param, value, field)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or (param.whole and value != int(value)):
        raise Invalid(field, f"A {'whole number' if param.whole else 'number'} is needed.")
    if not param.least <= value <= param.most:
        raise Invalid(field, f"A number from {param.least:g} to {param.most:g}.")
    return int(value) if param.whole else float(value)


def _chosen(param: Param, value: Any, field: str) -> Any:
    values = value if param.many else [value]
    if not isinstance(values, list) or not values:
        raise Invalid(field, f"One or more of {', '.join(param.choices)}.")
    for one in values:
        if one not in param.choices:
            raise Invalid(field, f"One of {', '.join(param.choices)}.")
    return [str(one) for one in param.choices if one in values] if param.many else str(value)
