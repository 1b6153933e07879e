"""Calls as the pages list them: with the names of what they only know by id."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keys import providers
from keys.models import AppKey, Application, ProviderKey
from usage.classify import remedy, whose
from usage.decisions import Decision
from usage.events import Outcome
from usage.models import Call


@dataclass(frozen=True, slots=True)
class Row:
    """A call and the names around it; a name is the id where the key is gone."""

    call: Call
    application: str
    slug: str
    app_key: str
    provider_key: str
    provider: str
    names: Mapping[str, str]

    @property
    def decisions(self) -> list[Decision]:
        return self.call.decisions(self.names)

    @property
    def remedy(self) -> str:
        return remedy(Outcome(self.call.outcome), self.call.code)

    @property
    def whose(self) -> str:
        return whose(Outcome(self.call.outcome))


def with_names(calls: Iterable[Call]) -> list[Row]:
    """At most four queries, however many calls."""
    calls = list(calls)
    applications = {
        row.id: row for row in Application.objects.filter(id__in={c.application for c in calls})
    }
    app_keys = _names(AppKey, {c.app_key for c in calls if c.app_key})
    used = {c.provider_key for c in calls if c.provider_key}
    used |= {attempt["provider_key"] for c in calls for attempt in c.attempts_before}
    provider_keys = _names(ProviderKey, used)
    called = providers.names({c.provider for c in calls if c.provider})
    names = app_keys | provider_keys | called
    rows = []
    for call in calls:
        application = applications.get(call.application)
        rows.append(
            Row(
                call=call,
                application=application.name if application else call.application,
                slug=application.slug if application else "",
                app_key=app_keys.get(call.app_key, call.app_key),
                provider_key=provider_keys.get(call.provider_key, call.provider_key),
                provider=called.get(call.provider, ""),
                names=names,
            )
        )
    return rows


def _names(model: type[AppKey] | type[ProviderKey], ids: set[str]) -> dict[str, str]:
    if not ids:
        return {}
    return dict(model.objects.filter(id__in=ids).values_list("id", "name"))
