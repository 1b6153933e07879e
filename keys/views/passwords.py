"""One's own password."""

from allauth.account import views
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from keys.views.acting import person


def password_change(request: HttpRequest) -> HttpResponseBase:
    if person(request).has_usable_password():
        return views.password_change(request)
    messages.info(
        request,
        "This account has no password. To choose one, sign out and ask for a link by “Forgot "
        "password”, or ask a site admin for one.",
    )
    return redirect("settings")
