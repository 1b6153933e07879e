"""All providers by slug: the built-in ones, the sandbox of a demo, and the custom rows."""

from collections.abc import Iterable
from dataclasses import replace

from django.conf import settings

from keys.models import Provider
from keys.providers.anthropic import ANTHROPIC
from keys.providers.assemblyai import ASSEMBLYAI
from keys.providers.base import ProviderSpec
from keys.providers.cohere import COHERE
from keys.providers.custom import spec_of
from keys.providers.deepgram import DEEPGRAM
from keys.providers.deepseek import DEEPSEEK
from keys.providers.elevenlabs import ELEVENLABS
from keys.providers.gemini import GEMINI
from keys.providers.github import GITHUB
from keys.providers.groq import GROQ
from keys.providers.huggingface import HUGGINGFACE
from keys.providers.mistral import MISTRAL
from keys.providers.modelslab import MODELSLAB
from keys.providers.notion import NOTION
from keys.providers.openai import OPENAI
from keys.providers.openrouter import OPENROUTER
from keys.providers.replicate import REPLICATE
from keys.providers.sandbox import sandbox
from keys.providers.sendgrid import SENDGRID
from keys.providers.slack import SLACK
from keys.providers.stripe import STRIPE
from keys.providers.xai import XAI

BUILT_IN: tuple[ProviderSpec, ...] = (
    MODELSLAB,
    OPENAI,
    ANTHROPIC,
    OPENROUTER,
    GEMINI,
    GROQ,
    MISTRAL,
    ELEVENLABS,
    DEEPSEEK,
    XAI,
    COHERE,
    HUGGINGFACE,
    REPLICATE,
    DEEPGRAM,
    ASSEMBLYAI,
    STRIPE,
    GITHUB,
    SLACK,
    SENDGRID,
    NOTION,
)


class UnknownProvider(LookupError):
    """No provider has this slug."""


def built_in() -> list[ProviderSpec]:
    """The providers that are code, at the addresses that the operator chose."""
    specs = (*BUILT_IN, sandbox(settings.SANDBOX_PORT)) if settings.DEMO else BUILT_IN
    return [_at(spec, settings.PROVIDER_URLS.get(spec.slug, "")) for spec in specs]


def get(slug: str) -> ProviderSpec:
    """The provider called `slug`; raises UnknownProvider. A custom one costs one query."""
    for spec in built_in():
        if spec.slug == slug:
            return spec
    row = Provider.objects.filter(slug=slug).first()
    if row is None:
        raise UnknownProvider(slug)
    return spec_of(row)


def all_specs() -> list[ProviderSpec]:
    """Every provider, built-in ones first."""
    specs = built_in()
    taken = {spec.slug for spec in specs}
    rows = Provider.objects.order_by("name")
    return [*specs, *(spec_of(row) for row in rows if row.slug not in taken)]


def names(slugs: Iterable[str]) -> dict[str, str]:
    """What these providers are called; one that there isn't goes by its slug.

    Where one of them isn't built in, they cost one query.
    """
    asked = set(slugs)
    known = {spec.slug: spec.name for spec in built_in()}
    if left := asked - known.keys():
        known |= dict(Provider.objects.filter(slug__in=left).values_list("slug", "name"))
    return {slug: known.get(slug, slug) for slug in asked}


def _at(spec: ProviderSpec, url: str) -> ProviderSpec:
    return replace(spec, base_url=url.rstrip("/")) if url else spec
