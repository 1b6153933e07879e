"""The words on either kind of key, as REST shows them and finds keys by them."""

from typing import Annotated, Any, Literal, TypeVar

from django.db.models import QuerySet
from pydantic import Field

from keys.api.paging import Paging
from keys.finding import Filter
from keys.models import AppKey, ProviderKey

Key = TypeVar("Key", ProviderKey, AppKey)


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
