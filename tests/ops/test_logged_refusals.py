"""What strangers can have written to the log by asking for nonsense: a line now and then."""

import io
import logging
import logging.config
from copy import deepcopy

import pytest
from django.test import Client

from config.logging import LOGGING, SeldomRefusals


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the product's own handler writes."""
    written = io.StringIO()
    settings = deepcopy(LOGGING)  # it is taken apart
    set_up = logging.config.DictConfigurator(settings)
    line, seldom = settings["formatters"]["line"], settings["filters"]["seldom"]
    set_up.config["formatters"] = {"line": set_up.configure_formatter(line)}
    set_up.config["filters"] = {"seldom": set_up.configure_filter(seldom)}
    handler = set_up.configure_handler({**settings["handlers"]["stderr"], "stream": written})
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    return written


def test_wrong_hosts_are_told_of_once_in_a_short_line(told: io.StringIO) -> None:
    for _ in range(3):
        assert Client().get("/", headers={"Host": "a" * 60_000}).status_code == 400
    (line,) = told.getvalue().splitlines()
    assert "django.security.DisallowedHost: Invalid HTTP_HOST header: 'aaa" in line
    assert len(line) < 500


def test_a_key_in_a_wrong_host_is_masked_wherever_the_line_is_cut(told: io.StringIO) -> None:
    secret = "aB3dE5gH7jK9mN1pQ2rS"
    start = SeldomRefusals.LONGEST - len("Invalid HTTP_HOST header: '") - 10
    Client().get("/", headers={"Host": "." * start + f"kd_live_{secret}"})
    assert "Invalid HTTP_HOST" in told.getvalue()
    assert "kd_" not in told.getvalue()


def test_what_is_no_refusal_is_told_each_time_and_with_its_trace(told: io.StringIO) -> None:
    for _ in range(2):
        try:
            raise RuntimeError
        except RuntimeError:
            logging.getLogger("keys").exception("broken")
    assert told.getvalue().count("Traceback") == 2
