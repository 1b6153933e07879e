"""The roles of DESIGN section 2, endpoint by endpoint: outsiders get 404, weak roles 403."""

import pytest
from django.db import transaction

from tests.rest.conftest import SECRET

pytestmark = pytest.mark.django_db

EVERYBODY = {"owner", "developer", "viewer", "admin"}
DEVELOPERS = {"owner", "developer", "admin"}
OWNERS = {"owner", "admin"}
A = "/applications/shop"
P = f"{A}/provider-keys/PROVIDERKEY"
K = f"{A}/app-keys/APPKEY"

# method, path, body, who may
TABLE = [
    ("GET", A, None, EVERYBODY),
    ("PATCH", A, {"show_app_keys_once": True}, OWNERS),
    ("DELETE", A, None, OWNERS),
    ("GET", f"{A}/members", None, EVERYBODY),
    ("POST", f"{A}/members", {"email": "new@example.com", "role": "viewer"}, OWNERS),
    ("PATCH", f"{A}/members/viewer@example.com", {"role": "developer"}, OWNERS),
    ("DELETE", f"{A}/members/viewer@example.com", None, OWNERS),
    ("GET", f"{A}/provider-keys", None, EVERYBODY),
    (
        "POST",
        f"{A}/provider-keys",
        {"name": "Second", "provider": "modelslab", "secret": "another-secret-1234"},
        OWNERS,
    ),
    ("GET", P, None, EVERYBODY),
    ("POST", f"{P}/rotate", {"secret": "the-next-secret-1234"}, OWNERS),
    ("POST", f"{P}/disable", None, OWNERS),
    ("POST", f"{P}/revoke", None, OWNERS),
    ("POST", f"{P}/reveal", {"reason": "moving house"}, OWNERS),
    ("POST", f"{P}/check", None, DEVELOPERS),
    ("GET", f"{A}/app-keys", None, EVERYBODY),
    ("POST", f"{A}/app-keys", {"name": "Worker"}, DEVELOPERS),
    ("GET", K, None, EVERYBODY),
    ("PATCH", K, {"limits": {"per_minute": 5}}, OWNERS),
    ("POST", f"{K}/rotate", None, DEVELOPERS),
    ("POST", f"{K}/disable", None, OWNERS),
    ("POST", f"{K}/revoke", None, OWNERS),
    ("POST", f"{K}/reveal", None, DEVELOPERS),
    ("GET", "/usage/totals?application=shop", None, EVERYBODY),
    ("GET", "/usage/totals?app_key=APPKEY", None, EVERYBODY),
    ("GET", "/usage/totals?provider_key=PROVIDERKEY", None, EVERYBODY),
    ("GET", "/usage/series?application=shop", None, EVERYBODY),
    ("GET", "/calls?application=shop", None, EVERYBODY),
    ("GET", "/audit?application=shop", None, DEVELOPERS),
]
NAMES = [f"{method} {path}" for method, path, _, _ in TABLE]


@pytest.fixture
def cast(owner, developer, viewer, outsider, admin):
    everybody = (owner, developer, viewer, outsider, admin)
    return {person.email.partition("@")[0]: person for person in everybody}


@pytest.fixture
def place(provider_key, app_key, allow_upstream):
    """Fills the ids into a path of the table."""
    allow_upstream.answer(200, {"status": "success", "data": {"balance": 1}})
    return lambda path: path.replace("PROVIDERKEY", provider_key.id).replace("APPKEY", app_key.id)


@pytest.mark.parametrize(("method", "path", "body", "may"), TABLE, ids=NAMES)
def test_a_role_may_or_gets_403_and_an_outsider_404(rest, cast, place, method, path, body, may):
    for who, person in cast.items():
        with transaction.atomic():
            answer = rest(person).call(method, place(path), body)
            transaction.set_rollback(True)  # the next one finds everything as it was

        if who == "outsider":
            expected, kind = {404}, "not_found_error"
        elif who in may:
            expected, kind = {200, 201, 204}, None
        else:
            expected, kind = {403}, "permission_error"
        assert answer.status in expected, (who, answer.text)
        assert kind is None or answer.json["error"]["type"] == kind
        assert SECRET not in answer.text or (path.endswith("/reveal") and who in may)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/ledger", None),
        ("GET", "/audit/verify", None),
        (
            "POST",
            "/providers",
            {
                "slug": "acme",
                "name": "Acme",
                "base_url": "https://api.acme.example",
                "credential": {"in": "bearer"},
            },
        ),
    ],
)
@pytest.mark.parametrize("who", ["owner", "developer", "viewer", "outsider"])
def test_what_belongs_to_the_site_is_for_its_admin(rest, cast, who, method, path, body):
    assert rest(cast[who]).call(method, path, body).status == 403
    assert rest(cast["admin"]).call(method, path, body).status in (200, 201)


@pytest.mark.parametrize("kind", ["provider-keys", "app-keys"])
def test_a_key_is_not_found_under_another_application(rest, admin, place, kind):
    """Not even by somebody who may see both."""
    client = rest(admin)
    client.post("/applications", {"name": "Other", "slug": "other"})
    key = "PROVIDERKEY" if kind == "provider-keys" else "APPKEY"

    assert client.get(place(f"/applications/other/{kind}/{key}")).status == 404
    assert client.post(place(f"/applications/other/{kind}/{key}/revoke")).status == 404


def test_a_developer_reveals_a_provider_key_where_the_application_allows_it(
    rest, cast, place, application
):
    application.developers_copy_provider_keys = True
    application.save()

    answer = rest(cast["developer"]).post(place(f"{P}/reveal"), {"reason": "debugging"})
    assert answer.json == {"key": SECRET}
    assert rest(cast["viewer"]).post(place(f"{P}/reveal"), {"reason": "x"}).status == 403
