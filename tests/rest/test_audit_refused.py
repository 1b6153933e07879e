"""No audit row, no reveal: with a sink that refuses, nothing leaves and nothing changes.

The suite asks once by each way that a secret may leave, `make prove` many times.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client

from keys import audit
from keys.audit import Action, Actor
from keys.models import AppKey, AppKeyVersion, AuditEvent, ProviderKey, ProviderKeyVersion, User
from tests.rest.conftest import SECRET, Rest

pytestmark = pytest.mark.django_db(transaction=True)


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def read_only() -> Iterator[None]:
    """The table takes no row any more."""
    if connection.vendor == "sqlite":
        run(
            "CREATE TRIGGER refuse BEFORE INSERT ON keys_auditevent "
            "BEGIN SELECT RAISE(ABORT, 'read only'); END"
        )
        try:
            yield
        finally:
            run("DROP TRIGGER refuse")
    else:
        run(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'read only'; END $$",
            "CREATE TRIGGER refuse BEFORE INSERT ON keys_auditevent "
            "FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        try:
            yield
        finally:
            run("DROP TRIGGER refuse ON keys_auditevent", "DROP FUNCTION refuse")


@contextmanager
def full() -> Iterator[None]:
    """SQLite's file may not grow, and has no room left for the shortest event."""
    run("VACUUM")
    with connection.cursor() as cursor:
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OperationalError, match="disk is full"):
        while True:
            with transaction.atomic():
                audit.record(Actor.system(""), Action.SIGNED_OUT, "")
    try:
        yield
    finally:
        run("PRAGMA max_page_count = 1073741823")


@contextmanager
def without_the_right() -> Iterator[None]:
    """PostgreSQL's role may do anything but add to the trail."""
    role = f"keydeck_refused_{os.getpid()}"  # of the whole server: one for each process
    run(
        f"CREATE ROLE {role}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
        f"REVOKE INSERT ON keys_auditevent FROM {role}",
        f"SET ROLE {role}",
    )
    try:
        yield
    finally:
        run("RESET ROLE", f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@dataclass(frozen=True)
class Refusal:
    """A way in which the sink refuses, and what callers are told."""

    begin: Callable[[], AbstractContextManager[None]]
    status: int
    code: str
    words: str  # on pages


AWAY = (503, "database_unavailable", "The database doesn’t answer")
REFUSALS = [pytest.param(Refusal(read_only, *AWAY), id="read only")]
if connection.vendor == "sqlite":
    REFUSALS.append(pytest.param(Refusal(full, *AWAY), id="disk full"))
else:
    REFUSALS.append(pytest.param(Refusal(without_the_right, *AWAY), id="without the right"))


OTHER = "another-secret-of-modelslab"
REST = {
    "/provider-keys/{provider}/reveal": {"reason": "moving house"},
    "/app-keys/{app}/reveal": None,
    "/app-keys": {"name": "New", "providers": None},
    "/app-keys/{app}/rotate": {"overlap_seconds": 60},
    "/app-keys/{app}/compromised": {"reason": "leaked", "replace": True},
    "/provider-keys": {"name": "New", "provider": "modelslab", "secret": OTHER},
    "/provider-keys/{provider}/rotate": {"secret": OTHER, "overlap_seconds": 60},
    "/provider-keys/{provider}/compromised": {"reason": "leaked", "secret": OTHER},
    "/provider-keys/import": {"text": f"MODELSLAB_API_KEY={OTHER}"},
}
PAGES = {
    "provider-keys/{provider}/reveal/": {"reason": "moving house"},
    "app-keys/{app}/copy/": {"form": "value"},
    "app-keys/{app}/copy/ ": {"form": "export", "provider": "modelslab"},
    "app-keys/{app}/rotate/": {"overlap": "3600"},
    "app-keys/{app}/compromised/": {"reason": "leaked", "replace": "on"},
    "app-keys/new/": {"name": "New", "environment": "live", "expiry": ""},
    "provider-keys/{provider}/compromised/": {"reason": "leaked", "secret": OTHER},
    "import/": {"text": f"MODELSLAB_API_KEY={OTHER}"},
    "/connect/": {"application": "shop", "provider": "modelslab", "secret": OTHER},
}


@dataclass
class Asker:
    """The owner, who asks for secrets in REST and on pages."""

    rest: Rest
    browser: Client
    provider_key: ProviderKey
    app_key: AppKey

    def in_rest(self, path: str) -> tuple[int, str]:
        place = path.format(provider=self.provider_key.pk, app=self.app_key.pk)
        answer = self.rest.post(f"/applications/shop{place}", REST[path])
        return answer.status, answer.text

    def on_a_page(self, path: str) -> tuple[int, str]:
        place = path.strip().format(provider=self.provider_key.pk, app=self.app_key.pk)
        url = place if place.startswith("/") else f"/applications/shop/{place}"
        answer = self.browser.post(url, PAGES[path])
        return answer.status_code, answer.content.decode()

    def gave_a_secret(self, text: str) -> bool:
        return any(secret in text for secret in (SECRET, self.app_key.plaintext, "kd_live_"))


@pytest.fixture
def asker(
    rest: Callable[..., Rest],
    client_of: Callable[..., Client],
    owner: User,
    provider_key: ProviderKey,
    app_key: AppKey,
) -> Asker:
    made = Asker(rest(owner), client_of(owner), provider_key, app_key)
    made.rest.raises = made.browser.raise_request_exception = False
    return made


def counts() -> tuple[int, int, int]:
    models = (AppKeyVersion, ProviderKeyVersion, AuditEvent)
    return tuple(model.objects.count() for model in models)


def it_works_again(asker: Asker) -> None:
    status, text = asker.in_rest("/provider-keys/{provider}/reveal")
    assert (status, SECRET in text) == (200, True)
    status, text = asker.on_a_page("app-keys/{app}/copy/")
    assert (status, asker.app_key.plaintext in text) == (200, True)
    assert audit.verify().ok


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("path", REST)
def test_rest_gives_no_secret_out(asker: Asker, path: str, refusal: Refusal) -> None:
    with refusal.begin():
        before = counts()
        status, text = asker.in_rest(path)
        assert (status, refusal.code in text) == (refusal.status, True), text
        assert not asker.gave_a_secret(text)
        assert counts() == before
    it_works_again(asker)


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("path", PAGES)
def test_no_page_gives_a_secret_out(asker: Asker, path: str, refusal: Refusal) -> None:
    with refusal.begin():
        before = counts()
        status, text = asker.on_a_page(path)
        assert (status, refusal.words in text) == (refusal.status, True), text
        assert not asker.gave_a_secret(text)
        assert counts() == before
    it_works_again(asker)


@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize("refusal", REFUSALS)
def test_of_many_reveals_all_are_refused(
    asker: Asker, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = refused = 0
    monkeypatch.setattr(logging.root.manager, "disable", logging.ERROR)  # a traceback for each
    with refusal.begin():
        for _ in range(20):
            answers = [asker.in_rest(path) for path in REST]
            answers += [asker.on_a_page(path) for path in PAGES]
            asked += len(answers)
            refused += sum(
                status == refusal.status and not asker.gave_a_secret(text)
                for status, text in answers
            )
    name = refusal.begin.__name__.replace("_", " ")
    print(f"\naudit sink {name}: {asked} reveals, {refused} refused")
    assert refused == asked
    it_works_again(asker)
