"""The one form: application, provider, secret in; both keys out."""

from django.db import transaction

from keys.audit import Actor
from keys.lifecycle import app_keys, inputs, provider_keys
from keys.lifecycle.applications import create_application
from keys.lifecycle.locks import hold_application
from keys.lifecycle.names import free_name, one_of_a_name
from keys.models import AppKey, Application, ProviderKey
from keys.vault import Secret


def connect(
    actor: Actor,
    application: Application | str,
    *,
    provider: str,
    secret: Secret | str,
    name: str | None = None,
) -> tuple[ProviderKey, AppKey]:
    """Both keys at once: the provider key, and an app key for it, whose text is `.issued`.

    A text for `application` names one that is made in the same transaction.
    """
    spec = provider_keys.known_provider(provider)
    cleaned, trimmed = inputs.clean_secret(secret)
    wanted = inputs.clean_name(name) if name else ""
    with transaction.atomic():
        if isinstance(application, str):
            application = create_application(actor, name=application)
        with one_of_a_name(ProviderKey, application, wanted), transaction.atomic():
            hold_application(actor, application.pk)  # names are chosen one by one, too
            key_name = wanted or free_name(ProviderKey, application, spec.name)
            key = ProviderKey(name=key_name, provider=spec.slug)
            provider_keys.insert(actor, application, key, cleaned)
            app_key_name = free_name(AppKey, application, f"{key_name[:80]} app key")
            made = AppKey(name=app_key_name, providers=[spec.slug])
            app_key = app_keys.insert(actor, application, made)
    key.trimmed = trimmed
    provider_keys.take_first_verdict(key, spec, cleaned)
    return key, app_key
