"""The words on either kind of key, as REST shows them and finds keys by them."""

from typing import Annotated, Any, Literal, TypeVar

from django.db.models import QuerySet
from pydantic import BaseModel, Field

from keys.api.fields import Input, Text
from keys.api.paging import Paging
from keys.finding import Filter
from keys.models import AppKey, ProviderKey

Key = TypeVar("Key", ProviderKey, AppKey)


class Details(Input):
    """Words on a key; what isn't given stays. `owner` is a member's e-mail, null for nobody."""

    note: str | None = None
    tags: list[Text] | None = None
    owner: Text | None = None

    def told(self) -> dict[str, str]:
        """What was given, as the domain takes it."""
        given = self.model_dump(include=set(Details.model_fields), exclude_unset=True)
        if given.get("tags") is not None:
            given["tags"] = ",".join(given["tags"])
        return {name: value or "" for name, value in given.items()}


class Described(BaseModel):
    note: str
    tags: list[str]
    owner: str | None
    environment: str


class KeyQuery(Paging):
    """Query of a list of keys."""

    q: Annotated[str, Field(max_length=100)] | None = None
    tag: Annotated[str, Field(max_length=30)] | None = None
    environment: Literal["live", "test"] | None = None
    state: Literal["active", "disabled", "revoked", "expired"] | None = None

    def over(self, keys: QuerySet[Key]) -> QuerySet[Key]:
        wanted = self.model_dump(include=set(Filter.__dataclass_fields__), exclude_none=True)
        return Filter(**wanted).over(keys).select_related("owner").prefetch_related("versions")


def details_of(key: ProviderKey | AppKey) -> dict[str, Any]:
    return {
        "note": key.note,
        "tags": key.tag_list,
        "owner": key.owner.email if key.owner else None,
        "environment": key.environment,
    }
