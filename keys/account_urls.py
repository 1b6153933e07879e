"""The sign-in pages: those of allauth's that are used, and no other.

Signing up and changing one's own address are not among them: an address is a person's name
here, and only whoever invites gives one.
"""

from allauth.account import views
from django.urls import include, path, re_path

from keys.views import passwords, single_sign_on
from keys.views.passkeys import PasskeyStepUp

urlpatterns = [
    path("login/", views.login, name="account_login"),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("reauthenticate/", views.reauthenticate, name="account_reauthenticate"),
    path("password/change/", passwords.password_change, name="account_change_password"),
    path("password/reset/", views.password_reset, name="account_reset_password"),
    path("password/reset/done/", views.password_reset_done, name="account_reset_password_done"),
    path(
        "password/reset/key/done/",
        views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("sso/", single_sign_on.login, name="sso_login"),
    path("sso/again/", single_sign_on.login, name="sso_again"),
    path("sso/callback/", single_sign_on.callback, name="sso_callback"),
    path(
        "2fa/webauthn/reauthenticate/",
        PasskeyStepUp.as_view(),
        name="mfa_reauthenticate_webauthn",
    ),
    path("2fa/", include("allauth.mfa.urls")),
]
