"""The Celery app, its broker and the beat schedule: one table.

Tasks only wake work; what is due lives in rows with leases (DESIGN decision 14), so a message
that a broker loses costs one tick. What stands in BEAT is itself such a row: `keys.jobs`.
Arguments are ids, never a secret (decision 10).
"""

import os
import warnings
from pathlib import Path

from celery import Celery
from celery.exceptions import SecurityWarning

# Running as root is dangerous with pickled messages. Ours are JSON, and root is the
# operator's choice; Celery still refuses root where pickle is accepted.
warnings.filterwarnings("ignore", category=SecurityWarning)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# task name -> seconds between wake-ups. A message not taken by the next tick is dropped.
BEAT: dict[str, float] = {
    "keys.tasks.check_due": 1.0,
    "keys.tasks.watch_due": 2.0,
    "keys.tasks.end_overlaps": 2.0,
    "keys.tasks.expire_app_keys": 15.0,
    "keys.tasks.rotate_data_keys": 5.0,
    "keys.tasks.run_batches": 2.0,
    "keys.tasks.examine_vault": 60.0,
    "keys.tasks.forget_sessions": 300.0,
    "usage.tasks.erase_applications": 10.0,
    # Beat starts each wait anew: a longer one would never end where people start it each day.
    "usage.tasks.trim_calls": 300.0,
    "usage.tasks.evaluate_alerts": 5.0,
    "usage.tasks.deliver_alerts": 2.0,
    "usage.tasks.sweep_hygiene": 120.0,
    "usage.tasks.forget_alerts": 300.0,
    "usage.tasks.compare_counts": 300.0,
}
# Their work is rows with leases of their own, and may wait for others: a run that still does is
# joined by the next one.
SIDE_BY_SIDE = ("keys.tasks.check_due", "usage.tasks.deliver_alerts")

app = Celery("keydeck", task_cls="keys.jobs.task:JobTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    side_by_side=SIDE_BY_SIDE,
    beat_schedule={
        name: {"task": name, "schedule": every, "options": {"expires": max(every, 5.0)}}
        for name, every in BEAT.items()
    },
)
app.autodiscover_tasks()

# The broker of files expects its folders; Redis has none.
_folders: dict[str, str] = app.conf.broker_transport_options
for _name in ("data_folder_in", "control_folder"):
    if _name in _folders:
        Path(_folders[_name]).mkdir(parents=True, exist_ok=True, mode=0o700)
