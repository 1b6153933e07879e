"""More of the positive control: canaries in what leaves the product for good, such as a person's
browser, an export, an archive, a panel that names callers, a broker of another make."""

from datetime import UTC, datetime
from pathlib import Path

import redis
from django.template.loader import render_to_string

from keys.audit import Action, Anchor, archives, export
from keys.models import AuditEvent
from tests.e2e.canary import sinks
from tests.e2e.canary.chromium import chromium, forgetful
from tests.e2e.canary.control import Planted, by_file
from usage.stats.callers import Caller, Who

_FETCH = "names => Promise.all(names.map(name => fetch(name).then(answer => answer.text())))"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class _Events(list[AuditEvent]):
    """As much of a query as an export asks for."""

    def order_by(self, _: str) -> "_Events":
        return self

    def iterator(self, chunk_size: int) -> "_Events":
        return self


def _events(data: dict[str, bytes]) -> _Events:
    return _Events(
        AuditEvent(
            pk=number,
            at=NOW,
            actor_name="a" if number % 2 else text.decode(),
            action=Action.KEY_DISABLED,
            detail={"reason": text.decode() if number % 2 else ""},
        )
        for number, text in enumerate(data.values(), 1)
    )


def in_exports(folder: Path, planted: Planted) -> sinks.Sinks:
    """Details of events, and names of who acted, exported in both forms."""
    for form in ("csv", "jsonl"):
        for name, data in planted.items():
            yield name, "".join(export(_events(data), form)).encode()


def in_archive(folder: Path, planted: Planted) -> sinks.Sinks:
    """The same in an archive."""
    for name, data in planted.items():
        made = archives.Archive(0, "", len(data), "", len(data))
        archives._write(folder / name, iter(_events(data)), made)
    yield from by_file(folder)


def in_anchors(folder: Path, planted: Planted) -> sinks.Sinks:
    for name, data in planted.items():
        anchors = [
            Anchor(1, text.decode(), NOW.isoformat(), "").as_json() for text in data.values()
        ]
        yield name, "\n".join(anchors).encode()


def in_callers(folder: Path, planted: Planted) -> sinks.Sinks:
    """Callers who call themselves so, on the panel of a cut-over and before a revoke."""
    for name, data in planted.items():
        whos = [Who("127.0.0.1", text.decode(), "") for text in data.values()]
        callers = [Caller(who, 1, NOW) for who in whos]
        yield name, render_to_string("usage/_callers.html", {"callers": callers}).encode()


def in_profile(folder: Path, planted: Planted) -> sinks.Sinks:
    """Pages of a site that forbids no browser to keep them."""
    pages = {name.replace(" ", "-"): b"\n".join(data.values()) for name, data in planted.items()}
    with forgetful(pages) as address, chromium(folder) as context:
        context.pages[0].goto(address)
        context.pages[0].evaluate(_FETCH, list(pages))
    kept = list(sinks.files("", folder / "Default" / "Cache"))
    for name in planted:
        visited = f"{address}/{name.replace(' ', '-')}".encode()
        yield from ((name, data) for _, data in kept if visited in data)


def in_redis(client: redis.Redis, planted: Planted) -> sinks.Sinks:
    """Messages and counters, as a broker of that make keeps them; one database, emptied after."""
    for name, data in planted.items():
        client.rpush("queue", *data.values())
        client.hset("unacked", mapping=dict.fromkeys(data.values(), "1"))
        client.zadd("index", dict.fromkeys(data.values(), 1.0))
        client.sadd("bound", *data.values())
        client.set("counter", b" ".join(data.values()))
        yield name, b"\n".join(found for _, found in sinks.redis_keys(client))
        client.flushdb()


KINDS = {
    "audit exports": (in_exports, False),
    "audit archive": (in_archive, False),
    "audit anchors": (in_anchors, False),
    "callers on pages": (in_callers, False),
    "browser's profile": (in_profile, True),
}
