"""The card's own words: the secret is absent from the database file and its WAL."""

from pathlib import Path

import pytest
from django.db import connection

from keys.models import Application
from tests.factories import AppKeyFactory, ProviderKeyFactory

CANARY = "canary-5f1d0c9e-provider-secret"


@pytest.mark.django_db(transaction=True)
def test_no_secret_is_in_the_database_file_or_its_wal(application: Application) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the file is looked at where the database is a file")
    ProviderKeyFactory(application=application, secret=CANARY, name="marker-that-is-stored")
    app_key = AppKeyFactory(application=application)
    name = str(connection.settings_dict["NAME"])
    files = [path for path in (Path(name), Path(f"{name}-wal")) if path.exists()]
    stored = b"".join(path.read_bytes() for path in files)
    assert b"marker-that-is-stored" in stored  # the search does find what is there
    assert len(files) == 2
    for text in (CANARY, app_key.plaintext, app_key.plaintext[-38:-6]):
        assert text.encode() not in stored
        assert text.encode("utf-16-le") not in stored
