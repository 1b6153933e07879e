"""`manage.py issue_token`: the token alone on stdout, words on stderr, one line when it can't."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from config.env import BASE_DIR
from keys.models import ApiToken, AuditEvent
from tests.rest.conftest import Rest

pytestmark = pytest.mark.django_db


def issue(*args):
    out, err = StringIO(), StringIO()
    call_command("issue_token", *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_it_prints_the_token_alone(owner):
    out, err = issue(owner.email, "--name", "nightly")

    assert out.count("\n") == 1
    assert Rest(out.strip()).get("/applications").status == 200
    assert "nightly" in err
    assert out.strip() not in err


def test_it_gives_everything_unless_told_less(owner):
    issue(owner.email, "--name", "all")
    issue(owner.email, "--name", "some", "--scope", "manage", "--scope", "read")

    assert ApiToken.objects.get(name="all").scopes == ["read", "manage", "secrets"]
    assert ApiToken.objects.get(name="some").scopes == ["read", "manage"]


def test_it_takes_a_date_or_a_number_of_days(owner):
    issue(owner.email, "--name", "date", "--expires", "2099-01-01")
    issue(owner.email, "--name", "zone", "--expires", "2099-01-01T01:00:00+01:00")
    issue(owner.email, "--name", "days", "--expires", "90d")

    assert ApiToken.objects.get(name="date").expires_at == datetime(2099, 1, 1, tzinfo=UTC)
    assert ApiToken.objects.get(name="zone").expires_at == datetime(2099, 1, 1, tzinfo=UTC)
    left = ApiToken.objects.get(name="days").expires_at - timezone.now()
    assert timedelta(days=89, hours=23) < left <= timedelta(days=90)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nobody@example.com", "--name", "x"], "nobody@example.com"),
        (["owner@example.com", "--name", "x", "--expires", "2020-01-01"], "past"),
        (["owner@example.com", "--name", "x", "--expires", "0d"], "0d"),
        (["owner@example.com", "--name", "x", "--expires", "soon"], "soon"),
        (["owner@example.com", "--name", "x", "--expires", "99999d"], "99999d"),
        (["owner@example.com", "--name", "x", "--scope", "root"], "root"),
        (["owner@example.com", "--name", " "], "name"),
        (["owner@example.com"], "--name"),
    ],
)
def test_what_it_cannot_do_is_one_clear_line(owner, args, words):
    with pytest.raises(CommandError) as refused:
        issue(*args)

    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not ApiToken.objects.exists()


def test_somebody_who_left_gets_none(owner):
    owner.is_active = False
    owner.save()
    with pytest.raises(CommandError, match="no active user"):
        issue(owner.email, "--name", "x")


def test_it_is_audited_without_the_token(owner):
    out, _ = issue(owner.email, "--name", "nightly")

    event = AuditEvent.objects.get(action="token.issued")
    assert event.actor_name == "issue_token"
    assert out.strip() not in str(event.detail)
    assert out.strip()[-38:] not in ApiToken.objects.get().digest


def test_before_the_first_start_it_says_what_to_do(tmp_path):
    """A real process: exit code, an empty stdout and one line."""
    done = subprocess.run(
        [sys.executable, "manage.py", "issue_token", "a@example.com", "--name", "x"],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"], "KEYDECK_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "make up" in done.stderr
