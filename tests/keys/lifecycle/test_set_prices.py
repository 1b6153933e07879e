"""What a provider charges: said by a site admin, to the last digit, and written down."""

from decimal import Decimal

import pytest

from keys import lifecycle
from keys.audit import Action, Actor
from keys.lifecycle import Conflict, Invalid, PriceGiven
from keys.models import AuditEvent

pytestmark = pytest.mark.django_db
ADMIN = Actor.system("test")
IMAGES = PriceGiven(pattern="/api/v6/images/*", per_call=Decimal("0.0047"))
CHAT = PriceGiven(
    pattern="/v1/chat/*",
    per_1k_tokens_in=Decimal("0.00015"),
    per_1k_tokens_out=Decimal("0.000000001"),
)


def test_prices_are_kept_to_the_last_digit_in_the_order_of_their_patterns() -> None:
    lifecycle.set_prices(ADMIN, "modelslab", [CHAT, IMAGES])
    assert lifecycle.prices_of("modelslab") == [IMAGES, CHAT]
    assert lifecycle.prices_of("openai") == []


def test_all_are_replaced_at_once_and_both_lists_are_in_the_audit_trail() -> None:
    lifecycle.set_prices(ADMIN, "modelslab", [IMAGES])
    lifecycle.set_prices(ADMIN, "modelslab", [CHAT])
    assert lifecycle.prices_of("modelslab") == [CHAT]
    event = AuditEvent.objects.filter(action=Action.PRICES_CHANGED).latest("id")
    assert event.target == "provider:modelslab"
    assert event.detail == {
        "was": ["/api/v6/images/* $0.0047/$0/$0"],
        "now": ["/v1/chat/* $0/$0.00015/$0.000000001"],
    }


def test_saving_the_same_prices_is_no_event() -> None:
    for _ in range(2):
        lifecycle.set_prices(ADMIN, "modelslab", [IMAGES, CHAT])
    assert AuditEvent.objects.filter(action=Action.PRICES_CHANGED).count() == 1


def test_an_unknown_provider_has_no_prices() -> None:
    with pytest.raises(Conflict):
        lifecycle.set_prices(ADMIN, "nowhere", [IMAGES])


@pytest.mark.parametrize(
    ("price", "field"),
    [
        (PriceGiven(pattern="images"), "prices.1.pattern"),
        (PriceGiven(pattern="/a b"), "prices.1.pattern"),
        (PriceGiven(pattern="/api/v6/images/*"), "prices.1.pattern"),
        (PriceGiven(pattern="/a", per_call=Decimal("-1")), "prices.1.per_call"),
        (PriceGiven(pattern="/a", per_call=Decimal("NaN")), "prices.1.per_call"),
        (PriceGiven(pattern="/a", per_call=Decimal("1e7")), "prices.1.per_call"),
        (PriceGiven(pattern="/a", per_1k_tokens_in=Decimal("1e-10")), "prices.1.per_1k_tokens_in"),
    ],
)
def test_a_price_that_can_not_be_is_refused_with_its_place(price: PriceGiven, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        lifecycle.set_prices(ADMIN, "modelslab", [IMAGES, price])
    assert caught.value.field == field
    assert lifecycle.prices_of("modelslab") == []


def test_prices_have_a_bound() -> None:
    many = [PriceGiven(pattern=f"/{number}") for number in range(lifecycle.MOST_PRICES + 1)]
    with pytest.raises(Invalid, match="At most"):
        lifecycle.set_prices(ADMIN, "modelslab", many)
