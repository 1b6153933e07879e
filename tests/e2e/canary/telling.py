"""Alerts: channels whose address holds a token and whose messages are signed, by REST and form.

The receiver answers with all that it got, so that what is kept of its answer is put to the test.
"""

import re
from typing import Any

from tests.e2e.canary.pages import Browser
from tests.e2e.canary.stage import Stage
from tests.live import PATIENCE, wait_for

KINDS = ("webhook", "slack")


def channels(stage: Stage, browser: Browser) -> None:
    """Made, tested, changed, refused; and a rule that tells them of keys in trouble."""
    made = [_by_rest(stage, kind) for kind in KINDS]
    _by_form(stage, browser)
    for kind in KINDS:
        inside = stage.cage.plant(f"{kind} address that is refused", "https://10.0.0.1/hooks/")
        body = {"name": "Inside", "kind": kind, "url": inside}
        stage.rest("POST", "/alerts/channels", body, expect=422)
        browser.post("/alerts/channels/new/", expect=422, **body)
    rule: dict[str, Any] = {"name": "Told", "condition": "verdict", "channels": made}
    rule["params"] = {"verdicts": ["dead", "exhausted", "limited", "undecryptable"]}
    stage.rest("POST", "/alerts/rules", rule, expect=201)


def told(stage: Stage, browser: Browser) -> None:
    """Waits until the rule has told them, and looks at all that was kept of it."""

    def through() -> bool:
        rows = stage.rest("GET", "/alerts/deliveries?limit=1000")["items"]
        alerts = [one for row in rows for one in row["alerts"] if one["rule"] == "Told"]
        sent = {row["channel"] for row in rows if row["state"] == "sent"}
        return bool(alerts) and len(sent) >= len(KINDS)

    wait_for(through, PATIENCE, "alerts that came through")
    for path in ("/alerts/", "/alerts/deliveries/", "/hygiene/", "/settings/jobs/"):
        browser.get(path)
    for path in ("/alerts/channels", "/alerts/rules", "/alerts/firing", "/hygiene", "/jobs"):
        stage.rest("GET", path)


def _address(stage: Stage, name: str) -> str:
    return stage.cage.plant(name, f"{stage.hooks.url}/hooks/")


def _by_rest(stage: Stage, kind: str) -> str:
    address = _address(stage, f"{kind} address")
    body = {"name": f"By REST, {kind}", "kind": kind, "url": address}
    signs = f"{kind} secret" if kind == "webhook" else ""
    made = stage.rest("POST", "/alerts/channels", body, expect=201, gives=signs, given_as="secret")
    place = f"/alerts/channels/{made['id']}"
    stage.rest("POST", f"{place}/test")
    stage.rest("PATCH", place, {"url": _address(stage, f"{kind} address, changed")})
    if signs:
        again = f"{kind} secret, renewed"
        stage.rest("POST", f"{place}/secret", gives=again, given_as="secret")
    # What is refused is quoted in the delivery's log.
    refusing = stage.cage.plant(f"{kind} address that refuses", f"{stage.hooks.url}/refuse/")
    stage.rest("PATCH", place, {"url": refusing})
    stage.rest("POST", f"{place}/test")
    stage.rest("PATCH", place, {"url": address})
    return str(made["id"])


def _by_form(stage: Stage, browser: Browser) -> None:
    signs = "webhook secret, by form"
    form = {"name": "By form", "kind": "webhook"}
    form["url"] = _address(stage, "webhook address, by form")
    answer = browser.post("/alerts/channels/new/", signs, **form)
    found = re.search(r"whsec_[A-Za-z0-9+/]+=*", answer.text)
    assert found, "the secret is shown once"
    stage.cage.issued(signs, found[0])
