"""The pages: what an admin and an invited person do there with secrets, and every page's source."""

import base64
import hmac
import html
import re
import struct
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import requests

from tests.e2e.canary.keys import AWKWARD
from tests.e2e.canary.stage import Stage
from tests.live import ADMIN, PATIENCE

INVITED = "invited@example.com"
_LINK = re.compile(r'(?:href|hx-get|data-url|src)="([^"#]+)"')
_ID = re.compile(r"(?<=keys)/[0-9A-Za-z]{12}(?=/)|/(?:[0-9a-f-]{36}|\d+)(?=/)")
_ALIKE = 4  # pages of one kind that are looked at
_SLUG = re.compile(r"applications/[^/]+(?=/)")
_LEFT = re.compile(r"^/(?:static|gateway|api|accounts/logout|healthz|readyz)")
COPIED = ("value", "export", "dotenv", "curl", "python", "javascript", "php", "go")


class Browser:
    """One person's session; everything that is answered is heard."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage = stage
        self.name = name
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Referer"] = stage.keydeck.url + "/"
        self.cookies: dict[str, str] = {}  # value of a session's cookie -> canary
        self.get("/accounts/login/")

    def get(self, path: str, *gives: str, **headers: str) -> requests.Response:
        return self._hear(
            "GET", path, self.session.get(self.stage.page(path), headers=headers), *gives
        )

    def post(self, path: str, *gives: str, expect: int = 200, **data: Any) -> requests.Response:
        """Sends a form with its CSRF token; redirects are followed."""
        token = {"csrfmiddlewaretoken": self.session.cookies["keydeck_csrf"]}
        response = self.session.post(self.stage.page(path), {**data, **token}, timeout=PATIENCE)
        assert response.status_code == expect, (path, response.status_code, response.text)
        return self._hear("POST", path, response, *gives)

    def sign_in(self, email: str, password: str) -> None:
        self.post("/accounts/login/", login=email, password=password)
        assert "keydeck_session" in self.session.cookies, f"{email} is not signed in"

    def _hear(
        self, method: str, path: str, response: requests.Response, *gives: str
    ) -> requests.Response:
        for one in [*response.history, response]:
            self.stage.hear(f"{self.name} {method} {path}", one, *gives, *self._session(one))
        return response

    def _session(self, response: requests.Response) -> list[str]:
        """The canary that a session's new cookie is, as this answer sets it."""
        value = response.cookies.get("keydeck_session")
        if not value:
            return []
        if value not in self.cookies:
            self.cookies[value] = f"session {len(self.cookies)} of {self.name}"
            self.stage.cage.add(self.cookies[value], value)
        return [self.cookies[value]]


def admin_at_work(stage: Stage) -> Browser:
    """Signs in, connects, adds, rotates, reveals, copies; right and wrong."""
    cage = stage.cage
    browser = Browser(stage, "admin")
    browser.get("/accounts/sso/?next=/calls/")  # the server is away
    browser.get("/accounts/sso/callback/?code=1&state=2")
    browser.post(
        "/accounts/login/", login=ADMIN, password=cage.plant("password mistyped at sign-in")
    )
    browser.sign_in(ADMIN, stage.password)
    browser.post("/applications/new/", name="Pages", slug="pages")
    secret = cage.provider_key("provider key by the one form", "live", AWKWARD)
    connect = {"application": "pages", "provider": "modelslab"}
    browser.post("/connect/", **connect, secret=f" {secret} ")
    browser.post("/connect/", expect=422, **connect, secret=secret)
    split = cage.provider_key("provider key with a space, by form")
    browser.post("/connect/", expect=422, **connect, secret=f"{split[:30]} {split[30:]}")
    long = cage.provider_key("provider key too long, by form")
    browser.post("/connect/", expect=422, **connect, secret=long + "x" * 5000)
    browser.post("/connect/", expect=422, application="pages", provider="nobody", secret=long)
    _provider_keys(browser)
    _app_keys(browser)
    _settings(browser)
    new = cage.plant("new password that is not taken")
    old = cage.plant("password mistyped at a change")
    browser.post("/accounts/password/change/", oldpassword=old, password1=new, password2=new)
    return browser


def _provider_keys(browser: Browser) -> None:
    cage, new = browser.stage.cage, "/applications/pages/provider-keys/new/"
    wrong = cage.plant("wrong provider key, by form", at_provider=True)
    browser.post(new, provider="modelslab", name="Wrong", secret=wrong)
    nameless = cage.provider_key("provider key without a name, by form")
    browser.post(new, expect=422, provider="modelslab", name="", secret=nameless)
    name = "provider key by form"
    browser.post(new, provider="sandbox", name="Second", secret=cage.provider_key(name))
    keys = browser.stage.rest("GET", "/applications/pages/provider-keys")["items"]
    second = next(key["id"] for key in keys if key["name"] == "Second")
    page = f"/applications/pages/provider-keys/{second}/"
    browser.post(f"{page}check/")
    browser.post(f"{page}reveal/", name, reason="sweep")
    browser.post(f"{page}reveal/", expect=422, reason="")
    refused = cage.plant("wrong secret rotated in, by form", at_provider=True)
    browser.post(f"{page}rotate/", expect=422, secret=refused, overlap="86400")
    rotated = cage.provider_key("provider key rotated in, by form")
    browser.post(f"{page}rotate/", secret=rotated, overlap="86400")
    browser.post(f"{page}finish/")
    browser.post(f"{page}reveal/", "provider key rotated in, by form", reason="sweep")
    browser.post(f"{page}revoke/")


def _app_keys(browser: Browser) -> None:
    stage = browser.stage
    new = "/applications/pages/app-keys/new/"
    form = {"environment": "live", "name": "Website"}
    browser.post(new, **form)
    keys = stage.rest("GET", "/applications/pages/app-keys")["items"]
    for number, key in enumerate(keys):
        page, name = f"/applications/pages/app-keys/{key['id']}/", f"app key {number} by form"
        stage.rest("POST", f"/applications/pages/app-keys/{key['id']}/reveal", gives=name)
        for copied in COPIED:
            browser.post(f"{page}copy/", name, form=copied, provider="modelslab")
        browser.post(f"{page}rotate/", overlap="86400")
        rotated = f"app key {number} rotated by form"
        stage.rest("POST", f"/applications/pages/app-keys/{key['id']}/reveal", gives=rotated)
    browser.post("/applications/pages/policy/", show_app_keys_once="on")
    shown = browser.post(new, "app key shown once", **{**form, "name": "Once"})
    stage.cage.issued("app key shown once", _shown(shown.text))
    browser.post("/applications/pages/policy/")


def _settings(browser: Browser) -> None:
    cage = browser.stage.cage
    made = browser.post("/settings/tokens/new/", "API token by form", name="CI", scopes="read")
    cage.issued("API token by form", _shown(made.text))
    changed = cage.plant("password that is too like another", "admin")
    browser.post(
        "/accounts/password/change/",
        oldpassword=cage.plant("old password mistyped"),
        password1=changed,
        password2=f"{changed}x",
    )
    browser.post("/accounts/reauthenticate/", password=cage.plant("password mistyped at step-up"))


def invited_person(stage: Stage, admin: Browser) -> Browser:
    """Comes by a link, chooses a password and signs in with it."""
    handed = admin.post(
        "/applications/pages/people/add/", "invitation", email=INVITED, role="developer"
    )
    link = _shown(handed.text)
    stage.cage.add("invitation", link, link.rstrip("/").rpartition("-")[2])
    person, password = Browser(stage, "invited"), stage.cage.plant("invited person's password")
    chosen = person.get(urlsplit(link).path)
    person.post(urlsplit(chosen.url).path, password1=password, password2=password)
    person.sign_in(INVITED, password)
    person.post("/accounts/reauthenticate/", password=password)
    _second_factor(person)
    return person


def _second_factor(person: Browser) -> None:
    shown = person.get("/accounts/2fa/totp/activate/", "TOTP secret")
    found = re.search(r"\b[A-Z2-7]{32}\b", shown.text)
    assert found, (shown.url, shown.text)
    person.stage.cage.add("TOTP secret", found[0])
    person.post("/accounts/2fa/totp/activate/", code=_totp(found[0]))
    assert person.get("/accounts/2fa/recovery-codes/").ok


def _totp(secret: str) -> str:
    counter = struct.pack(">Q", int(time.time()) // 30)
    digest = hmac.digest(base64.b32decode(secret), counter, "sha1")
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def _shown(source: str) -> str:
    """What a page shows once, in its read-only field."""
    found = re.search(r'readonly value="([^"]+)"', source)
    assert found, source
    return html.unescape(found[1])


def crawl(browser: Browser, *start: str) -> int:
    """Looks at every page that links lead to, of each kind _ALIKE; returns how many."""
    seen, kinds = set(start), Counter[str]()
    waiting, pages = list(start), 0
    with ThreadPoolExecutor(4) as pool:
        while waiting:
            found = list(pool.map(browser.get, waiting))
            pages += len(found)
            waiting = []
            for response in found:
                for link in _links(response):
                    kind = _kind(link)
                    if link not in seen and kinds[kind] < _ALIKE:
                        seen.add(link)
                        kinds[kind] += 1
                        waiting.append(link)
    return pages


def _kind(link: str) -> str:
    url = urlsplit(link)
    return _ID.sub("/…", _SLUG.sub("applications/…", url.path)) + "?" * bool(url.query)


def _links(response: requests.Response) -> list[str]:
    if "html" not in response.headers.get("Content-Type", ""):
        return []
    found = []
    for link in _LINK.findall(response.text):
        url = urlsplit(urljoin(response.url, html.unescape(link)))
        path = urldefrag(url.path + (f"?{url.query}" if url.query else ""))[0]
        if url.netloc == urlsplit(response.url).netloc and not _LEFT.match(path):
            found.append(path)
    return found
