"""Makes the keys of the measurement in the database of the environment; prints them as JSON."""

import json
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from keys.states import Verdict  # noqa: E402
from tests.factories import AppKeyFactory, ApplicationFactory, ProviderKeyFactory  # noqa: E402

FAR = 100_000_000  # of calls: a limit that is counted and never met
NEAR = 1_000  # calls per minute: a limit that is met
SECRET = "sk-proj-" + "bench0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"


def main() -> None:
    application = ApplicationFactory(slug="bench", name="Bench")
    for provider in ("openai", "modelslab"):
        ProviderKeyFactory(
            application=application, provider=provider, secret=SECRET, verdict=Verdict.LIVE
        )
    far = AppKeyFactory(application=application, per_minute=FAR, per_day=FAR)
    near = AppKeyFactory(application=application, per_minute=NEAR, per_day=FAR)
    made = {"key": far.plaintext, "near_key": near.plaintext, "near": NEAR}
    print(json.dumps({**made, "ids": [str(far.pk), str(near.pk)]}))


if __name__ == "__main__":
    main()
