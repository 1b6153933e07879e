"""Calls as a file that is sent while it is read: the answer that REST and the page give."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from usage.stats import FORMATS, Filter, export
from usage.streaming import Paged, Places, Stream

places = Places(most=16, each=2)


def exported(request: HttpRequest, person: int, wanted: Filter, form: str) -> HttpResponse:
    """The file of these calls. `person` is whose it is. Raises Full."""
    places.take(person)
    answer = Stream(request, Paged(export(wanted, form), _once(person)), FORMATS[form])
    name = f"keydeck-calls-{timezone.now():%Y-%m-%d}.{form}"
    answer["Content-Disposition"] = f"attachment; filename={name}"
    answer["Cache-Control"] = "no-store"
    return answer


def _once(person: int) -> Callable[[], None]:
    return lambda: places.give_back(person)
