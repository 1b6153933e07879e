"""The prices of a provider: read by everybody, a form for site admins."""

from collections.abc import Callable
from decimal import Decimal

from django.test import Client

from keys import lifecycle
from keys.audit import Actor
from keys.lifecycle import PriceGiven
from keys.models import User

ClientOf = Callable[..., Client]
URL = "/providers/modelslab/prices/"
IMAGES = PriceGiven(pattern="/api/v6/images/*", per_call=Decimal("0.0047"))


def lines(*rows: tuple[str, str, str, str]) -> dict[str, str]:
    """The form as a browser sends it."""
    names = ("pattern", "per_call", "per_1k_tokens_in", "per_1k_tokens_out")
    return {
        f"prices.{line}.{name}": text
        for line, row in enumerate(rows)
        for name, text in zip(names, row, strict=True)
    }


def test_a_site_admin_says_what_calls_cost(client_of: ClientOf, admin: User) -> None:
    client = client_of(admin)
    assert "Say what calls cost" in client.get("/providers/").text
    sent = lines(("/v1/chat/*", "", "0.00015", "0.0006"), ("", "", "", ""), ("/a", "1", "", ""))
    page = client.post(URL, sent, follow=True).text
    assert "The prices of ModelsLab are set" in page
    assert "of 2 endpoints" in page
    assert [price.pattern for price in lifecycle.prices_of("modelslab")] == ["/a", "/v1/chat/*"]


def test_clearing_a_line_drops_it(client_of: ClientOf, admin: User) -> None:
    lifecycle.set_prices(Actor.system("test"), "modelslab", [IMAGES])
    page = client_of(admin).get(URL).text
    assert 'value="0.0047"' in page
    client_of(admin).post(URL, lines(("", "", "", "")))
    assert lifecycle.prices_of("modelslab") == []


def test_a_wrong_line_is_said_beside_it_and_what_was_typed_stays(
    client_of: ClientOf, admin: User
) -> None:
    for row, words in {
        ("", "1", "", ""): "Which endpoints?",
        ("images", "1", "", ""): "is not a path",
        ("/a", "much", "", ""): "Write a number",
        ("/a", "0.0000000001", "", ""): "at most nine decimal places",
    }.items():
        answer = client_of(admin).post(URL, lines(("", "", "", ""), row))
        assert answer.status_code == 422, row
        assert words in answer.text
        assert f'value="{row[1]}"' in answer.text


def test_members_read_the_prices_and_can_not_set_them(
    client_of: ClientOf, viewer: User, admin: User
) -> None:
    client = client_of(viewer)
    assert "No prices yet" in client.get(URL).text
    assert "none said" in client.get("/providers/").text
    lifecycle.set_prices(Actor.system("test"), "modelslab", [IMAGES])
    page = client.get(URL).text
    assert "$0.0047" in page
    assert "<input" not in page.split("kd-prices")[1]
    assert "See them" in client.get("/providers/").text
    assert client.post(URL, lines(("/a", "1", "", ""))).status_code == 403
    assert client.get("/providers/nowhere/prices/").status_code == 404
