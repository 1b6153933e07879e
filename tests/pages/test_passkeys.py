"""Second factors in a real browser: a passkey of a virtual authenticator, an app's codes.

On `localhost`, the one host where browsers let a page without HTTPS use passkeys.
"""

import re
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import BrowserContext, CDPSession, Page, expect

from keys.audit import Action
from keys.models import AuditEvent, ProviderKey, SignedIn, User
from keys.sign_in.sessions import SessionStore
from tests.factories import PASSWORD
from tests.pages.conftest import SECRET, page_of
from tests.pages.test_browser import browser, context, signed_in
from tests.upstream import Upstream

__all__ = ["browser", "context", "signed_in"]  # fixtures
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("browser"),
]
NEW_SECRET = "a-new-secret-of-the-account"
NO_PASSKEY = "No passkey was used"


class Device:
    """An authenticator in the browser, as a laptop's own: it checks a finger, and may refuse it."""

    def __init__(self, cdp: CDPSession) -> None:
        self.cdp = cdp
        cdp.send("WebAuthn.enable")
        self.plug_in()

    def plug_in(self) -> None:
        options = {
            "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal",
            "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }  # fmt: skip
        made = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.id = {"authenticatorId": made["authenticatorId"]}

    def verifies(self, verified: bool) -> None:
        self.cdp.send("WebAuthn.setUserVerified", {**self.id, "isUserVerified": verified})

    def credential(self) -> dict[str, Any]:
        (kept,) = self.cdp.send("WebAuthn.getCredentials", self.id)["credentials"]
        return dict(kept)

    def replace_by_another(self, **change: Any) -> None:
        """Another authenticator, which knows the same credential but for `change`."""
        kept = self.credential()
        self.cdp.send("WebAuthn.removeVirtualAuthenticator", self.id)
        self.plug_in()
        self.cdp.send("WebAuthn.addCredential", {**self.id, "credential": {**kept, **change}})

    def be_empty(self) -> None:
        self.cdp.send("WebAuthn.clearCredentials", self.id)


@pytest.fixture
def page(signed_in: Page) -> Iterator[Page]:
    """The owner's browser; the console must stay silent."""
    complaints: list[str] = []
    signed_in.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    signed_in.on("pageerror", lambda error: complaints.append(str(error)))
    yield signed_in
    assert complaints == []


@pytest.fixture
def device(context: BrowserContext, page: Page) -> Device:
    return Device(context.new_cdp_session(page))


@pytest.fixture
def with_passkey(page: Page, device: Device) -> Page:
    """The owner has added a passkey, from the settings on."""
    page.goto("/settings/")
    page.click("text=Turn it on")
    page.click("text=Add a passkey")
    confirm_by_password(page)
    page.fill("[name=name]", "Work laptop")
    page.click("text=Add the passkey")
    expect(page.get_by_text("Your passkey is added")).to_be_visible()
    return page


def confirm_by_password(page: Page) -> None:
    expect(page.locator("h1")).to_have_text("Confirm it’s you")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")


def sign_out_and_give_the_password(page: Page, owner: User) -> None:
    page.goto("/accounts/logout/")
    page.click("main >> button:has-text('Sign out')")
    page.fill("[name=login]", owner.email)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("One more step")


def let_the_sign_in_grow_old(page: Page) -> None:
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    session = SessionStore(cookies["keydeck_session"])
    for record in session["account_authentication_methods"]:
        record["at"] -= 301
    session.save()


def rotate_until_the_step_up(page: Page, key: ProviderKey, way: str) -> None:
    let_the_sign_in_grow_old(page)
    page.goto(page_of(key))
    page.click("a:has-text('Rotate')")
    expect(page.locator("h1")).to_have_text("Confirm it’s you")
    page.click(f"text={way}")


def code_of(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def another_private_key() -> str:
    made = ec.generate_private_key(ec.SECP256R1())
    form, no = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return b64encode(made.private_bytes(serialization.Encoding.DER, form, no)).decode()


def refused_ways() -> list[object]:
    failed = AuditEvent.objects.filter(action=Action.SIGN_IN_FAILED)
    return [event.detail["how"] for event in failed]


def test_a_passkey_is_added_signs_in_confirms_acts_and_is_removed(
    with_passkey: Page, owner: User, provider: Upstream, provider_key: ProviderKey
) -> None:
    page = with_passkey
    sign_out_and_give_the_password(page, owner)
    expect(page.get_by_role("button", name="Use your passkey")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Overview")

    rotate_until_the_step_up(page, provider_key, "Use your passkey")
    page.get_by_role("button", name="Use your passkey").click()
    page.fill("[name=secret]", NEW_SECRET)  # led back to the form
    page.click("button:has-text('Test and rotate')")
    expect(page.locator("text=Two secrets work side by side")).to_be_visible()

    let_the_sign_in_grow_old(page)
    page.goto(page_of(provider_key, "reveal"))
    page.click("text=Use your passkey")
    page.get_by_role("button", name="Use your passkey").click()
    page.get_by_label("Reason").fill("moving house")
    page.get_by_role("button", name="Reveal").click()
    assert page.locator("#revealed").input_value() in (SECRET, NEW_SECRET)

    page.goto("/accounts/2fa/")
    page.click("[aria-label='Remove Work laptop']")
    page.click("text=Remove the passkey")
    expect(page.get_by_text("The passkey is removed")).to_be_visible()
    assert not Authenticator.objects.exists()
    events = AuditEvent.objects.filter(target=f"user:{owner.pk}").order_by("id")
    told = [(event.action, event.detail.get("kind")) for event in events]
    assert (Action.FACTOR_ADDED, "webauthn") in told
    assert (Action.FACTOR_REMOVED, "webauthn") in told
    assert refused_ways() == []


def test_a_device_that_did_not_check_who_it_is_gets_nobody_in(
    with_passkey: Page, device: Device, owner: User
) -> None:
    page = with_passkey
    sign_out_and_give_the_password(page, owner)
    device.verifies(False)
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.get_by_role("alert")).to_contain_text(NO_PASSKEY)
    assert not SignedIn.objects.filter(user=owner).exists()
    page.goto("/")
    expect(page.locator("h1")).not_to_have_text("Overview")


def test_a_page_that_asks_for_less_does_not_let_an_unchecked_finger_in(
    with_passkey: Page, device: Device, owner: User
) -> None:
    page = with_passkey
    sign_out_and_give_the_password(page, owner)
    asked = page.locator("#js_data")
    assert '"userVerification": "required"' in (asked.text_content() or "")
    asked.evaluate("a => { a.textContent = a.textContent.replace('required', 'discouraged'); }")
    device.verifies(False)
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("was refused")
    assert refused_ways() == ["webauthn"]
    device.verifies(True)
    page.get_by_role("button", name="Use your passkey").click()  # the same page, asked anew
    expect(page.locator("h1")).to_have_text("Overview")


def test_a_device_without_the_credential_gets_nobody_in(
    with_passkey: Page, device: Device, owner: User
) -> None:
    page = with_passkey
    sign_out_and_give_the_password(page, owner)
    device.be_empty()
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.get_by_role("alert")).to_contain_text(NO_PASSKEY)


def test_a_forged_credential_confirms_nothing_and_one_may_try_again_on_the_way(
    with_passkey: Page, device: Device, provider_key: ProviderKey
) -> None:
    page = with_passkey
    own = device.credential()
    rotate_until_the_step_up(page, provider_key, "Use your passkey")
    device.replace_by_another(privateKey=another_private_key())
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.get_by_role("alert").filter(visible=True)).to_contain_text("was refused")
    assert refused_ways() == ["webauthn"]
    page.goto(page_of(provider_key, "rotate"))
    expect(page.locator("h1")).to_have_text("Confirm it’s you")
    page.go_back()
    device.replace_by_another(privateKey=own["privateKey"])
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.locator("[name=secret]")).to_be_visible()


def test_a_device_is_a_passkey_once_and_a_renamed_one_is_known_by_its_name(
    with_passkey: Page,
) -> None:
    page = with_passkey
    page.goto("/accounts/2fa/webauthn/add/")
    page.click("text=Add the passkey")
    expect(page.get_by_role("alert")).to_contain_text("already a passkey of your account")
    page.goto("/accounts/2fa/webauthn/")
    page.click("[aria-label='Rename Work laptop']")
    page.fill("[name=name]", "Laptop")
    page.keyboard.press("Enter")
    expect(page.locator(".kd-factors")).to_contain_text("Laptop")


def test_an_app_is_set_up_signs_in_and_confirms_acts(
    page: Page, owner: User, provider_key: ProviderKey
) -> None:
    page.goto("/accounts/2fa/totp/activate/")
    confirm_by_password(page)
    secret = page.locator("#totp_secret").input_value()
    assert re.fullmatch("[A-Z2-7]{32}", secret)
    page.get_by_label("Authenticator code").fill(code_of(secret))
    page.click("text=Turn it on")
    expect(page.get_by_text("Your authenticator app is on")).to_be_visible()
    codes = (page.locator("#recovery_codes").text_content() or "").split()
    assert len(codes) == 10

    sign_out_and_give_the_password(page, owner)
    expect(page.get_by_text("Use your passkey")).to_have_count(0)  # there is none
    page.fill("[name=code]", codes[0])
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Overview")


def test_a_code_of_the_app_confirms_an_act_and_a_wrong_one_does_not(
    page: Page, owner: User, provider_key: ProviderKey
) -> None:
    secret = generate_totp_secret()
    TOTP.activate(owner, secret)
    rotate_until_the_step_up(page, provider_key, "Use a code")
    page.fill("[name=code]", "000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Incorrect code")
    assert refused_ways() == ["totp"]
    page.fill("[name=code]", code_of(secret))
    page.keyboard.press("Enter")
    expect(page.locator("[name=secret]")).to_be_visible()
