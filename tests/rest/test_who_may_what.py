"""What tests/test_matrix.py doesn't tell of roles over REST: what a refusal says, and policies."""

import pytest

from tests.rest.conftest import SECRET

pytestmark = pytest.mark.django_db

A = "/applications/shop"
P = f"{A}/provider-keys/PROVIDERKEY"
K = f"{A}/app-keys/APPKEY"


@pytest.fixture
def cast(owner, developer, viewer, outsider, admin):
    everybody = (owner, developer, viewer, outsider, admin)
    return {person.email.partition("@")[0]: person for person in everybody}


@pytest.fixture
def place(provider_key, app_key, allow_upstream):
    """Fills the ids into a path of the table."""
    allow_upstream.answer(200, {"status": "success", "data": {"balance": 1}})
    return lambda path: path.replace("PROVIDERKEY", provider_key.id).replace("APPKEY", app_key.id)


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
