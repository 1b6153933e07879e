"""Settings of the test suite: the product's own, on throw-away data.

KEYDECK_TEST_DATABASE picks the engine; without it SQLite in a file (threads share it).
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

# In memory where the machine offers that: the suite waits for the disk otherwise.
_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
_data = tempfile.mkdtemp(prefix="keydeck-test-", dir=_memory)
atexit.register(shutil.rmtree, _data, ignore_errors=True)
Path(_data, "static").mkdir()  # ServeStatic warns of a missing one

for _name in [name for name in os.environ if name.startswith("KEYDECK_")]:
    if not _name.startswith("KEYDECK_TEST_"):
        del os.environ[_name]
for _name in ("REDIS_URL", "EMAIL_URL", "ALLOWED_HOSTS", "PORT", "DEBUG"):
    os.environ.pop(_name, None)
os.environ["KEYDECK_DATA_DIR"] = _data
os.environ["SECRET_KEY"] = "only-for-tests-" + "0123456789" * 4
os.environ["KEYDECK_STATEMENT_TIMEOUT"] = "300"  # for the long proofs, on a loaded machine
os.environ["KEYDECK_MASTER_KEYS"] = Fernet.generate_key().decode()
os.environ["DATABASE_URL"] = os.environ.get(
    "KEYDECK_TEST_DATABASE", f"sqlite:///{_data}/keydeck.sqlite3"
)

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": f"{_data}/test.sqlite3"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
