"""Prices over REST: everybody reads them, a site admin sets them."""

import pytest

pytestmark = pytest.mark.django_db
PATH = "/providers/modelslab/prices"
GIVEN = {
    "prices": [
        {"pattern": "/api/v6/images/*", "per_call": "0.0047"},
        {"pattern": "/v1/chat/*", "per_1k_tokens_in": 0.00015, "per_1k_tokens_out": "0.0006"},
    ]
}
TOLD = [
    {
        "pattern": "/api/v6/images/*",
        "per_call": "0.0047",
        "per_1k_tokens_in": "0",
        "per_1k_tokens_out": "0",
    },
    {
        "pattern": "/v1/chat/*",
        "per_call": "0",
        "per_1k_tokens_in": "0.00015",
        "per_1k_tokens_out": "0.0006",
    },
]


def test_a_site_admin_sets_prices_that_everybody_reads(rest, admin, viewer):
    assert rest(viewer).get(PATH).json == {"provider": "modelslab", "prices": []}

    answer = rest(admin).call("PUT", PATH, GIVEN)

    assert answer.status == 200, answer.text
    assert rest(viewer).get(PATH).json == answer.json == {"provider": "modelslab", "prices": TOLD}
    # What is read can be sent back.
    assert rest(admin).call("PUT", PATH, {"prices": TOLD}).status == 200


def test_nobody_else_sets_them(rest, owner, outsider, admin):
    assert rest(owner).call("PUT", PATH, GIVEN).status == 403
    assert rest(outsider).call("PUT", PATH, GIVEN).status == 403
    assert rest(admin, scopes=["read"]).call("PUT", PATH, GIVEN).status == 403
    assert rest(admin).get(PATH).json["prices"] == []


def test_an_unknown_provider_is_not_found(rest, admin):
    assert rest(admin).get("/providers/nowhere/prices").status == 404
    assert rest(admin).call("PUT", "/providers/nowhere/prices", GIVEN).status == 404


@pytest.mark.parametrize(
    ("price", "field"),
    [
        ({"pattern": "images"}, "prices.0.pattern"),
        ({"pattern": "/a", "per_call": -1}, "prices.0.per_call"),
        ({"pattern": "/a", "per_call": "much"}, "prices.0.per_call"),
        ({"pattern": "/a", "per_call": "1e-10"}, "prices.0.per_call"),
        ({"pattern": "/a", "per_hour": 1}, "prices.0.per_hour"),
        ({"per_call": 1}, "prices.0.pattern"),
    ],
)
def test_a_wrong_price_is_named(rest, admin, price, field):
    answer = rest(admin).call("PUT", PATH, {"prices": [price]})
    assert (answer.status, answer.json["error"]["field"]) == (422, field)
