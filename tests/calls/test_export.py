"""Exports: all that match, of any size, in constant memory; a broken one shows as broken."""

import csv
import gc
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from keys.models import AppKey, User
from tests.calls.conftest import Client, keep
from tests.factories import ApiTokenFactory
from usage import exports
from usage.events import CallEvent, Outcome
from usage.stats import Filter, export, raw

pytestmark = pytest.mark.django_db(transaction=True)
EXPORT = "/api/v1/calls/export"
MiB = 1024 * 1024
Made = Callable[..., CallEvent]


def rows(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.splitlines()]


def test_every_call_comes_once_newest_first_over_many_pages(
    token: str, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage.stats.files.PAGE", 7)
    events = [made() for _ in range(30)]  # many of one millisecond
    keep(events)

    answer = Client(token).get(EXPORT)

    assert (answer.status, answer.whole) == (200, True)
    assert "content-length" not in answer.headers
    assert answer.headers["Content-Disposition"].endswith(".jsonl")
    found = [row["request_id"] for row in rows(answer.body)]
    assert sorted(found) == sorted(event.id for event in events)
    assert found == [str(row.id) for row in raw.calls(Filter(), limit=1000).items]


def test_a_line_says_what_the_list_says(token: str, made: Made) -> None:
    keep([made(outcome=Outcome.KEY_ERROR, status=402, cost_nanos=1_500, caller="nightly")])
    client = Client(token)

    told = json.loads(client.get("/api/v1/calls").body)["items"][0]
    (line,) = rows(client.get(EXPORT).body)

    told.pop("remedy")
    assert line == told


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_the_filters_are_those_of_the_list(
    token: str, made: Made, app_key: AppKey, form: str
) -> None:
    wanted = made(outcome=Outcome.RATE_LIMITED, status=429, app_key_version=2)
    keep([made(), made(outcome=Outcome.RATE_LIMITED, status=429, app_key_version=1), wanted])

    query = f"format={form}&app_key={app_key.id}&outcome=rate_limited&status=429&app_key_version=2"
    body = Client(token).get(f"{EXPORT}?{query}").body

    assert body.count(b"\n") == (2 if form == "csv" else 1)
    assert wanted.id.encode() in body


def test_a_spreadsheet_runs_nothing_of_it(token: str, made: Made) -> None:
    bad = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x")']
    bad += ["＝1+1", "＋1", "－1", "＠SUM(A1)"]
    keep([made(caller=text, user_agent=text, message=text, endpoint=text) for text in bad])

    body = Client(token).get(f"{EXPORT}?format=csv").body.decode()

    table = list(csv.DictReader(io.StringIO(body, newline="")))
    assert len(table) == len(bad)
    for row in table:
        for name in ("caller", "user_agent", "message", "endpoint"):
            assert row[name].startswith("'")


def test_others_calls_are_not_in_it(made: Made, outsider: User, app_key: AppKey) -> None:
    keep([made()])
    client = Client(ApiTokenFactory(user=outsider).plaintext)
    assert client.get(EXPORT).body == b""
    assert client.get(f"{EXPORT}?application=shop").status == 404
    assert client.get(f"{EXPORT}?app_key={app_key.id}").status == 404
    assert Client("").get(EXPORT).status == 401


@pytest.mark.parametrize(
    "query", ["format=xml", "outcome=sad", "limit=5", "app_key_version=0", "wat=1"]
)
def test_bad_input_is_named(token: str, query: str) -> None:
    assert Client(token).get(f"{EXPORT}?{query}").status == 422


def test_one_that_breaks_midway_has_no_end(
    token: str, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage.stats.files.PAGE", 2)
    keep([made() for _ in range(6)])
    pages = iter(range(2))
    read = raw._page

    def until_the_database_goes(*given: Any) -> Any:
        if next(pages, None) is None:
            raise OperationalError("server closed the connection")
        return read(*given)

    monkeypatch.setattr(raw, "_page", until_the_database_goes)
    answer = Client(token).get(EXPORT)

    assert answer.status == 200
    assert len(rows(answer.body)) == 4
    assert not answer.whole


def test_a_place_is_given_back_and_no_person_takes_all(token: str, viewer: User) -> None:
    client = Client(token)
    for _ in range(3):
        assert client.get(EXPORT).status == 200
    exports.places.take(viewer.pk)
    exports.places.take(viewer.pk)
    try:
        assert client.get(EXPORT).status == 429
    finally:
        exports.places.give_back(viewer.pk)
        exports.places.give_back(viewer.pk)
    assert client.get(EXPORT).status == 200


def test_neither_offset_nor_count_nor_transaction(
    made: Made, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Callable[..., Any]
) -> None:
    monkeypatch.setattr("usage.stats.files.PAGE", 10)
    keep([made() for _ in range(25)])
    with django_assert_num_queries(4) as asked:  # three pages, and the applications' names
        list(export(Filter(), "jsonl"))
    sql = " ".join(query["sql"].upper() for query in asked.captured_queries)
    assert not any(word in sql for word in ("OFFSET", "COUNT(", "BEGIN", "DECLARE"))


def test_memory_stays_as_it_is(token: str, made: Made) -> None:
    keep([made(message="m" * 150) for _ in range(20_000)])
    client = Client(token)
    client.get(EXPORT, keep_body=False)
    tracemalloc.start()
    try:
        answer = client.get(EXPORT, keep_body=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.whole
    assert answer.size > 10_000_000
    assert peak < answer.size / 2


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_million_calls_take_no_more_memory_than_a_thousand(
    token: str, made: Made, form: str
) -> None:
    for _ in range(50):
        keep([made(message="m" * 50) for _ in range(20_000)])
    client = Client(token)
    client.get(f"{EXPORT}?format={form}&status=404", keep_body=False)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = memory("VmRSS")
    answer = client.get(f"{EXPORT}?format={form}", keep_body=False)
    grown = memory("VmHWM") - before
    print(
        f"{form} of 1,000,000 calls: {answer.size / MiB:.0f} MiB sent, {grown / MiB:.1f} MiB taken"
    )
    assert answer.whole
    assert grown <= 32 * MiB


def memory(name: str) -> int:
    """Bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise AssertionError(name)
