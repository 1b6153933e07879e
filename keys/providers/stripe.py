"""Stripe. Its clients send the key as Bearer or as the user of Basic; a 402 is a declined card."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, Example, Kind, Probe, ProviderSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe(ProviderSpec):
    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        if status == 402:
            return Kind.CALLER_ERROR
        return ProviderSpec.kind_of(self, status, answer)

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and data.get("object") == "balance"


STRIPE = Stripe(
    slug="stripe",
    name="Stripe",
    base_url="https://api.stripe.com",
    keys_url="https://dashboard.stripe.com/apikeys",
    env_var="STRIPE_API_KEY",
    key_shape=r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}",
    probe=Probe("GET", "/v1/balance"),
    example=Example("GET", "/v1/customers"),
    accepts=frozenset({BEARER}),
    fetches=("GET /v1/*/*$",),  # a payment that is still processing
    # Money leaves the account, or somebody else gets its keys and its news.
    dangerous=(
        "/v1/account/external_accounts",
        "/v1/account_links",
        "/v1/account_sessions",
        "/v1/accounts",
        "/v1/apps/secrets",
        "/v1/ephemeral_keys",
        "/v1/issuing",
        "/v1/payouts",
        "/v1/terminal/connection_tokens",
        "/v1/topups",
        "/v1/transfers",
        "/v1/treasury",
        "/v1/webhook_endpoints",
        "/v2/core",
        "/v2/money_management",
    ),
)
