"""What every page says to the browser: strict policy, no frame, no guessing, no copy on a disk.

The routes are those of tests/test_matrix.py, which holds that none is missing there.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.http import HttpResponse

from tests.test_matrix import TABLE, World, quietly, world

__all__ = ["world"]  # a fixture
pytestmark = pytest.mark.django_db

PAGES = [path for path in TABLE if not path.startswith("api/")]
INLINE = (
    r"<script(?![^>]*\bsrc=)(?![^>]*application/json)",
    r"<style|\sstyle\s*=",
    r"<[^>]+\son\w+\s*=|javascript:",
)


def _policy(response: HttpResponse) -> dict[str, list[str]]:
    parts = response["Content-Security-Policy"].split(";")
    return {words[0]: words[1:] for part in parts if (words := part.split())}


def held_back(response: HttpResponse) -> list[str]:
    """What an answer lacks."""
    policy = _policy(response)
    sources = {word for words in policy.values() for word in words}
    wanted = {
        "nothing by default": policy["default-src"] == ["'none'"],
        "only our own sources": sources <= {"'none'", "'self'", "data:"},
        "no data: but images": "data:"
        not in {w for n in policy if n != "img-src" for w in policy[n]},
        "in no frame": policy["frame-ancestors"] == ["'none'"],
        "in no old browser's frame": response["X-Frame-Options"] == "DENY",
        "no other base": policy["base-uri"] == ["'none'"],
        "forms to us": policy["form-action"] == ["'self'"],
        "no guessing": response["X-Content-Type-Options"] == "nosniff",
        "no address to others": response["Referrer-Policy"] == "same-origin",
        "a window of its own": response["Cross-Origin-Opener-Policy"] == "same-origin",
        "no copy on a disk": "no-store" in response["Cache-Control"],
    }
    return [name for name, held in wanted.items() if not held]


@pytest.mark.parametrize("role", ["admin", "anonymous"])
def test_every_page_is_held_to_the_policy(world: World, role: str) -> None:
    lacking = {
        f"{method} {path}": lacks
        for path in PAGES
        for method in ("get", "post", "put")
        if (lacks := _lacks(world, role, method, path))
    }
    assert not lacking


def _lacks(world: World, role: str, method: str, path: str) -> list[str]:
    address, _, query = world.address(role, path, "own").partition("?")
    with quietly(world.clients[role]):
        response = getattr(world.clients[role], method)(f"/{address}?{query}")
    lacks = held_back(response)
    if "html" in response.get("Content-Type", ""):
        text = response.content.decode()
        lacks += [found for found in INLINE if re.search(found, text)]
    return lacks


# Prints what a browser is told by the sign-in page where people come by https.
_SECURE = """
import json
from django.conf import settings
from django.test import Client
plain = "django.contrib.staticfiles.storage.StaticFilesStorage"  # nothing is collected
settings.STORAGES["staticfiles"]["BACKEND"] = plain
answer = Client(headers={"x-forwarded-proto": "https"}).get("/accounts/login/")
cookies = {name: dict(cookie) for name, cookie in answer.cookies.items()}
session = {name: getattr(settings, f"SESSION_COOKIE_{name}")
           for name in ("NAME", "SECURE", "HTTPONLY", "SAMESITE", "DOMAIN", "PATH")}
print(json.dumps([dict(answer.headers), cookies, session]))
"""


def test_in_production_cookies_are_bound_to_the_host_and_https_is_kept(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", _SECURE],
        cwd=settings.BASE_DIR,
        env={
            "PATH": os.environ["PATH"],
            "KEYDECK_DATA_DIR": str(tmp_path),
            "KEYDECK_PUBLIC_URL": "https://testserver",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    headers, cookies, session = json.loads(done.stdout.splitlines()[-1])
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    csrf = cookies.pop("__Host-csrf")
    assert not cookies
    assert csrf["secure"]
    assert csrf["httponly"]
    assert (csrf["path"], csrf["domain"], csrf["samesite"]) == ("/", "", "Lax")
    assert session == {
        "NAME": "__Host-session",
        "SECURE": True,
        "HTTPONLY": True,
        "SAMESITE": "Lax",
        "DOMAIN": None,
        "PATH": "/",
    }
