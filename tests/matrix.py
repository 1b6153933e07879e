"""Who may what by which address: the table that tests/test_matrix.py holds the product to."""

from typing import Any

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ROLES = ("owner", "developer", "viewer", "outsider", "admin")
PUBLIC = (*ROLES, "anonymous")
SIGNED_IN = ROLES
MEMBERS = ("owner", "developer", "viewer", "admin")
DEVELOPERS = ("owner", "developer", "admin")
OWNERS = ("owner", "admin")
ADMIN = ("admin",)
NOBODY = ()  # what nobody here has: a second factor
Who = tuple[str, ...]

A, PK, AK = "applications/<slug:slug>", "provider-keys/<str:id>", "app-keys/<str:id>"
RA, RPK, RAK = f"api/v1/{A}", "provider-keys/<slug:key_id>", "app-keys/<slug:key_id>"
PLAIN = ("finish", "cancel", "disable", "enable", "revoke")
IMPORTED = "since=2026-01-01T00:00:00+00:00&until=2026-01-02T00:00:00+00:00"
ACTS = ("rotation/extend", "rotation/finish", "rotation/cancel", "disable", "enable", "revoke")


def both(who: Who) -> dict[str, Who]:
    return {"GET": who, "POST": who}


RESET = "^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$"
ACCOUNT = {  # allauth's, whose own tests hold what they do
    "login/": both(PUBLIC), "logout/": both(PUBLIC), "inactive/": {"GET": PUBLIC},
    "reauthenticate/": both(SIGNED_IN), "password/change/": both(SIGNED_IN),
    "password/reset/": both(PUBLIC), "password/reset/done/": {"GET": PUBLIC},
    "password/reset/key/done/": {"GET": PUBLIC},
    RESET: both(PUBLIC),
    "sso/": {"GET": PUBLIC}, "sso/again/": {"GET": PUBLIC}, "sso/callback/": {"GET": PUBLIC},
    "2fa/": {"GET": SIGNED_IN}, "2fa/authenticate/": both(SIGNED_IN),
    "2fa/reauthenticate/": both(SIGNED_IN), "2fa/totp/activate/": both(SIGNED_IN),
    "2fa/totp/deactivate/": both(NOBODY), "2fa/recovery-codes/": {"GET": NOBODY},
    "2fa/recovery-codes/generate/": both(SIGNED_IN),
    "2fa/recovery-codes/download/": {"GET": NOBODY}, "2fa/webauthn/": {"GET": SIGNED_IN},
    "2fa/webauthn/add/": both(SIGNED_IN), "2fa/webauthn/reauthenticate/": both(SIGNED_IN),
    "2fa/webauthn/keys/<int:pk>/remove/": both(NOBODY),
    "2fa/webauthn/keys/<int:pk>/edit/": both(NOBODY),
}  # fmt: skip
ALERTS = {
    "alerts/": {"GET": SIGNED_IN}, "alerts/deliveries/": {"GET": SIGNED_IN},
    "alerts/rules/new/": both(OWNERS), "alerts/channels/new/": both(OWNERS),
    "alerts/rules/<str:id>/": both(OWNERS), "alerts/rules/<str:id>/delete/": both(OWNERS),
    "alerts/channels/<str:id>/": both(OWNERS), "alerts/channels/<str:id>/delete/": both(OWNERS),
    "alerts/channels/<str:id>/secret/": both(OWNERS),
    "alerts/channels/<str:id>/test/": {"POST": OWNERS},
    "hygiene/": {"GET": SIGNED_IN}, "hygiene/<int:id>/fix/": {"POST": DEVELOPERS},
    "hygiene/<int:id>/snooze/": both(DEVELOPERS),
    "api/v1/alerts/firing": {"GET": SIGNED_IN}, "api/v1/alerts/deliveries": {"GET": SIGNED_IN},
    # Without an application in the body: of the installation.
    "api/v1/alerts/rules": {"GET": SIGNED_IN, "POST": ADMIN},
    "api/v1/alerts/channels": {"GET": SIGNED_IN, "POST": ADMIN},
    "api/v1/alerts/rules/<slug:rule_id>": {"GET": MEMBERS, "PATCH": OWNERS, "DELETE": OWNERS},
    "api/v1/alerts/channels/<slug:channel_id>": {
        "GET": MEMBERS, "PATCH": OWNERS, "DELETE": OWNERS,
    },
    "api/v1/alerts/channels/<slug:channel_id>/test": {"POST": OWNERS},
    "api/v1/alerts/channels/<slug:channel_id>/secret": {"POST": OWNERS},
    "api/v1/hygiene": {"GET": SIGNED_IN},
    "api/v1/hygiene/<int:finding_id>/fix": {"POST": DEVELOPERS},
    "api/v1/hygiene/<int:finding_id>/snooze": {"POST": DEVELOPERS},
}  # fmt: skip
TABLE: dict[str, dict[str, Who]] = {
    **ALERTS,
    **{f"{A}/{PK}/<slug:name>/?name={act}": both(OWNERS) for act in PLAIN},
    **{
        f"{A}/{AK}/<slug:name>/?name={act}": both(DEVELOPERS if act in PLAIN[:2] else OWNERS)
        for act in PLAIN
    },
    "healthz": {"GET": PUBLIC}, "readyz": {"GET": PUBLIC}, "metrics": {"GET": PUBLIC},
    "": {"GET": SIGNED_IN}, "connect/": both(SIGNED_IN), "applications/": {"GET": SIGNED_IN},
    "applications/new/": both(SIGNED_IN), "checks/": {"GET": SIGNED_IN},
    "checks/start/": {"POST": SIGNED_IN}, "checks/runs/<str:id>/": {"GET": SIGNED_IN},
    "providers/": {"GET": SIGNED_IN}, "providers/new/": both(ADMIN),
    "providers/<slug:provider>/url/": both(ADMIN),
    "providers/<slug:provider>/prices/": {"GET": SIGNED_IN, "POST": ADMIN},
    "audit/": {"GET": SIGNED_IN}, "audit/export.<slug:form>": {"GET": SIGNED_IN},
    "audit/verify/": both(ADMIN), "audit/anchor/": {"GET": ADMIN}, "settings/": {"GET": SIGNED_IN},
    "settings/jobs/": {"GET": ADMIN},
    "settings/tokens/new/": both(SIGNED_IN), "settings/tokens/<str:id>/revoke/": both(SIGNED_IN),
    "settings/sessions/end/": {"POST": SIGNED_IN},
    "settings/sessions/<int:id>/end/": {"POST": SIGNED_IN},
    "settings/users/<int:id>/deactivate/": both(ADMIN),
    "settings/users/<int:id>/reactivate/": both(ADMIN),
    "settings/users/invite/": both(ADMIN), "settings/users/<int:id>/link/": both(ADMIN),
    "calls/": {"GET": SIGNED_IN}, "calls/<uuid:id>/": {"GET": MEMBERS}, "ledger/": {"GET": ADMIN},
    "calls/export/<slug:form>/": {"GET": SIGNED_IN}, "calls/tail/": {"GET": SIGNED_IN},
    "ledger/quarantine/": {"GET": ADMIN},
    "ledger/quarantine/<int:line>/<slug:act>/": {"GET": ADMIN, "POST": ADMIN},
    "usage/overview/": {"GET": SIGNED_IN}, "usage/limits/": {"GET": SIGNED_IN},
    "rankings/": {"GET": SIGNED_IN},
    **{f"usage/{name}/?application=<slug:slug>": {"GET": MEMBERS}
       for name in ("panel", "data", "table")},
    **{f"usage/{name}/?application=<slug:slug>&app_key=<str:id>": {"GET": MEMBERS}
       for name in ("cutover", "impact")},
    "usage/balance/?application=<slug:slug>&provider_key=<str:id>": {"GET": MEMBERS},
    f"{A}/": {"GET": MEMBERS}, f"{A}/people/": {"GET": MEMBERS}, f"{A}/people/add/": both(OWNERS),
    f"{A}/people/<int:id>/role/": both(OWNERS), f"{A}/people/<int:id>/remove/": both(OWNERS),
    f"{A}/to-rotate/<int:id>/dismiss/": both(OWNERS),
    f"{A}/delete/": both(OWNERS), f"{A}/data-key/": both(OWNERS), f"{A}/policy/": {"POST": OWNERS},
    f"{A}/bulk/<slug:kind>/?act=disable": both(OWNERS),
    f"{A}/batches/<str:id>/": {"GET": MEMBERS}, f"{A}/batches/<str:id>/stop/": {"POST": OWNERS},
    f"{A}/import/": both(OWNERS), f"{A}/import/progress/?{IMPORTED}": {"GET": MEMBERS},
    f"{A}/{PK}/details/": both(OWNERS), f"{A}/{AK}/details/": both(DEVELOPERS),
    f"{A}/{PK}/share/": both(OWNERS),
    f"{A}/provider-keys/new/": both(OWNERS), f"{A}/{PK}/": {"GET": MEMBERS},
    f"{A}/{PK}/rotate/": both(OWNERS), f"{A}/{PK}/reveal/": both(OWNERS),
    f"{A}/{PK}/check/": {"POST": DEVELOPERS}, f"{A}/{PK}/overlap/": both(OWNERS),
    f"{A}/{PK}/compromised/": both(OWNERS), f"{A}/{AK}/compromised/": both(OWNERS),
    f"{A}/app-keys/new/": both(DEVELOPERS),
    f"{A}/{AK}/": {"GET": MEMBERS}, f"{A}/{AK}/copy/": {"POST": DEVELOPERS},
    f"{A}/{AK}/rotate/": both(DEVELOPERS), f"{A}/{AK}/limits/": both(OWNERS),
    f"{A}/{AK}/overlap/": both(DEVELOPERS),
    **{f"accounts/{path}": methods for path, methods in ACCOUNT.items()},
    # REST
    "api/v1/openapi.json": dict.fromkeys(METHODS, PUBLIC),
    "api/v1/applications": both(SIGNED_IN),
    RA: {"GET": MEMBERS, "PATCH": OWNERS, "DELETE": OWNERS},
    f"{RA}/data-key/rotate": {"POST": OWNERS},
    f"{RA}/members": {"GET": MEMBERS, "POST": OWNERS},
    f"{RA}/members/<email>": {"PATCH": OWNERS, "DELETE": OWNERS},
    f"{RA}/provider-keys": {"GET": MEMBERS, "POST": OWNERS},
    f"{RA}/provider-keys/import": {"POST": OWNERS},
    f"{RA}/{RPK}": {"GET": MEMBERS, "PATCH": OWNERS}, f"{RA}/{RPK}/rotate": {"POST": OWNERS},
    f"{RA}/{RPK}/reveal": {"POST": OWNERS}, f"{RA}/{RPK}/check": {"POST": DEVELOPERS},
    **{f"{RA}/{RPK}/{act}": {"POST": OWNERS} for act in ACTS},
    f"{RA}/{RPK}/compromised": {"POST": OWNERS}, f"{RA}/{RAK}/compromised": {"POST": OWNERS},
    f"{RA}/to-rotate": {"GET": OWNERS}, f"{RA}/to-rotate/<int:row_id>/dismiss": {"POST": OWNERS},
    f"{RA}/batches": {"POST": OWNERS}, f"{RA}/batches/<slug:batch_id>": {"GET": MEMBERS},
    f"{RA}/batches/<slug:batch_id>/stop": {"POST": OWNERS},
    f"{RA}/app-keys": {"GET": MEMBERS, "POST": DEVELOPERS},
    f"{RA}/{RAK}": {"GET": MEMBERS, "PATCH": OWNERS}, f"{RA}/{RAK}/rotate": {"POST": DEVELOPERS},
    f"{RA}/{RAK}/reveal": {"POST": DEVELOPERS},
    **{f"{RA}/{RAK}/{act}": {"POST": DEVELOPERS if "rotation" in act else OWNERS} for act in ACTS},
    "api/v1/checks": {"POST": SIGNED_IN}, "api/v1/checks/<slug:run_id>": {"GET": SIGNED_IN},
    "api/v1/providers": {"GET": SIGNED_IN, "POST": ADMIN},
    "api/v1/providers/<slug:provider>": {"PATCH": ADMIN},
    "api/v1/providers/<slug:provider>/prices": {"GET": SIGNED_IN, "PUT": ADMIN},
    "api/v1/usage/totals": {"GET": SIGNED_IN}, "api/v1/usage/series": {"GET": SIGNED_IN},
    "api/v1/usage/top": {"GET": SIGNED_IN}, "api/v1/usage/quiet": {"GET": SIGNED_IN},
    f"{RA}/{RPK}/balance": {"GET": MEMBERS},
    "api/v1/calls": {"GET": SIGNED_IN}, "api/v1/calls/<uuidstr:request_id>": {"GET": MEMBERS},
    "api/v1/calls/export": {"GET": SIGNED_IN}, "api/v1/calls/tail": {"GET": SIGNED_IN},
    "api/v1/ledger": {"GET": ADMIN}, "api/v1/jobs": {"GET": ADMIN},
    "api/v1/audit": {"GET": SIGNED_IN},
    "api/v1/audit/verify": both(ADMIN), "api/v1/audit/anchor": {"GET": ADMIN}, "api/v1/": {},
}  # fmt: skip
# A person's own: of somebody else's they, and the admin too, are told that it isn't there.
PERSONAL = (
    "settings/tokens/<str:id>/revoke/", "settings/sessions/<int:id>/end/",
    "checks/runs/<str:id>/", "api/v1/checks/<slug:run_id>",
)  # fmt: skip
# Of an application that the address doesn't name.
OF_CALLS = (
    "calls/<uuid:id>/",
    "api/v1/calls/<uuidstr:request_id>",
    *(path for path in ALERTS if "<" in path),
)
# No crash, here without a broker, a worker and a sign-in server; anything else from 500 on is one.
AWAY = {"readyz": 503, "accounts/sso/": 502, "accounts/sso/again/": 502}
# What a body must hold before a right is asked for.
BODIES: dict[str, dict[str, Any]] = {
    "api/v1/applications": {"name": "New"},
    RA: {"show_app_keys_once": True},
    f"{RA}/{RAK}": {"limits": {"per_minute": 5}},
    f"{RA}/members": {"email": "new@example.com", "role": "viewer"},
    f"{RA}/members/<email>": {"role": "viewer"},
    f"{RA}/provider-keys": {"name": "N", "provider": "modelslab", "secret": "secret-0123456789"},
    f"{RA}/batches": {"kind": "app_key", "act": "disable", "keys": ["x"]},
    f"{RA}/provider-keys/import": {"text": "modelslab,N,secret-0123456789"},
    f"{RA}/{RPK}": {"note": "n"},
    f"{RA}/{RPK}/rotate": {"secret": "secret-0123456789"},
    f"{RA}/{RPK}/reveal": {"reason": "moving house"},
    f"{RA}/to-rotate/<int:row_id>/dismiss": {"reason": "known"},
    f"{RA}/{RPK}/compromised": {"reason": "pasted"},
    f"{RA}/{RAK}/compromised": {"reason": "pasted"},
    f"{RA}/{RPK}/rotation/extend": {"overlap_seconds": 60},
    f"{RA}/{RAK}/rotation/extend": {"overlap_seconds": 60},
    f"{RA}/app-keys": {"name": "New"},
    "api/v1/checks": {"provider": "modelslab"},
    "api/v1/alerts/rules": {"name": "New", "condition": "verdict"},
    "api/v1/alerts/channels": {"name": "New", "kind": "email"},
    "api/v1/alerts/rules/<slug:rule_id>": {"enabled": False},
    "api/v1/alerts/channels/<slug:channel_id>": {"digest": "daily"},
    "api/v1/hygiene/<int:finding_id>/snooze": {"days": 7},
    "api/v1/audit/verify": {"events": 0, "digest": "", "at": "", "seal": ""},
    "api/v1/providers/<slug:provider>": {"base_url": "https://api.example.com"},
    "api/v1/providers/<slug:provider>/prices": {"prices": []},
    "api/v1/providers": {
        "slug": "new", "name": "New", "base_url": "https://api.example.com",
        "credential": {"in": "bearer"},
    },
}  # fmt: skip
