"""Settings that can be read but can't work: one line each, which says what to do."""

from typing import Any

import certifi
import pytest
from django.core.checks import run_checks

from keys import startup, system_checks
from keys.startup import StartupError


@pytest.fixture(autouse=True)
def fine(settings: Any) -> Any:
    """Settings of production that nothing is wrong with."""
    settings.SECRET_KEY = "x" * 32
    settings.HTTPS, settings.PUBLIC_URL = True, "https://keydeck.example.com"
    settings.ALLOWED_HOSTS = ["keydeck.example.com", "localhost"]
    settings.OUTBOUND_ALLOW = ["10.0.0.5:8080", "[fd00::5]:443", "mirror:80"]
    settings.OUTBOUND_CA = certifi.where()
    settings.PROVIDER_URLS = {
        "openai": "https://eu.api.example.com/openai",
        "anthropic": "http://mirror",
        "modelslab": "https://[fd00::5]/",
    }
    settings.OIDC_URL, settings.OIDC_CLIENT_ID = "https://login.example.com/team", "keydeck"
    return settings


def said(*, deploy: bool = False) -> list[str]:
    found = run_checks(tags=[system_checks.TAG], include_deployment_checks=deploy)
    return [f"{one.id} {one.msg}" for one in found]


def test_right_settings_are_let_through() -> None:
    assert said(deploy=True) == []
    startup.check_settings()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OUTBOUND_ALLOW", ["10.0.0.5"], "E001 KEYDECK_OUTBOUND_ALLOW: expected host:port"),
        ("OUTBOUND_ALLOW", ["http://mirror:80"], "got 'http://mirror:80'"),
        ("OUTBOUND_ALLOW", ["mirror:0"], "got 'mirror:0'"),
        ("OUTBOUND_ALLOW", ["10.0.0.0/8:80"], "got '10.0.0.0/8:80'"),
        ("OUTBOUND_CA", "/absent.pem", "E002 KEYDECK_OUTBOUND_CA: /absent.pem can't be read (No"),
        ("OUTBOUND_CA", "/etc", "E002 KEYDECK_OUTBOUND_CA: /etc can't be read (Is a directory)"),
        ("OUTBOUND_CA", __file__, "holds no certificate"),
        ("PROVIDER_URLS", {"opanai": "https://x.example"}, "E003 KEYDECK_PROVIDER_URLS: opanai"),
        ("PROVIDER_URLS", {"opanai": "https://x.example"}, "one of modelslab, openai, anthropic"),
        ("PROVIDER_URLS", {"openai": "x.example.com"}, "expected https://host/path"),
        ("PROVIDER_URLS", {"openai": "ftp://x.example.com"}, "expected https://host/path"),
        ("PROVIDER_URLS", {"openai": "https://x.example:99999"}, "expected https://host/path"),
        ("PROVIDER_URLS", {"openai": "https://x.example/?a=b"}, "expected https://host/path"),
        ("PROVIDER_URLS", {"openai": "https://u:changeme@x.example"}, "expected https://host"),
        ("PROVIDER_URLS", {"openai": "http://x.example"}, "KEYDECK_OUTBOUND_ALLOW=x.example:80"),
        ("PROVIDER_URLS", {"openai": "https://10.0.0.9"}, "KEYDECK_OUTBOUND_ALLOW=10.0.0.9:443"),
        ("PROVIDER_URLS", {"openai": "https://[::1]:9"}, "KEYDECK_OUTBOUND_ALLOW=[::1]:9"),
        ("OIDC_CLIENT_ID", "", "E007 KEYDECK_OIDC_CLIENT_ID: missing"),
        ("OIDC_URL", "login.example.com", "E008 KEYDECK_OIDC_URL: expected https://host/path"),
        ("OIDC_URL", "https://10.0.0.9", "KEYDECK_OUTBOUND_ALLOW=10.0.0.9:443"),
        ("SECRET_KEY", "changeme", "E004 SECRET_KEY has 8 characters"),
        ("ALLOWED_HOSTS", ["*", "localhost"], "E005 ALLOWED_HOSTS: *"),
        ("DEBUG", True, "E006 DEBUG shows"),
    ],
)
def test_a_wrong_one_is_one_line_and_keeps_keydeck_from_starting(
    settings: Any, name: str, value: object, words: str
) -> None:
    settings.PROVIDER_URLS = {}
    setattr(settings, name, value)

    (line,) = said()
    assert words in line
    assert "\n" not in line
    assert "changeme" not in line
    with pytest.raises(StartupError) as refusal:
        startup.check_settings()
    assert str(refusal.value) in line


def test_of_several_the_first_is_told_and_the_rest_counted(settings: Any) -> None:
    settings.OUTBOUND_ALLOW, settings.SECRET_KEY = ["a", "b"], "short"
    settings.PROVIDER_URLS = {}
    with pytest.raises(StartupError, match=r"got 'a' \(and 2 more: manage.py check\)$"):
        startup.check_settings()


@pytest.mark.parametrize(
    "address", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"]
)
def test_on_ones_own_machine_more_is_allowed(settings: Any, address: str) -> None:
    settings.HTTPS, settings.PUBLIC_URL = False, address
    settings.ALLOWED_HOSTS, settings.DEBUG = ["*"], True
    startup.check_settings()


def test_http_is_told_where_deployment_is_checked(settings: Any) -> None:
    settings.HTTPS, settings.PUBLIC_URL = False, "http://keydeck.example.com"
    (line,) = said(deploy=True)
    assert "KEYDECK_PUBLIC_URL: http://keydeck.example.com" in line
    assert "https://" in line
    startup.check_settings()  # a trusted network is the operator's to judge
