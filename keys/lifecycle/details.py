"""The words on a key: note, tags, environment, and whom to ask."""

from typing import Any

from django.db import transaction

from keys.audit import Action, Actor
from keys.lifecycle import inputs
from keys.lifecycle.errors import Invalid
from keys.lifecycle.journal import note_key
from keys.lifecycle.locks import hold_key
from keys.models import AppKey, Application, Key, ProviderKey, User


def describe(actor: Actor, key: Key, **details: str) -> None:
    """Change the details given (`note`, `tags`, `environment`, `owner`); the others stay.

    `owner` is the e-mail of a member of the application; empty for nobody. An app key has its
    environment inside its text: that of a key once made stays.
    """
    cleaned = dict(_cleaned(key, name, text) for name, text in details.items())
    if not cleaned:
        return
    model: type[ProviderKey] | type[AppKey] = type(key)
    with transaction.atomic():
        hold_key(actor, key)
        was = model._default_manager.filter(pk=key.pk).values(*cleaned).get()
        changed = {name: value for name, value in cleaned.items() if value != was[name]}
        if not changed:
            return
        model._default_manager.filter(pk=key.pk).update(**changed)
        for name, value in changed.items():
            setattr(key, name, value)
        before = {name: was[name] for name in changed}
        note_key(actor, Action.KEY_DESCRIBED, key, was=before, now=changed)


def _cleaned(key: Key, name: str, text: str) -> tuple[str, Any]:
    """The column and what it takes."""
    if name == "note":
        return "note", inputs.clean_note(text)
    if name == "tags":
        return "tags", inputs.clean_tags(text)
    if name == "environment":
        if isinstance(key, AppKey):
            raise Invalid("environment", "It is a word inside the key: make a new key.")
        return "environment", inputs.clean_environment(text)
    if name == "owner":
        found = _member(key.application, text)
        return "owner_id", found.pk if found else None
    raise TypeError(f"no such detail: {name}")


def _member(application: Application, email: str) -> User | None:
    wanted = email.strip().lower()
    if not wanted:
        return None
    found = User.objects.filter(email=wanted, memberships__application=application).first()
    if found is None:
        raise Invalid("owner", f"{wanted[:100]} is no member of {application.name}.")
    return found
