"""Every address × method × role, on one's own objects, foreign ones, and the two mixed.

A route that isn't in the table fails; so does a method that answers without being in it.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django import Settings

from keys.models import (
    AppKey,
    Application,
    Batch,
    CheckRun,
    Provider,
    ProviderKey,
    SignedIn,
    ToRotate,
    User,
)
from keys.states import Role
from keys.vault import Secret
from tests.factories import (
    ApiTokenFactory,
    AppKeyFactory,
    ApplicationFactory,
    MembershipFactory,
    ProviderKeyFactory,
    UserFactory,
)
from tests.matrix import (
    AWAY,
    BODIES,
    MEMBERS,
    METHODS,
    NOBODY,
    OF_CALLS,
    PERSONAL,
    RESET,
    ROLES,
    TABLE,
    Who,
)
from tests.upstream import Upstream
from usage.alerts import addresses
from usage.models import AlertChannel, AlertRule, Call, HygieneFinding, Quarantine

pytestmark = pytest.mark.django_db


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


IDS = {  # a part of an address, and whose id stands in it; the first that fits
    "rules/": "rule", "channels/": "channel", "hygiene/": "finding",
    "people/": "membership", "to-rotate/": "to_rotate", "batches/": "batch",
    "checks/": "check_run", "tokens/": "token", "sessions/": "session",
    "reactivate/": "inactive", "users/": "user",
}  # fmt: skip


@dataclass
class World:
    """An application of the cast's, another's, and who asks."""

    fills: dict[str, dict[str, str]]  # own, foreign, mixed: what stands in the addresses
    personal: dict[str, dict[str, str]]  # the same of what belongs to a role's person
    clients: dict[str, Client]
    tokens: dict[str, str]

    def ask(self, role: str, method: str, path: str, whose: str) -> int:
        address, _, query = self.address(role, path, whose).partition("?")
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

    def address(self, role: str, path: str, whose: str) -> str:
        fill = self.fills[whose] | (self.personal.get(role, {}) if whose == "own" else {})
        of_provider = "provider-keys" in path or "provider_key=" in path
        key = fill["provider_key" if of_provider else "app_key"]
        id = next((fill[name] for part, name in IDS.items() if part in path), key)
        for what, value in (
            ("<slug:slug>", fill["slug"]), ("<str:id>", id), ("<slug:key_id>", key),
            ("<int:id>", id), ("<int:row_id>", id),
            ("<slug:name>", path.partition("?name=")[2]), ("<email>", fill["email"]),
            ("<slug:form>", "csv"), ("<slug:provider>", "acme"), ("<int:pk>", "1"),
            ("<int:line>", fill["line"]), ("<slug:act>", "let-go"),
            ("<slug:kind>", "app_key"), ("<slug:batch_id>", fill["batch"]),
            ("<slug:run_id>", fill["check_run"]),
            ("<uuid:id>", fill["call"]), ("<uuidstr:request_id>", fill["call"]),
            ("<slug:rule_id>", fill["rule"]), ("<slug:channel_id>", fill["channel"]),
            ("<int:finding_id>", fill["finding"]), (RESET, "password/reset/key/1-x/"),
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
    stranger = UserFactory(email="stranger@example.com")
    MembershipFactory(application=other, user=stranger, role=Role.OWNER)
    mine, theirs = _filled(application, viewer), _filled(other, stranger)
    people = dict(zip(ROLES, (owner, developer, viewer, outsider, admin), strict=True))
    clients = {role: client_of(person) for role, person in people.items()}
    clients["anonymous"] = Client()
    for client in clients.values():
        client.raise_request_exception = False
    return World(
        fills={"own": mine, "foreign": theirs, "mixed": theirs | {"slug": "shop"}},
        personal={role: _personal(person) for role, person in people.items()},
        clients=clients,
        tokens={role: ApiTokenFactory(user=person).plaintext for role, person in people.items()},
    )


def _filled(application: Application, member: User) -> dict[str, str]:
    provider_key: ProviderKey = ProviderKeyFactory(application=application)
    app_key: AppKey = AppKeyFactory(application=application)
    seen = f"app_key:{app_key.pk}"
    left = ToRotate.objects.create(application=application, target=seen, numbers=[1], who="a@b.c")
    batch = Batch.objects.create(application=application, kind="app_key", act="disable", total=1)
    call = Call.objects.create(
        id=uuid.uuid4(), started_at=timezone.now(), application=application.pk, outcome="ok"
    )
    line = Quarantine.objects.create(
        writer=f"host.{uuid.uuid4().hex}", segment=1, offset=0, reason="broken", line="x"
    )
    inactive = UserFactory(is_active=False)
    MembershipFactory(application=application, user=inactive, role=Role.VIEWER)
    return {
        "slug": application.slug,
        "provider_key": provider_key.pk,
        "app_key": app_key.pk,
        "membership": str(application.memberships.get(user=member).pk),
        "email": member.email,
        "user": str(member.pk),
        "inactive": str(inactive.pk),
        "to_rotate": str(left.pk),
        "batch": batch.pk,
        "call": str(call.pk),
        "line": str(line.pk),
        **_alerts(application, app_key),
        **_personal(member),
    }


def _alerts(application: Application, key: AppKey) -> dict[str, str]:
    finding = HygieneFinding.objects.create(
        application=application, code="no_owner", target=key.target, found_at=timezone.now()
    )
    channel = AlertChannel.objects.create(application=application, name="C", kind="webhook")
    addresses.seal_url(channel, Secret("https://127.0.0.1:1/hook"))
    addresses.seal_secret(channel, addresses.new_secret())
    channel.save()
    rule = AlertRule.objects.create(
        application=application, name="R", condition="verdict", params={"verdicts": ["dead"]}
    )
    return {"rule": rule.pk, "channel": channel.pk, "finding": str(finding.pk)}


def _personal(user: User) -> dict[str, str]:
    session = SignedIn.objects.create(user=user, session=uuid.uuid4().hex)
    run = CheckRun.objects.create(created_by=user, created_at=timezone.now(), total=0)
    token = ApiTokenFactory(user=user).pk
    return {"token": token, "session": str(session.pk), "check_run": run.pk}


PARTS = 3  # of the table, for as many processes
REFUSALS = (401, 403, 404, 405)


def expected(path: str, method: str, role: str, whose: str) -> set[int] | None:
    """The refusals that are right; None where the act must be let through to what it does."""
    who = TABLE[path].get(method)
    in_an_application = "<slug:slug>" in path or path in OF_CALLS
    if who is None:
        return {401, 403, 404, 405}
    if role == "anonymous":
        return None if role in who else {401}
    if path in PERSONAL and whose != "own":
        return {404}
    if in_an_application and whose == "mixed" and role in MEMBERS and role not in who:
        return {403, 404}  # whichever is asked for first: the right, or the object
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
    objects = re.findall(r"<(?!slug:(?:slug|name|kind|form|provider)>)[^<>]+>", path)
    inside = "<slug:slug>" in path
    there = {"own"}
    if not path.startswith("accounts/") and (inside or objects):
        there |= {"foreign", "mixed"} if inside and objects else {"foreign"}
    for whose in there.intersection(asked):
        for method in methods:
            for role in roles:
                right = expected(path, method, role, whose)
                status = world.ask(role, method, path, whose)
                works = status < 500 or status == AWAY.get(path)
                fine = works and status not in REFUSALS if right is None else status in right
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
    found, asked = [], 0
    for path, declared in TABLE.items():
        # allauth's forms take PUT for POST, and its own tests hold what else they refuse.
        methods = tuple(declared) if path.startswith("accounts/") else METHODS
        asked += len(methods)
        found += wrong(world, path, methods, everybody, ("own", *ELSEWHERE))
    accounts = sum(path.startswith("accounts/") for path in TABLE)
    print(f"\n{len(TABLE)} routes × {len(METHODS)} methods × {len(everybody)} roles × own, foreign "
          f"and mixed objects: {len(found)} wrong (the {accounts} routes of accounts/ with the "
          f"methods of their forms alone: {asked} routes and methods)")  # fmt: skip
    assert found == []
