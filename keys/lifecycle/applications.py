"""Applications: made with their data key, their policy, deleted with everything in them."""

from django.db import IntegrityError, transaction

from keys import vault
from keys.audit import Action, Actor
from keys.lifecycle.errors import Conflict
from keys.lifecycle.inputs import clean_name, clean_slug
from keys.lifecycle.journal import note
from keys.lifecycle.locks import hold_all_keys, hold_application
from keys.lifecycle.names import free_slug
from keys.models import AppKeyVersion, Application, Membership
from keys.states import Role

RESERVED_SLUGS = ("new",)  # /applications/new/ is the form


def create_application(actor: Actor, *, name: str, slug: str | None = None) -> Application:
    """A new application with its own data key; whoever makes it is its owner."""
    name = clean_name(name)
    slug = clean_slug(slug, RESERVED_SLUGS) if slug else free_slug(name, _taken())
    try:
        with transaction.atomic():
            application = Application.objects.create(name=name, slug=slug)
            vault.create_data_key(application.pk)
            if actor.user is not None:
                Membership.objects.create(application=application, user=actor.user, role=Role.OWNER)
            note(actor, Action.APPLICATION_CREATED, _target(application), application, name=name)
    except IntegrityError:
        raise Conflict(f"There is an application “{slug}” already.", existing=slug) from None
    return application


def set_policy(
    actor: Actor,
    application: Application,
    *,
    show_app_keys_once: bool | None = None,
    developers_copy_provider_keys: bool | None = None,
) -> None:
    """Change what is given. Showing app keys once forgets the texts kept for copying so far."""
    wanted = {
        "show_app_keys_once": show_app_keys_once,
        "developers_copy_provider_keys": developers_copy_provider_keys,
    }
    with transaction.atomic():
        row = hold_application(actor, application.pk)
        changed = {
            field: value
            for field, value in wanted.items()
            if value is not None and value != getattr(row, field)
        }
        for field, value in changed.items():
            setattr(row, field, value)
            setattr(application, field, value)
        if not changed:
            return
        row.save(update_fields=list(changed))
        if changed.get("show_app_keys_once"):
            AppKeyVersion.objects.filter(key__application=row).update(sealed="")
        note(actor, Action.POLICY_CHANGED, _target(row), row, **changed)


def delete_application(actor: Actor, application: Application) -> None:
    """Delete the application, its keys and its data key: its secrets can't be opened any more."""
    with transaction.atomic():
        row = hold_application(actor, application.pk)
        hold_all_keys(row)
        Application.objects.filter(pk=row.pk).delete()
        told = {"slug": row.slug, "name": row.name}
        note(actor, Action.APPLICATION_DELETED, _target(row), row, **told)


def _target(application: Application) -> str:
    return f"application:{application.pk}"


def _taken() -> set[str]:
    return {*Application.objects.values_list("slug", flat=True), *RESERVED_SLUGS}
