"""Rows for tests, made as the product makes them: really sealed, really hashed."""

from typing import Any

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from keys import providers, tokens, vault
from keys.models import (
    ApiToken,
    AppKey,
    AppKeyVersion,
    Application,
    Membership,
    ProviderKey,
    ProviderKeyVersion,
    User,
)
from keys.states import Role, Stage

PASSWORD = "correct horse battery staple"


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n}@example.com")

    @factory.post_generation
    def password(self: User, create: bool, extracted: str | None, **_: Any) -> None:
        self.set_password(extracted or PASSWORD)
        self.save()


class ApplicationFactory(DjangoModelFactory[Application]):
    """An application with its data key."""

    class Meta:
        model = Application
        skip_postgeneration_save = True

    slug = factory.Sequence(lambda n: f"application-{n}")
    name = factory.LazyAttribute(lambda made: made.slug.capitalize())

    @factory.post_generation
    def data_key(self: Application, create: bool, extracted: Any, **_: Any) -> None:
        vault.create_data_key(self.pk)


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    application = factory.SubFactory(ApplicationFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.DEVELOPER


class ProviderKeyFactory(DjangoModelFactory[ProviderKey]):
    """A provider key with a sealed current version: `ProviderKeyFactory(secret="…")`."""

    class Meta:
        model = ProviderKey
        skip_postgeneration_save = True

    application = factory.SubFactory(ApplicationFactory)
    name = factory.Sequence(lambda n: f"Provider key {n}")
    provider = "modelslab"

    @factory.post_generation
    def secret(self: ProviderKey, create: bool, extracted: str | None, **_: Any) -> None:
        add_version(self, extracted or f"provider-secret-of-{self.pk}")


def add_version(
    key: ProviderKey, text: str, *, number: int = 1, stage: Stage = Stage.CURRENT, **fields: Any
) -> ProviderKeyVersion:
    """Give a provider key one more sealed version."""
    secret = vault.Secret(text)
    spec = next((spec for spec in providers.all_specs() if spec.slug == key.provider), None)
    address = spec.bound_to if spec else ""
    place = (key.application_id, key.pk, number)
    slot = vault.provider_key_slot(*place, key.provider, address)
    return ProviderKeyVersion.objects.create(
        key=key,
        number=number,
        stage=stage,
        sealed=vault.seal(slot, secret),
        fingerprint=vault.fingerprint(secret),
        last4=secret.last4,
        entered_for=address,
        **{"promoted_at": timezone.now(), **fields},
    )


class AppKeyFactory(DjangoModelFactory[AppKey]):
    """An app key with a real current version; its text is `.plaintext` of the instance."""

    class Meta:
        model = AppKey
        skip_postgeneration_save = True

    application = factory.SubFactory(ApplicationFactory)
    name = factory.Sequence(lambda n: f"App key {n}")

    @factory.post_generation
    def plaintext(self: AppKey, create: bool, extracted: Any, **_: Any) -> None:
        text = tokens.new_app_key(self.environment, self.pk)
        slot = vault.app_key_slot(self.application_id, self.pk, 1)
        AppKeyVersion.objects.create(
            key=self,
            number=1,
            lookup=vault.lookup_hash(text),
            sealed=vault.seal(slot, vault.Secret(text)),
            last4=text[-4:],
            promoted_at=timezone.now(),
        )
        self.plaintext = text  # type: ignore[attr-defined]


class ApiTokenFactory(DjangoModelFactory[ApiToken]):
    """A personal API token; its text is `.plaintext` of the instance."""

    class Meta:
        model = ApiToken
        skip_postgeneration_save = True

    user = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"Token {n}")
    scopes = factory.LazyFunction(lambda: ["read", "manage", "secrets"])

    @factory.post_generation
    def plaintext(self: ApiToken, create: bool, extracted: Any, **_: Any) -> None:
        text = tokens.new_api_token(self.pk)
        self.digest = tokens.token_digest(text, self.user_id, self.scopes, self.expires_at)
        self.save()
        self.plaintext = text  # type: ignore[attr-defined]
