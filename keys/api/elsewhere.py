"""What REST tells of keys of other applications that share a secret."""

from pydantic import BaseModel

from keys.api.schemas import ProviderKeyOut
from keys.models import ProviderKey


class ElsewhereOut(BaseModel):
    """One key of another application; `refused` says why it was left as it is, or null."""

    application: str
    id: str
    name: str
    refused: str | None


class ProviderKeyEverywhere(ProviderKeyOut):
    """`elsewhere`: what was tried with `everywhere`."""

    elsewhere: list[ElsewhereOut]


def elsewhere_of(others: list[ProviderKey], refused: dict[ProviderKey, str]) -> list[ElsewhereOut]:
    return [
        ElsewhereOut(
            application=other.application.slug,
            id=other.pk,
            name=other.name,
            refused=refused.get(other),
        )
        for other in others
    ]
