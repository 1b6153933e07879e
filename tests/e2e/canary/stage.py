"""One running product full of canaries, and everything that it has answered so far."""

import json
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from tests.e2e.canary.canaries import Cage
from tests.live import ADMIN, PATIENCE, Keydeck, free_port
from tests.upstream import Answer, Received, Upstream

BODY_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Said:
    """One answer of the product as its caller got it. `gives` are the canaries it is made for."""

    label: str
    data: bytes
    gives: frozenset[str] = frozenset()


class Stage:
    """The product, the provider that echoes what it gets, the canaries, and what was said."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.profile = folder / "profile"  # of a browser
        self.cage = Cage()
        self.said: list[Said] = []
        self.echo = Upstream()
        self.echo.handler = _echo
        self.hooks = Upstream()  # the receiver of alerts
        self.hooks.handler = _echo
        self.nowhere = free_port()  # nobody listens there
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.keydeck = self._keydeck()
        self.keydeck.variables |= variables
        self.token = ""
        self._local = threading.local()

    def _keydeck(self) -> Keydeck:
        (self.folder / "operator").mkdir()
        made = Keydeck(
            self.folder / "data",
            KEYDECK_ADMIN_PASSWORD_FILE=self._given("admin's password"),
            # A sign-in server that nobody reaches; its secret is at hand all the same.
            KEYDECK_OIDC_URL=f"http://127.0.0.1:{self.nowhere}",
            KEYDECK_OIDC_CLIENT_ID="keydeck",
            KEYDECK_OIDC_CLIENT_SECRET_FILE=self._given("secret at the sign-in server"),
            KEYDECK_OUTBOUND_ALLOW=f"{self.echo.host},{self.hooks.host},127.0.0.1:{self.nowhere}",
            KEYDECK_UPSTREAM_TIMEOUT="1",
            KEYDECK_BODY_LIMIT=str(BODY_LIMIT),
            TMPDIR=str(self.temporary),
        )
        made.variables["KEYDECK_PROVIDER_URLS"] = ",".join(
            f"{slug}={made.sandbox_url}" for slug in ("modelslab", "openai", "anthropic")
        )
        del made.variables["KEYDECK_ADMIN_PASSWORD"]  # no secret in the environment
        return made

    def _given(self, name: str) -> str:
        """The file in which the operator gives a canary of this name; its path."""
        path = self.folder / "operator" / re.sub(r"\W", "-", name)
        path.write_text(f"{self.cage.plant(name)}\n")
        path.chmod(0o600)
        return str(path)

    @property
    def password(self) -> str:
        return self.text_of("admin's password")

    def text_of(self, name: str) -> str:
        return next(canary.text for canary in self.cage.all if canary.name == name)

    @property
    def session(self) -> requests.Session:
        """This thread's, without anything of this machine's own environment."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        session: requests.Session = self._local.session
        return session

    def hear(self, label: str, response: requests.Response, *gives: str) -> None:
        head = f"{response.status_code} {response.reason} {dict(response.headers)} "
        data = head.encode("utf-8", "replace") + response.content
        self.said.append(Said(f"{label} -> {response.status_code}", data, frozenset(gives)))

    def rest(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expect: int = 200,
        gives: str = "",
        given_as: str = "key",
    ) -> Any:
        """One REST call as the admin; with `gives` the answer's key becomes a canary."""
        response = self.session.request(
            method,
            f"{self.keydeck.url}/api/v1{path}",
            json=body if not isinstance(body, bytes) else None,
            data=body if isinstance(body, bytes) else None,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            timeout=PATIENCE,
        )
        assert response.status_code == expect, (method, path, response.status_code, response.text)
        if gives and gives not in {canary.name for canary in self.cage.all}:
            self.cage.issued(gives, response.json()[given_as])
        self.hear(f"REST {method} {path}", response, gives)
        return response.json() if response.content else None

    def gateway(
        self, label: str, method: str, target: str, **options: Any
    ) -> requests.Response | None:
        """One call through the gateway; None when the line was cut."""
        url = f"{self.keydeck.url}/gateway/{target}"
        options.setdefault("timeout", 60)
        try:
            response = self.session.request(method, url, **options)
        except requests.RequestException as error:
            self.said.append(Said(f"gateway {label} -> cut", repr(error).encode()))
            return None
        self.hear(f"gateway {label}", response)
        return response

    def manage(self, *words: str, gives: str = "") -> str:
        """One command; its output is heard."""
        done = self.keydeck.manage(*words)
        assert done.returncode == 0, done.stderr
        self.said.append(Said(f"stderr of {words[0]}", done.stderr.encode()))
        if gives:
            self.cage.issued(gives, done.stdout.strip())
        out = Said(f"stdout of {words[0]}", done.stdout.encode(), frozenset({gives}))
        self.said.append(out)
        return done.stdout

    def start(self) -> None:
        self.keydeck.start(120)
        name = "API token by command"
        self.token = self.manage("issue_token", ADMIN, "--name", "sweep", gives=name).strip()

    def close(self) -> None:
        self.keydeck.stop()
        self.echo.close()
        self.hooks.close()

    def page(self, path: str) -> str:
        return urljoin(self.keydeck.url, path)


def _echo(received: Received) -> Answer:
    """Gives back all that came: in the body, in headers, as an error's message."""
    told = f"{received.target} {received.headers} {received.body.decode('latin-1')}"
    refuses = "refuse" in received.path
    body = {"status": "error" if refuses else "success", "message": told, "echo": told}
    headers = {
        "Content-Type": "application/json",
        "X-Echo": re.sub(r"[^ -~]", " ", told[:2000]),
        "Location": f"/elsewhere?{received.target}",
        "Set-Cookie": "echo=" + re.sub(r"[^\w.=+%/&?-]", "_", told[:2000]),
    }
    return Answer(401 if refuses else 200, json.dumps(body).encode(), headers)
