"""No secret lies where it doesn't belong: canaries are planted, driven through all that touches
secrets, and searched for in all that is left behind; a control shows that the search finds them."""

import base64
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.canary import control, leaving, sinks, trail
from tests.e2e.canary.chromium import SEEN
from tests.e2e.canary.control import disguised
from tests.e2e.canary.play import play
from tests.e2e.canary.stage import Stage
from tests.e2e.canary.sweep import Hit, Sweep
from tests.live import ask

pytestmark = [
    pytest.mark.browser,
    pytest.mark.live,
    pytest.mark.xdist_group("canaries"),
    pytest.mark.timeout(900),
]

KINDS = control.KINDS | leaving.KINDS
DATABASE = r"data/keydeck\.sqlite3(-wal)?|backup/file"


@dataclass(frozen=True)
class Expected:
    """A place where a canary may lie, and how it is spelled there; patterns."""

    canary: str
    sink: str
    way: str
    why: str

    def covers(self, hit: Hit) -> bool:
        pairs = ((self.canary, hit.canary), (self.sink, hit.sink), (self.way, hit.way))
        return all(re.fullmatch(pattern, text) for pattern, text in pairs)


EXPECTED = (
    Expected("master key", r"data/master\.key", "plain|percent", "its own file"),
    Expected("SECRET_KEY", r"data/secret\.key", "plain", "its own file"),
)


@dataclass
class Swept:
    """What the one sweep over everything found."""

    hits: list[Hit] = field(default_factory=list)
    sinks: set[str] = field(default_factory=set)
    given: dict[str, set[str]] = field(default_factory=dict)  # answer -> canaries it gave
    messages: list[bytes] = field(default_factory=list)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("canaries"))
    try:
        play(made)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def sweep(stage: Stage) -> Sweep:
    """The one for every canary: to index their spellings takes longer than most searches."""
    return Sweep(stage.cage.all)


@pytest.fixture(scope="module")
def swept(stage: Stage, sweep: Sweep) -> Swept:
    found, began = Swept(), time.monotonic()
    with sinks.waiting_messages(stage.keydeck) as found.messages:
        for name, data in _everything(stage):
            found.sinks.add(name)
            found.hits += sweep.search(name, data)
    for said in stage.said:
        hits = sweep.search(said.label, said.data)
        found.hits += [hit for hit in hits if hit.canary not in said.gives]
        if gives := said.gives - {""}:
            found.given[said.label] = gives & {hit.canary for hit in hits}
    print(
        f"\n{len(stage.cage.all)} canaries in {len(sweep.spellings)} spellings, "
        f"{len(found.sinks)} files, tables and processes and {len(stage.said)} answers, "
        f"{sweep.swept / 1e6:.1f} MB swept in {time.monotonic() - began:.1f} s: "
        f"{len(found.hits)} finds, {len(_unexpected(found))} of them unexpected"
    )
    return found


def _everything(stage: Stage) -> sinks.Sinks:
    yield from sinks.of_product(stage.keydeck)
    yield from sinks.files("tmp", stage.temporary)
    yield "backup/file", (stage.folder / "backup").read_bytes()
    yield from sinks.tables("backup", stage.folder / "backup")
    yield from sinks.files("profile", stage.profile)
    for name in ("archive", "anchor"):
        yield f"audit {name}", (stage.folder / name).read_bytes()


def _unexpected(found: Swept) -> list[Hit]:
    return [hit for hit in found.hits if not any(one.covers(hit) for one in EXPECTED)]


def test_no_secret_lies_where_it_does_not_belong(stage: Stage, swept: Swept) -> None:
    assert len(stage.cage.all) >= 40
    assert not [str(hit) for hit in _unexpected(swept)]


def test_the_sweep_reaches_every_kind_of_place(swept: Swept) -> None:
    for place in (
        r"data/keydeck\.sqlite3",
        r"data/keydeck\.sqlite3-wal",
        r"data/keydeck\.sqlite3-shm",
        r"data/spool/.*\.log",
        r"data/broker/queue/.*\.msg",
        "database keys_providerkeyversion",
        "database usage_call",
        "database django_session",
        "database keys_cacheentry",
        "database keys_job",
        "database usage_alertchannel",
        "database usage_alertdelivery",
        "backup keys_auditevent",
        "audit archive",
        "audit anchor",
        r"profile/Default/(Network/)?Cookies",
        r"profile/Default/Cache/.*",
        r"profile/Default/Sessions/.*",
        "log",
        *(f"process {name} environ" for name in ("supervisor", "web", "worker", "beat")),
    ):
        assert any(re.fullmatch(place, sink) for sink in swept.sinks), place


def test_the_sweep_hears_every_kind_of_answer(stage: Stage, swept: Swept) -> None:
    for said in (
        *(f"admin GET /audit/export.{form} -> 200" for form in trail.EXPORTS),
        *(rf"admin GET /usage/{name}/\?.*_key=.* -> 200" for name in ("cutover", "impact")),
        "stdout of shell",
    ):
        assert any(re.fullmatch(said, one.label) and one.data for one in stage.said), said


def test_the_profile_is_of_the_browser_that_was_shown_secrets(stage: Stage, swept: Swept) -> None:
    visited = f"{stage.keydeck.port}/applications/live/{SEEN}".encode()
    assert any(visited in data for _, data in sinks.files("profile", stage.profile))


def test_each_exception_is_needed_and_its_files_are_private(stage: Stage, swept: Swept) -> None:
    idle = [one.canary for one in EXPECTED if not any(map(one.covers, swept.hits))]
    assert not idle
    data = stage.keydeck.data_dir
    assert data.stat().st_mode & 0o777 == 0o700
    for name in ("master.key", "secret.key", "keydeck.sqlite3", "keydeck.sqlite3-wal"):
        assert (data / name).stat().st_mode & 0o777 == 0o600, name


def test_an_answer_that_is_made_to_give_a_secret_gives_it(stage: Stage, swept: Swept) -> None:
    """So the search does find what answers carry; that they give no other one it has shown."""
    made = {said.label: said.gives - {""} for said in stage.said if said.gives - {""}}
    assert len(made) > 20
    assert swept.given == made


def test_a_provider_sees_its_own_keys_and_none_of_ours(stage: Stage) -> None:
    came = [
        f"{one.method} {one.target} {one.headers}".encode() + one.body
        for one in stage.echo.requests
    ]
    ours = Sweep(stage.cage.ours)
    assert not [str(hit) for data in came for hit in ours.search("the provider", data)]
    told = list(sinks.of_provider(stage.keydeck))
    assert not [str(hit) for name, data in told for hit in ours.search(name, data)]
    theirs = Sweep(canary for canary in stage.cage.all if canary.at_provider)
    seen = {hit.canary for data in came for hit in theirs.search("the provider", data)}
    assert seen == {f"provider key echo-{place}" for place in ("header", "bearer", "query", "body")}
    received = ask("GET", f"{stage.keydeck.sandbox_url}/_sandbox/requests").json()
    assert received["count"] > 100
    assert received["app_keys_seen"] == 0


def test_a_receiver_of_alerts_sees_its_own_address_and_no_secret(
    stage: Stage, sweep: Sweep
) -> None:
    came = [
        f"{one.method} {one.target} {one.headers}".encode() + one.body
        for one in stage.hooks.requests
    ]
    seen = {hit.canary for data in came for hit in sweep.search("hooks", data)}
    assert seen
    assert all(re.fullmatch(r"(webhook|slack) address.*", name) for name in seen), seen
    assert any(one.header("webhook-signature") for one in stage.hooks.requests)


@pytest.mark.parametrize("behaviour", ["plan", "limited"])
def test_calls_went_on_with_another_key(stage: Stage, behaviour: str) -> None:
    items = stage.rest("GET", f"/calls?application=pool-{behaviour}&limit=100")["items"]
    assert any(call["tried"] and call["outcome"] == "ok" for call in items)


def test_messages_in_the_broker_have_no_arguments(swept: Swept) -> None:
    assert swept.messages
    for message in map(json.loads, swept.messages):
        arguments, named, _ = json.loads(base64.b64decode(message["body"]))
        assert (arguments, named) == ([], {}), message["headers"]["task"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_sweep_finds_every_canary_planted_on_purpose(
    kind: str, stage: Stage, swept: Swept, sweep: Sweep, tmp_path: Path
) -> None:
    plant, binary = KINDS[kind]
    planted = disguised(stage.cage.all, binary=binary)
    found = {name: set[str]() for name in planted}
    for name, data in plant(tmp_path, planted):
        sink = name.strip()
        found[sink] |= {hit.canary for hit in sweep.search(sink, data)}
    missed = {name: set(data) - found[name] for name, data in planted.items()}
    count = sum(map(len, planted.values()))
    print(f"\n{kind}: {count - sum(map(len, missed.values()))} of {count} planted found")
    assert not {name: names for name, names in missed.items() if names}
