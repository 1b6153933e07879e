"""`python -m tests.ops.fill SLUG… --keys N`: applications with N sealed provider keys each.

Runs on the database of the environment, past lifecycle and provider: thousands in seconds.
"""

import argparse
import os

import django


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("slugs", nargs="+")
    parser.add_argument("--keys", type=int, default=1)
    given = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    from django.db import transaction

    from keys import audit
    from keys.audit import Action, Actor
    from keys.lifecycle.versions import named
    from keys.models import Application
    from keys.vault import Secret
    from tests.factories import ApplicationFactory, ProviderKeyFactory

    actor = Actor.system("fill")
    for slug in given.slugs:
        with transaction.atomic():
            found = Application.objects.filter(slug=slug).first() or ApplicationFactory(slug=slug)
            for n in range(given.keys):
                secret = f"filled-{slug}-{n:06}"
                key = ProviderKeyFactory(
                    application=found,
                    name=f"Filled {n}",
                    provider="sandbox",
                    state="disabled",
                    secret=secret,
                )
                told = named(key, 1, Secret(secret))  # what the doctor holds it against
                audit.record(actor, Action.PROVIDER_KEY_ADDED, key.target, found, **told)
                audit.record(actor, Action.KEY_DISABLED, key.target, found)


if __name__ == "__main__":
    main()
