"""Addresses of the pages about keys, applications and people."""

from django.urls import path

from keys.views import (
    acts,
    app_keys,
    applications,
    audit,
    batches,
    checks,
    connect,
    details,
    importing,
    overview,
    provider_keys,
    providers,
    settings,
)

APPLICATION = "applications/<slug:slug>/"
PROVIDER_KEY = f"{APPLICATION}provider-keys/<str:id>/"
APP_KEY = f"{APPLICATION}app-keys/<str:id>/"
MEMBER = f"{APPLICATION}people/<int:id>/"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("connect/", connect.connect, name="connect"),
    path("applications/", applications.applications, name="applications"),
    path("applications/new/", applications.application_create, name="application_create"),
    path(APPLICATION, applications.application, name="application"),
    path(f"{APPLICATION}people/", applications.application_people, name="application_people"),
    path(f"{APPLICATION}people/add/", applications.member_add, name="member_add"),
    path(f"{MEMBER}role/", applications.member_role, name="member_role"),
    path(f"{MEMBER}remove/", applications.member_remove, name="member_remove"),
    path(f"{APPLICATION}delete/", applications.application_delete, name="application_delete"),
    path(f"{APPLICATION}data-key/", applications.data_key_rotate, name="data_key_rotate"),
    path(f"{APPLICATION}policy/", applications.application_policy, name="application_policy"),
    path(f"{APPLICATION}bulk/<slug:kind>/", batches.batch_start, name="batch_start"),
    path(f"{APPLICATION}batches/<str:id>/", batches.batch, name="batch"),
    path(f"{APPLICATION}batches/<str:id>/stop/", batches.batch_stop, name="batch_stop"),
    path(f"{APPLICATION}import/", importing.keys_import, name="keys_import"),
    path(
        f"{APPLICATION}import/progress/",
        importing.keys_import_progress,
        name="keys_import_progress",
    ),
    path(
        f"{APPLICATION}provider-keys/new/",
        provider_keys.provider_key_add,
        name="provider_key_add",
    ),
    path(PROVIDER_KEY, provider_keys.provider_key, name="provider_key"),
    path(f"{PROVIDER_KEY}rotate/", provider_keys.provider_key_rotate, name="provider_key_rotate"),
    path(f"{PROVIDER_KEY}reveal/", provider_keys.provider_key_reveal, name="provider_key_reveal"),
    path(f"{PROVIDER_KEY}check/", provider_keys.provider_key_check, name="provider_key_check"),
    path(f"{PROVIDER_KEY}overlap/", acts.provider_key_overlap, name="provider_key_overlap"),
    path(f"{PROVIDER_KEY}details/", details.provider_key_details, name="provider_key_details"),
    path(f"{PROVIDER_KEY}<slug:name>/", acts.provider_key_act, name="provider_key_act"),
    path(f"{APPLICATION}app-keys/new/", app_keys.app_key_create, name="app_key_create"),
    path(APP_KEY, app_keys.app_key, name="app_key"),
    path(f"{APP_KEY}copy/", app_keys.app_key_copy, name="app_key_copy"),
    path(f"{APP_KEY}rotate/", app_keys.app_key_rotate, name="app_key_rotate"),
    path(f"{APP_KEY}limits/", app_keys.app_key_limits, name="app_key_limits"),
    path(f"{APP_KEY}overlap/", acts.app_key_overlap, name="app_key_overlap"),
    path(f"{APP_KEY}details/", details.app_key_details, name="app_key_details"),
    path(f"{APP_KEY}<slug:name>/", acts.app_key_act, name="app_key_act"),
    path("checks/", checks.checks, name="checks"),
    path("providers/", providers.providers, name="providers"),
    path("providers/new/", providers.provider_create, name="provider_create"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export.<slug:form>", audit.audit_export, name="audit_export"),
    path("audit/verify/", audit.audit_verify, name="audit_verify"),
    path("settings/", settings.settings, name="settings"),
    path("settings/tokens/new/", settings.token_create, name="token_create"),
    path("settings/tokens/<str:id>/revoke/", settings.token_revoke, name="token_revoke"),
    path("settings/users/invite/", settings.user_invite, name="user_invite"),
    path("settings/sessions/end/", settings.sessions_end, name="sessions_end"),
    path("settings/sessions/<int:id>/end/", settings.session_end, name="session_end"),
    path("settings/users/<int:id>/deactivate/", settings.user_deactivate, name="user_deactivate"),
    path("settings/users/<int:id>/reactivate/", settings.user_reactivate, name="user_reactivate"),
    path("settings/users/<int:id>/link/", settings.user_link, name="user_link"),
]
