"""The step-up by passkey."""

from allauth.account.utils import get_next_redirect_url
from allauth.mfa.webauthn.views import ReauthenticateWebAuthnView
from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.http import urlencode


class PasskeyStepUp(ReauthenticateWebAuthnView):
    """allauth's; but who is refused may try again, and still gets to where they were going."""

    def form_invalid(self, form: Form) -> HttpResponse:
        # allauth goes to the sign-in page from here, and forgets what the step-up was for. A
        # redirect, because a challenge is good for one answer: the page asks for a new one.
        for error in form.errors.get("credential", []):
            messages.error(self.request, str(error))
        back = get_next_redirect_url(self.request)
        query = f"?{urlencode({'next': back})}" if back else ""
        return HttpResponseRedirect(f"{self.request.path}{query}")
