"""Sessions whose rows are worth nothing without the cookie.

A row's name is a keyed hash of the cookie's value, and what it holds is encrypted with a key
made of that value: a copy of the database signs nobody in, and a row moved to another name
doesn't open.
"""

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from cryptography.fernet import InvalidToken
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from keys.derived import derived_key, fernet


class SessionStore(DatabaseStore):
    """Django's store in the database, under other names."""

    # The asynchronous forms of the base class call the ones below; the database store's don't.
    aload = SessionBase.aload
    aexists = SessionBase.aexists
    acreate = SessionBase.acreate
    asave = SessionBase.asave
    adelete = SessionBase.adelete

    def load(self) -> dict[str, Any]:
        rows = Session.objects.filter(expire_date__gt=timezone.now())
        row = rows.filter(session_key=row_name(self.session_key or "")).first()
        if row is None:
            self._session_key = None
            return {}
        return self.decode(row.session_data)

    def exists(self, session_key: str) -> bool:
        return super().exists(row_name(session_key))

    def delete(self, session_key: str | None = None) -> None:
        if cookie := session_key or self.session_key:
            super().delete(row_name(cookie))

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        cookie = self._get_or_create_session_key()  # type: ignore[attr-defined]
        return Session(
            session_key=row_name(cookie),
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
        )

    def encode(self, session_dict: dict[str, Any]) -> str:
        box = fernet(_digest("data", self.session_key or ""))
        return box.encrypt(json.dumps(session_dict).encode()).decode()

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        try:
            plain = fernet(_digest("data", self.session_key or "")).decrypt(session_data)
        except InvalidToken:
            return {}  # of another SECRET_KEY, or another session's: signed out
        found: dict[str, Any] = json.loads(plain)
        return found


def forget_expired(now: datetime) -> int:
    """Remove the rows that no cookie opens any more; returns how many."""
    return Session.objects.filter(expire_date__lte=now).delete()[0]


def row_name(cookie: str) -> str:
    """The name of the row that belongs to a cookie; it fits Django's 40 characters."""
    return _digest("row", cookie).hex()[:40]


def _digest(use: str, cookie: str) -> bytes:
    return hmac.digest(derived_key("sessions"), f"{use}:{cookie}".encode(), hashlib.sha256)
