"""A worker to be killed: sweeps until nothing has been due for a while, and tells of each sweep.

`python -m tests.health.process URL AT_ONCE` with the vault's master key in KEYDECK_TEST_MASTER.
"""

import os
import sys
import time
from datetime import timedelta

import django

django.setup()

from django.conf import settings  # noqa: E402

from keys import sweeping  # noqa: E402
from tests.health.conftest import LEASES  # noqa: E402


def main(url: str, at_once: int) -> None:
    settings.MASTER_KEYS = os.environ["KEYDECK_TEST_MASTER"]
    settings.OUTBOUND_ALLOW = [url.removeprefix("http://")]
    settings.PROVIDER_URLS = {"modelslab": url}
    settings.PROBES_AT_ONCE = at_once
    sweeping.LANE_LEASE, sweeping.KEY_LEASE = (timedelta(seconds=part) for part in LEASES)
    print("ready", flush=True)
    while True:
        print(f"checked {sweeping.check_due(seconds=5)}", flush=True)
        time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
