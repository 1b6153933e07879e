"""The cast and the stage of every test.

`application` is "shop"; `owner`, `developer` and `viewer` are its members, `outsider` belongs
to nothing, `admin` is the site admin.
"""

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import hypothesis
import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker, Settings

from keys import vault
from keys.audit import Actor
from keys.models import Application, User
from keys.sign_in.presence import SEEN
from keys.states import Role
from tests.database import database
from tests.engines import pytest_runtest_setup
from tests.factories import ApplicationFactory, MembershipFactory, UserFactory
from tests.live import PATIENCE, group_of, keydeck, prepared, pytest_runtest_teardown
from tests.upstream import Upstream
from usage import partitions, spool
from usage.gateway import desk, directory, lookup
from usage.ingest import bounds
from usage.limits import shared

# How long an example takes, and how long it takes to be made up, is the machine's matter.
hypothesis.settings.register_profile(
    "keydeck", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("keydeck")

# A Redis or a database that answers late, on a loaded machine, is not away. The tests of one that
# never answers set their own time.
shared.REDIS_TIMEOUT = directory.WAIT = lookup.WAIT = PATIENCE

# Groups of xdist, by how long they take.
LONGEST = ["canaries", "walk", "live", "fleet", "up", "browser", "clients", "compose", "plans"]

append_only = [
    importlib.import_module(f"keys.migrations.{name}")
    for name in ("0006_audit_append_only", "0008_audit_head")
]
__all__ = ["keydeck", "prepared", "pytest_runtest_setup", "pytest_runtest_teardown"]


@pytest.fixture(autouse=True)
def _no_keys_of_another_test() -> Iterator[None]:
    vault.forget()
    yield
    vault.forget()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The groups that take longest come first: what begins last should be short."""

    def place(item: pytest.Item) -> int:
        group = group_of(item)
        return LONGEST.index(group) if group in LONGEST else len(LONGEST)

    items.sort(key=place)


def _may_be_emptied() -> None:
    """Between tests, that is; tests/keys/test_audit_archive.py guards its own."""
    with connection.schema_editor() as editor:
        for made in append_only:
            made.remove(None, editor)


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_modify_db_settings: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
) -> Iterator[None]:
    """In place of pytest-django's own; see tests/database.py."""
    shared = None if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    with ExitStack() as stack:
        with django_db_blocker.unblock():
            stack.enter_context(database(shared, _may_be_emptied))
        yield
        with django_db_blocker.unblock():
            stack.close()


_spools = count(1)


@pytest.fixture(autouse=True)
def _no_calls_of_another_test(settings: Settings) -> Iterator[None]:
    """A spool directory of its own: what a test leaves in its spool, no other test drains."""
    settings.SPOOL_DIR = Path(settings.DATA_DIR) / f"spool-{next(_spools)}"
    bounds.forget()
    partitions.forget()  # days that another test made went with its transaction
    yield
    desk.forget()  # its thread reads the database, which the next test may not have
    if mine := spool.mine_if_any():
        mine.close()


@pytest.fixture
def application(db: None) -> Application:
    return ApplicationFactory(slug="shop", name="Shop")


def _member(application: Application, role: Role) -> User:
    user = UserFactory(email=f"{role}@example.com")
    MembershipFactory(application=application, user=user, role=role)
    return user


@pytest.fixture
def owner(application: Application) -> User:
    return _member(application, Role.OWNER)


@pytest.fixture
def developer(application: Application) -> User:
    return _member(application, Role.DEVELOPER)


@pytest.fixture
def viewer(application: Application) -> User:
    return _member(application, Role.VIEWER)


@pytest.fixture
def outsider(db: None) -> User:
    return UserFactory(email="outsider@example.com")


@pytest.fixture
def admin(db: None) -> User:
    return UserFactory(email="admin@example.com", is_superuser=True, is_staff=True)


@pytest.fixture
def actor(owner: User) -> Actor:
    """The owner, as the domain knows them."""
    return Actor.person(owner)


@pytest.fixture
def client_of() -> Callable[..., Client]:
    """`client_of(user)`: a browser of theirs; `fresh=False` when the sign-in is long ago."""

    def sign_in(user: User, *, fresh: bool = True) -> Client:
        client = Client()
        client.force_login(user)
        at = time.time() if fresh else time.time() - 24 * 3600
        session = client.session
        session["account_authentication_methods"] = [
            {"method": "password", "at": at, "email": user.email}
        ]
        session["account_authentication_methods_user"] = str(user.pk)
        session[SEEN] = at
        session.save()
        return client

    return sign_in


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A provider on 127.0.0.1; see tests/upstream.py."""
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def allow_upstream(upstream: Upstream, settings: Settings) -> Upstream:
    """The upstream let through the outbound door and standing in for ModelsLab."""
    settings.OUTBOUND_ALLOW = [*settings.OUTBOUND_ALLOW, upstream.host]
    settings.PROVIDER_URLS = {**settings.PROVIDER_URLS, "modelslab": upstream.url}
    return upstream
