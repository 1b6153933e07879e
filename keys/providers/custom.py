"""Custom providers: a spec made from the row in which a site admin described an HTTP API."""

from dataclasses import dataclass

from keys.models import Provider
from keys.providers import answers
from keys.providers.base import Example, Kind, Place, Placement, Probe, ProviderSpec

_PLACES: dict[str, Place] = {
    "header": "header",
    "bearer": "bearer",
    "query": "query",
    "body": "body",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom(ProviderSpec):
    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        if status == 429 and answers.code(answer.data) == "insufficient_quota":
            return Kind.KEY_EXHAUSTED
        return ProviderSpec.kind_of(self, status, answer)

    def proves_live(self, content_type: str, body: bytes) -> bool:
        answer = answers.parse(content_type, body)
        if answer.broken:
            return False  # a sign-in page, a parked domain
        return not (isinstance(answer.data, dict) and answer.data.get("ok") is False)


def spec_of(row: Provider) -> Custom:
    """The spec of one custom provider."""
    place = _PLACES[row.credential_in]
    name = row.credential_name.lower() if place == "header" else row.credential_name
    method = row.probe_method or ("POST" if place == "body" else "GET")
    probe = Probe(method, row.probe_path) if row.probe_path else None
    return Custom(
        slug=row.slug,
        name=row.name,
        base_url=row.base_url.rstrip("/"),
        bound_to=row.base_url.rstrip("/"),
        keys_url=row.keys_url,
        env_var=f"{row.slug.upper().replace('-', '_')}_API_KEY",
        probe=probe,
        example=Example(method, row.probe_path or "/"),
        accepts=frozenset({Placement(place, "" if place == "bearer" else name)}),
        prefix=_prefix(row.credential_prefix),
        json_due=False,
        fetches=("GET /*", "/*fetch*"),  # nobody said which, and to read twice does no harm
        # xAI's name for it says the currency; a plain "cost" might be anything.
        cost=answers.Cost("cost_in_usd_ticks", per_dollar=10**10),
    )


def _prefix(written: str) -> str:
    """A scheme is a word of its own (`Token abc`); what ends in a mark is not (`key=abc`)."""
    return f"{written} " if written[-1:].isalnum() else written
