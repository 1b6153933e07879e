"""Every address × method × role, on one's own objects, foreign ones, and the two mixed.

A route that isn't in the table fails; so does a method that answers without being in it.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from keys.models import AppKey, Application, Provider, ProviderKey, ToRotate, User
from keys.states import Role
from tests.factories import (
    ApiTokenFactory,
    AppKeyFactory,
    ApplicationFactory,
    MembershipFactory,
    ProviderKeyFactory,
)
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ROLES = ("owner", "developer", "viewer", "outsider", "admin")
PUBLIC = (*ROLES, "anonymous")
SIGNED_IN = ROLES
MEMBERS = ("owner", "developer", "viewer", "admin")
DEVELOPERS = ("owner", "developer", "admin")
OWNERS = ("owner", "admin")
ADMIN = ("admin",)
NOBODY = ()  # somebody else's own: not even the admin's
Who = tuple[str, ...]

A, PK, AK = "applications/<slug:slug>", "provider-keys/<str:id>", "app-keys/<str:id>"
RA, RPK, RAK = f"api/v1/{A}", "provider-keys/<slug:key_id>", "app-keys/<slug:key_id>"
PLAIN = ("finish", "cancel", "disable", "enable", "revoke")
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
TABLE: dict[str, dict[str, Who]] = {
    **{f"{A}/{PK}/<slug:name>/?name={act}": both(OWNERS) for act in PLAIN},
    **{
        f"{A}/{AK}/<slug:name>/?name={act}": both(DEVELOPERS if act in PLAIN[:2] else OWNERS)
        for act in PLAIN
    },
    "healthz": {"GET": PUBLIC}, "readyz": {"GET": PUBLIC}, "metrics": {"GET": PUBLIC},
    "": {"GET": SIGNED_IN}, "connect/": both(SIGNED_IN), "applications/": {"GET": SIGNED_IN},
    "applications/new/": both(SIGNED_IN), "checks/": {"GET": SIGNED_IN},
    "providers/": {"GET": SIGNED_IN}, "providers/new/": both(ADMIN),
    "providers/<slug:provider>/url/": both(ADMIN),
    "audit/": {"GET": SIGNED_IN}, "audit/export.<slug:form>": {"GET": SIGNED_IN},
    "audit/verify/": both(ADMIN), "audit/anchor/": {"GET": ADMIN}, "settings/": {"GET": SIGNED_IN},
    "settings/tokens/new/": both(SIGNED_IN), "settings/tokens/<str:id>/revoke/": both(NOBODY),
    "settings/sessions/end/": {"POST": SIGNED_IN},
    "settings/sessions/<int:id>/end/": {"POST": NOBODY},
    "settings/users/<int:id>/deactivate/": both(ADMIN),
    "settings/users/<int:id>/reactivate/": both(NOBODY),
    "settings/users/invite/": both(ADMIN), "settings/users/<int:id>/link/": both(ADMIN),
    "calls/": {"GET": SIGNED_IN}, "calls/<uuid:id>/": {"GET": NOBODY}, "ledger/": {"GET": ADMIN},
    "usage/overview/": {"GET": SIGNED_IN},
    **{f"usage/{name}/?application=<slug:slug>": {"GET": MEMBERS}
       for name in ("panel", "data", "table")},
    **{f"usage/{name}/?application=<slug:slug>&app_key=<str:id>": {"GET": MEMBERS}
       for name in ("cutover", "impact")},
    f"{A}/": {"GET": MEMBERS}, f"{A}/people/": {"GET": MEMBERS}, f"{A}/people/add/": both(OWNERS),
    f"{A}/people/<int:id>/role/": both(OWNERS), f"{A}/people/<int:id>/remove/": both(OWNERS),
    f"{A}/to-rotate/<int:id>/dismiss/": both(OWNERS),
    f"{A}/delete/": both(OWNERS), f"{A}/data-key/": both(OWNERS), f"{A}/policy/": {"POST": OWNERS},
    f"{A}/bulk/<slug:kind>/?act=disable": both(OWNERS),
    f"{A}/batches/<str:id>/": {"GET": NOBODY}, f"{A}/batches/<str:id>/stop/": {"POST": NOBODY},
    f"{A}/import/": both(OWNERS), f"{A}/import/progress/": {"GET": NOBODY},
    f"{A}/{PK}/details/": both(OWNERS), f"{A}/{AK}/details/": both(DEVELOPERS),
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
    f"{RA}/batches": {"POST": OWNERS}, f"{RA}/batches/<slug:batch_id>": {"GET": NOBODY},
    f"{RA}/batches/<slug:batch_id>/stop": {"POST": NOBODY},
    f"{RA}/app-keys": {"GET": MEMBERS, "POST": DEVELOPERS},
    f"{RA}/{RAK}": {"GET": MEMBERS, "PATCH": OWNERS}, f"{RA}/{RAK}/rotate": {"POST": DEVELOPERS},
    f"{RA}/{RAK}/reveal": {"POST": DEVELOPERS},
    **{f"{RA}/{RAK}/{act}": {"POST": DEVELOPERS if "rotation" in act else OWNERS} for act in ACTS},
    "api/v1/providers": {"GET": SIGNED_IN, "POST": ADMIN},
    "api/v1/providers/<slug:provider>": {"PATCH": ADMIN},
    "api/v1/usage/totals": {"GET": SIGNED_IN}, "api/v1/usage/series": {"GET": SIGNED_IN},
    "api/v1/calls": {"GET": SIGNED_IN}, "api/v1/calls/<uuidstr:request_id>": {"GET": NOBODY},
    "api/v1/ledger": {"GET": ADMIN}, "api/v1/audit": {"GET": SIGNED_IN},
    "api/v1/audit/verify": both(ADMIN), "api/v1/audit/anchor": {"GET": ADMIN}, "api/v1/": {},
}  # fmt: skip
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
    "api/v1/audit/verify": {"events": 0, "digest": "", "at": "", "seal": ""},
    "api/v1/providers/<slug:provider>": {"base_url": "https://api.example.com"},
    "api/v1/providers": {
        "slug": "new", "name": "New", "base_url": "https://api.example.com",
        "credential": {"in": "bearer"},
    },
}  # fmt: skip


def routes(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for found in patterns:
        place = prefix + str(found.pattern)
        if isinstance(found, URLResolver):
            yield from routes(found.url_patterns, place)
        elif isinstance(found, URLPattern):
            yield place


def test_every_route_is_in_the_table() -> None:
    known = {re.split(r"\?(?=\w+=)", path)[0] for path in TABLE}
    assert known ^ set(routes(get_resolver().url_patterns)) == set()


@dataclass
class World:
    """An application of the cast's, another's, and who asks."""

    fills: dict[str, dict[str, str]]  # own, foreign, mixed: what stands in the addresses
    clients: dict[str, Client]
    tokens: dict[str, str]

    def ask(self, role: str, method: str, path: str, whose: str) -> int:
        address, _, query = self.address(path, whose).partition("?")
        rest = path.startswith("api/")
        client = Client(raise_request_exception=False) if rest else self.clients[role]
        headers = {"Authorization": f"Bearer {self.tokens.get(role, '')}"} if rest else {}
        body = BODIES.get(path, {})
        with quietly(client):
            answer = client.generic(
                method,
                f"/{address}",
                _json(body) if rest else b"",
                content_type="application/json" if rest else "application/x-www-form-urlencoded",
                headers=headers,
                query_params=dict(part.split("=") for part in query.split("&") if part),
            )
        if answer.status_code == 302 and answer.headers["Location"].startswith("/accounts/login"):
            return 401
        return int(answer.status_code)

    def address(self, path: str, whose: str) -> str:
        fill = self.fills[whose]
        key = fill["provider_key" if "provider-keys" in path else "app_key"]
        ids = {"people": "membership", "users": "user", "to-rotate": "to_rotate"}
        id = next((fill[name] for part, name in ids.items() if part in path), key)
        id = "1" if "sessions" in path else id
        for what, value in (
            ("<slug:slug>", fill["slug"]), ("<str:id>", key), ("<slug:key_id>", key),
            ("<int:id>", id), ("<int:row_id>", id),
            ("<slug:name>", path.partition("?name=")[2]), ("<email>", fill["email"]),
            ("<slug:form>", "csv"), ("<slug:provider>", "acme"), ("<int:pk>", "1"),
            ("<slug:kind>", "app_key"), ("<slug:batch_id>", "x"),
            ("<uuid:id>", "01999999-9999-7999-8999-999999999999"),
            ("<uuidstr:request_id>", "01999999-9999-7999-8999-999999999999"),
            (RESET, "password/reset/key/1-x/"),
        ):  # fmt: skip
            path = path.replace(what, value)
        return path


@contextmanager
def quietly(client: Client) -> Iterator[None]:
    """What is asked inside leaves nothing behind, in the database and in the browser."""
    cookies = deepcopy(client.cookies)
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    client.cookies = cookies


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode() if body else b""


@pytest.fixture
def world(
    application: Application,
    owner: User,
    developer: User,
    viewer: User,
    outsider: User,
    admin: User,
    client_of: Callable[..., Client],
    allow_upstream: Upstream,
) -> World:
    allow_upstream.answer(200, {"status": "success", "data": {"balance": 1}})
    Provider.objects.create(
        slug="acme", name="Acme", base_url="https://a.example", credential_in="bearer"
    )
    other = ApplicationFactory(slug="other", name="Other")
    MembershipFactory(application=other, user=admin, role=Role.OWNER)
    mine, theirs = _filled(application, viewer), _filled(other, admin)
    people = dict(zip(ROLES, (owner, developer, viewer, outsider, admin), strict=True))
    clients = {role: client_of(person) for role, person in people.items()}
    clients["anonymous"] = Client()
    for client in clients.values():
        client.raise_request_exception = False
    return World(
        fills={"own": mine, "foreign": theirs, "mixed": theirs | {"slug": "shop"}},
        clients=clients,
        tokens={role: ApiTokenFactory(user=person).plaintext for role, person in people.items()},
    )


def _filled(application: Application, member: User) -> dict[str, str]:
    provider_key: ProviderKey = ProviderKeyFactory(application=application)
    app_key: AppKey = AppKeyFactory(application=application)
    seen = f"app_key:{app_key.pk}"
    left = ToRotate.objects.create(application=application, target=seen, numbers=[1], who="a@b.c")
    return {
        "slug": application.slug,
        "provider_key": provider_key.pk,
        "app_key": app_key.pk,
        "membership": str(application.memberships.get(user=member).pk),
        "email": member.email,
        "user": str(member.pk),
        "to_rotate": str(left.pk),
    }


PARTS = 3  # of the table, for as many processes
REFUSALS = (401, 403, 404, 405)


def expected(path: str, method: str, role: str, whose: str) -> set[int] | None:
    """The refusals that are right; None where the act must be let through to what it does."""
    who = TABLE[path].get(method)
    in_an_application = "<slug:slug>" in path
    if who is None:
        return {401, 403, 404, 405}
    if role == "anonymous":
        return None if role in who else {401}
    if in_an_application and (whose != "own" and (role != "admin" or whose == "mixed")):
        return {404}
    if role in who:
        return None
    if in_an_application and role == "outsider":
        return {404}
    return {403} if who not in (NOBODY,) else {403, 404, 302}


ELSEWHERE = ("foreign", "mixed")


def wrong(
    world: World, path: str, methods: tuple[str, ...], roles: Who, asked: tuple[str, ...]
) -> list[str]:
    """What is answered otherwise than the table says, a line each."""
    found = []
    keyed = any(part in path for part in ("<str:id>", "<slug:key_id>", "<int:row_id>"))
    inside = "<slug:slug>" in path
    there = ("own", "foreign", "mixed") if inside and keyed else ("own", "foreign")
    for whose in set(asked) & set(there if inside else ("own",)):
        for method in methods:
            for role in roles:
                right = expected(path, method, role, whose)
                status = world.ask(role, method, path, whose)
                fine = status not in REFUSALS if right is None else status in right
                if not fine:
                    wish = "let through" if right is None else f"one of {sorted(right)}"
                    found.append(f"{method} {path} as {role}, {whose}: {status}, not {wish}")
    return found


@pytest.fixture(autouse=True)
def _a_sign_in_server(settings: Settings) -> None:
    """Or single sign-on isn't there. It may not be asked, and so is away."""
    settings.OIDC_URL = "https://127.0.0.1:1"


@pytest.mark.parametrize("part", range(PARTS))
def test_each_role_gets_what_the_table_says(world: World, part: int) -> None:
    found = []
    for path in [path for path in TABLE if TABLE[path]][part::PARTS]:
        declared = tuple(TABLE[path])
        found += wrong(world, path, declared, (*ROLES, "anonymous"), ("own",))
        # Elsewhere the roles are alike: one that would be strong, a stranger, the site's admin.
        found += wrong(world, path, declared, ("owner", "outsider", "admin"), ELSEWHERE)
        if path.startswith("accounts/"):
            continue  # allauth's forms take PUT for POST
        others = tuple(method for method in METHODS if method not in declared)
        found += wrong(world, path, others, ("owner", "anonymous"), ("own",))
    assert found == []


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_the_whole_matrix(world: World) -> None:
    everybody = (*ROLES, "anonymous")
    paths = [path for path in TABLE if not path.startswith("accounts/")]
    found = [
        line
        for path in paths
        for line in wrong(world, path, METHODS, everybody, ("own", *ELSEWHERE))
    ]
    print(f"{len(paths)} routes × {len(METHODS)} methods × {len(everybody)} roles × own, foreign "
          f"and mixed objects: {len(found)} wrong")  # fmt: skip
    assert found == []
