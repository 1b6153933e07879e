"""Many keys at once and secrets that got out: what is pasted, refused, handed back and ended."""

import re

from tests.e2e.canary.keys import Keyed
from tests.e2e.canary.pages import Browser
from tests.e2e.canary.stage import Stage


def imported(stage: Stage, browser: Browser, live: Keyed) -> None:
    """Over REST and by form: a table, one with faults, and a .env file that comes back."""
    cage = stage.cage
    path = f"/applications/{live.slug}/provider-keys/import"
    form = f"/applications/{live.slug}/import/"
    table = f"sandbox,Pasted,{cage.provider_key('provider key in a table')}\n"
    stage.rest("POST", path, {"text": table, "try_only": True})
    stage.rest("POST", path, {"text": table}, expect=201)
    stage.rest("POST", path, {"text": table}, expect=422)
    mixed = cage.provider_key("provider key in the wrong column")
    stage.rest("POST", path, {"text": f"{mixed},prod,sandbox"}, expect=422)
    fault = f"{table}nobody,Lost,{cage.provider_key('provider key of a faulty row')}\n"
    browser.post(form, expect=422, text=fault)
    by_form = cage.provider_key("provider key in a table, by form")
    browser.post(form, text=f"sandbox,By form,{by_form}\n")
    _dotenv(stage, browser, form)


def _dotenv(stage: Stage, browser: Browser, form: str) -> None:
    other, made = "another variable of a .env file", "app key in a .env file"
    kept = stage.cage.plant(other)
    secret = stage.cage.provider_key("provider key in a .env file")
    text = f"DATABASE_URL=postgres://u:{kept}@h/d\nSANDBOX_API_KEY={secret}\n"
    answer = browser.post(form, other, made, text=text)
    found = re.search(r"SANDBOX_API_KEY=(kd_live_\w+)", answer.text)
    assert found, "the file comes back with an app key"
    stage.cage.issued(made, found[1])


def compromised(stage: Stage, live: Keyed) -> None:
    """A provider key that got out twice: once with another in its place, once without."""
    keys = f"/applications/{live.slug}/provider-keys"
    body = {
        "name": "got out",
        "provider": "sandbox",
        "secret": stage.cage.provider_key("provider key that got out"),
    }
    one = f"{keys}/{stage.rest('POST', keys, body, expect=201)['id']}/compromised"
    second = stage.cage.provider_key("provider key in place of one that got out")
    stage.rest("POST", one, {"reason": "sweep", "secret": second})
    stage.rest("POST", one, {"reason": "sweep"})
