"""Second factors: what makes their codes is not in the database to be read."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from cryptography.fernet import InvalidToken
from pytest_django import Settings

from keys.models import User

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def test_a_totp_secret_is_encrypted_and_its_codes_work_once(viewer: User) -> None:
    totp = TOTP.activate(viewer, SECRET)
    assert SECRET not in str(Authenticator.objects.values_list("data", flat=True).get())
    code = format_hotp_value(hotp_value(SECRET, next(iter(yield_hotp_counters_from_time()))))
    assert totp.validate_code(code)
    assert not totp.validate_code(code)


def test_the_seed_of_recovery_codes_is_encrypted(
    viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = [RecoveryCodes.generate_seed()]
    monkeypatch.setattr(RecoveryCodes, "generate_seed", lambda *_: seeds[0])
    codes = RecoveryCodes.activate(viewer)
    assert seeds[0] not in str(Authenticator.objects.values_list("data", flat=True).get())
    assert codes.validate_code(codes.generate_codes()[0])


def test_they_need_the_secret_key(viewer: User, settings: Settings) -> None:
    totp = TOTP.activate(viewer, SECRET)
    settings.SECRET_KEY = "another"
    with pytest.raises(InvalidToken):
        totp.validate_code("000000")
