"""One message to one channel: e-mail, a signed webhook, or a chat that takes Slack's shape.

Webhooks follow Standard Webhooks (standardwebhooks.com), whose libraries verify them: `webhook-id`
stays the same over retries, `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over
`<id>.<timestamp>.<body>` with the bytes that the secret spells after `whsec_`.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any

import orjson
from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from config.logging import mask
from keys import outbound
from usage import redaction
from usage.alerts import chat, words
from usage.alerts.addresses import PREFIX, Address, origin_of

TIMEOUT = 10.0  # seconds for one attempt
ANSWER_LIMIT = 200  # characters of an answer that are kept
_WORD = re.compile(r"[A-Za-z0-9_\-+]{6,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one channel is told at once."""

    id: str  # the same over retries
    kind: str  # alert, digest or test
    alerts: Sequence[dict[str, Any]]
    more: int = 0

    def as_json(self) -> bytes:
        told = {
            "id": self.id,
            "type": self.kind,
            "site": settings.PUBLIC_URL,
            "alerts": list(self.alerts),
            "more": self.more,
        }
        return orjson.dumps(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of sending. `answer` is redacted."""

    ok: bool
    status: int = 0  # HTTP; 0: no answer, or e-mail
    answer: str = ""
    milliseconds: float = 0.0


def send_mail(recipients: Sequence[str], message: Message) -> Attempt:
    """One mail to each, so that nobody learns who else gets it."""
    host = settings.PUBLIC_URL.partition("://")[2].partition("/")[0].partition(":")[0]
    subject = f"[Keydeck] {words.headline(message.alerts, message.more)}"
    body = words.in_lines(message.alerts, message.more)
    began = time.monotonic()
    mails = [
        EmailMessage(
            " ".join(subject.split())[:200],
            body,
            None,
            [recipient],
            headers={
                "Message-ID": f"<{message.id}.{number}@{host}>",
                "X-Keydeck-Delivery": message.id,
                "Auto-Submitted": "auto-generated",
            },
        )
        for number, recipient in enumerate(recipients)
    ]
    refused: list[int] = []  # what the server said to those it takes no mail for
    try:
        with get_connection() as server:
            for mail in mails:
                try:
                    server.send_messages([mail])
                except SMTPRecipientsRefused as error:  # the others are told all the same
                    refused += [code for code, _ in error.recipients.values()]
    except (SMTPException, OSError) as error:
        # Without its text: that names people, and not everybody who reads this may know them.
        return Attempt(ok=False, answer=_fault(error), milliseconds=_since(began))
    handed = len(mails) - len(refused)
    told = f"{handed} mail{'' if handed == 1 else 's'} handed over"
    if refused:
        told += f", {len(refused)} refused ({', '.join(map(str, sorted(set(refused))))})"
    later = any(code < 500 for code in refused)  # such a server takes it at another time
    return Attempt(ok=bool(handed) and not later, answer=told, milliseconds=_since(began))


def _fault(error: Exception) -> str:
    code = f" {error.smtp_code}" if isinstance(error, SMTPResponseException) else ""
    why = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    return redaction.clip(mask(f"{type(error).__name__}{code}{why}"), limit=ANSWER_LIMIT)


def send_webhook(address: Address, message: Message) -> Attempt:
    body = message.as_json()
    return _post(address, body, signature(address, message.id, int(time.time()), body))


def send_slack(address: Address, message: Message) -> Attempt:
    """What Slack, Mattermost and others take: `{"text": …}` in Slack's markup."""
    alerts = [chat.plain(alert) for alert in message.alerts]
    head = words.headline(alerts, message.more)
    text = words.in_lines(alerts, message.more)
    told = f"*{chat.escaped(head)}*\n{chat.escaped(text)}"
    return _post(address, orjson.dumps({"text": told}), {})


def signature(address: Address, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers by which the receiver knows that a message is ours and new."""
    key = base64.b64decode(address.secret.reveal().removeprefix(PREFIX))
    signed = f"{id}.{timestamp}.".encode() + body
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{digest}",
    }


def _post(address: Address, body: bytes, headers: Mapping[str, str]) -> Attempt:
    url, began = address.url.reveal(), time.monotonic()
    try:
        outbound.check_url(url, origin_of(url))
        reply = outbound.fetch(
            "POST",
            url,
            headers={"Content-Type": "application/json", **headers},
            body=body,
            timeout=TIMEOUT,
            limit_bytes=4 * ANSWER_LIMIT,
        )
    except (outbound.OutboundError, outbound.Blocked) as error:
        said = str(error).replace("the provider", "the receiver")
        return Attempt(ok=False, answer=said, milliseconds=_since(began))
    return Attempt(
        ok=200 <= reply.status < 300,
        status=reply.status,
        answer=_redacted(reply.body, address),
        milliseconds=_since(began),
    )


def _redacted(body: bytes, address: Address) -> str:
    """An answer's first characters without our address, its parts, and our secret."""
    text = body.decode("utf-8", "replace").replace("\0", "")
    url = address.url.reveal()
    secret = address.secret.reveal()
    parts = _WORD.findall(url.partition("://")[2].partition("/")[2])
    known = [url, url.partition("://")[2], secret, secret.removeprefix(PREFIX), *parts]
    longest_first = sorted(filter(None, known), key=len, reverse=True)
    return redaction.clip(mask(redaction.mask(text, longest_first)), limit=ANSWER_LIMIT)


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
