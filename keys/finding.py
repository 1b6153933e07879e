"""Finding keys among many: by a word, a tag, the environment, the state."""

from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Q, QuerySet

from keys.models import AppKey, ProviderKey

Key = TypeVar("Key", ProviderKey, AppKey)


@dataclass(frozen=True, slots=True)
class Filter:
    """What a key must have; an empty field asks for nothing."""

    q: str = ""  # in the name or the note, or the id
    tag: str = ""
    environment: str = ""
    state: str = ""

    def over(self, keys: QuerySet[Key]) -> QuerySet[Key]:
        if word := self.q.strip():
            keys = keys.filter(Q(name__icontains=word) | Q(note__icontains=word) | Q(pk=word))
        if tag := self.tag.strip().lower():
            keys = keys.filter(tags__contains=f" {tag} ")
        if self.environment:
            keys = keys.filter(environment=self.environment)
        if self.state:
            keys = keys.filter(state=self.state)
        return keys

    def __bool__(self) -> bool:
        return bool(self.q.strip() or self.tag.strip() or self.environment or self.state)
