"""What mails are sent with: by whom, how long a request waits for the server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PRINT = (
    "from config import settings as s;"
    "print(s.EMAIL_BACKEND.split('.')[-2], s.EMAIL_TIMEOUT, s.DEFAULT_FROM_EMAIL)"
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "dummy 10 Keydeck <keydeck@localhost>"),
        ({"EMAIL_URL": "", "EMAIL_FROM": ""}, "dummy 10 Keydeck <keydeck@localhost>"),
        (
            {"EMAIL_URL": "smtp://h:25", "KEYDECK_PUBLIC_URL": "https://keys.example.com"},
            "smtp 10 Keydeck <keydeck@keys.example.com>",
        ),
        ({"EMAIL_FROM": "ops@example.com"}, "dummy 10 ops@example.com"),
        ({"EMAIL_URL_FILE": "mail"}, "smtp 10 Keydeck <keydeck@localhost>"),
    ],
)
def test_mail_comes_from_this_host_and_its_server_is_not_waited_for_long(
    tmp_path: Path, given: dict[str, str], expected: str
) -> None:
    (tmp_path / "mail").write_text("smtp+tls://user:password@mail.example.com:587\n")
    if "EMAIL_URL_FILE" in given:
        given = {"EMAIL_URL_FILE": str(tmp_path / "mail")}
    fixed = {"PATH": os.environ["PATH"], "KEYDECK_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PRINT], env=fixed | given, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected
