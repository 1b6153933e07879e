"""`python -m tests.ops.issue_keys N [--per-minute LIMIT]`: N app keys of one new application.

On the database of the environment; prints their texts, a line each. The provider key is the
sandbox's, in ModelsLab's place.
"""

import argparse
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from keys.states import Verdict  # noqa: E402
from tests.factories import AppKeyFactory, ApplicationFactory, ProviderKeyFactory  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--per-minute", type=int)
    given = parser.parse_args()
    application = ApplicationFactory(slug="proof", name="Proof")
    ProviderKeyFactory(application=application, secret="sandbox-live-proof", verdict=Verdict.LIVE)
    for _ in range(given.count):
        print(AppKeyFactory(application=application).plaintext)
    if given.per_minute:
        print(AppKeyFactory(application=application, per_minute=given.per_minute).plaintext)


if __name__ == "__main__":
    main()
