"""The two addresses of single sign-on: off to the sign-in server, and back from it."""

from collections.abc import Callable

from allauth.core.ratelimit import consume_or_429
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from keys.sign_in import single_sign_on

View = Callable[[HttpRequest], HttpResponse]


@login_not_required
@require_GET
def login(request: HttpRequest) -> HttpResponse:
    return _through(OAuth2LoginView.adapter_view, request)


@login_not_required
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    return _through(OAuth2CallbackView.adapter_view, request)


def _through(view: Callable[[single_sign_on.Protocol], View], request: HttpRequest) -> HttpResponse:
    if not single_sign_on.is_on():
        raise Http404
    if refused := consume_or_429(request, action="single_sign_on", limit_get=True):
        return refused
    protocol = single_sign_on.Protocol(request, single_sign_on.provider_id())
    try:
        answer: HttpResponse = view(protocol)(request)
    except single_sign_on.FAILURES:
        return single_sign_on.failed(
            request,
            "It doesn’t answer as a sign-in server does. Try again in a moment; a site admin "
            "checks KEYDECK_OIDC_URL.",
            502,
        )
    return answer
