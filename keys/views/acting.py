"""How every form of the pages asks, acts and answers: in a dialog or as a page of its own.

A form's first sight asks for the step-up, so that nothing typed is lost to it; sending the
form checks it again.
"""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django_htmx.http import HttpResponseClientRedirect

from keys.lifecycle import Conflict, Invalid, LifecycleError, VaultError, unopened
from keys.models import User
from keys.sign_in.presence import is_fresh

STALE = (
    "Your sign-in is older than five minutes. Confirm it’s you in a new tab, then send this again."
)


def person(request: HttpRequest) -> User:
    """The signed-in user (LoginRequiredMiddleware lets nobody else through)."""
    if not isinstance(request.user, User):
        raise TypeError("nobody is signed in")
    return request.user


def step_up_url(back: str) -> str:
    return f"{reverse('account_reauthenticate')}?{urlencode({'next': back})}"


def step_up(request: HttpRequest) -> HttpResponse | None:
    """Where to go first, when a form that needs a fresh sign-in is opened without one."""
    if request.method != "GET" or is_fresh(request, person(request)):
        return None
    return _go(request, step_up_url(request.get_full_path()))


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to; a form without fields is sent empty, and sent all the same."""
    return request.POST if request.method == "POST" else None


def carry_out(
    request: HttpRequest,
    form: forms.BaseForm,
    act: Callable[[], HttpResponse],
    *,
    fresh: bool = False,
) -> HttpResponse | None:
    """The answer of `act`, or None when the form has to be shown (again, with its errors)."""
    if request.method != "POST" or not form.is_valid():
        return None
    if fresh and not is_fresh(request, person(request)):
        form.add_error(None, forms.ValidationError(STALE, code="stale"))
        return None
    try:
        return act()
    except Invalid as error:
        form.add_error(error.field if error.field in form.fields else None, error.message)
    except Conflict as error:
        form.add_error(None, forms.ValidationError(error.message, code="conflict"))
        form.existing = error.existing  # type: ignore[attr-defined]
    except LifecycleError as error:
        form.add_error(None, error.message)
    except VaultError as error:
        form.add_error(None, forms.ValidationError(unopened(error), code="unopened"))
    return None


def ask(
    request: HttpRequest, template: str, form: forms.BaseForm, *, back: str, **context: Any
) -> HttpResponse:
    """The form: alone when htmx puts it into the dialog, else as a page."""
    codes = {error.code for error in form.non_field_errors().as_data()}
    context |= {
        "form": form,
        "back": back,
        "layout": "_dialog.html" if request.htmx else "dialog_page.html",  # type: ignore[attr-defined]
        "step_up_url": step_up_url(request.get_full_path()) if "stale" in codes else "",
    }
    # In a dialog a 503 would be taken for a page that failed and not be shown.
    status = 503 if "unopened" in codes and not request.htmx else 422  # type: ignore[attr-defined]
    answer = render(request, template, context, status=status if form.errors else 200)
    answer["Cache-Control"] = "no-store"
    return answer


def done(request: HttpRequest, url: str, message: str = "") -> HttpResponse:
    """Off to the page that shows what was done."""
    if message:
        messages.success(request, message)
    return _go(request, url)


def refused(request: HttpRequest, url: str, error: LifecycleError | VaultError) -> HttpResponse:
    """Back to a page, with why an act without a form didn't happen."""
    text = error.message if isinstance(error, LifecycleError) else unopened(error)
    messages.error(request, text)
    return _go(request, url)


def _go(request: HttpRequest, url: str) -> HttpResponse:
    # An address with a part (#…) of the page it is on would scroll and load nothing new.
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponseClientRedirect(url)
    return HttpResponseRedirect(url)
