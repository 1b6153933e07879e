"""Numbers and times as sentences of ours tell them."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from keys.telling import counted, moment, read_moment, whole_day
from tests.source import ROOT

COUNTED = r"calls|keys|requests|events|probes|errors|alerts|rules|members|versions|applications"
# A number that a template tells beside a plural that it doesn't bend.
STIFF = re.compile(rf"\{{\{{ ?(?P<number>[^}}]+?) ?\}}\}} (?:[a-z]+ )?(?:{COUNTED})\b")
# What is never one: a bound of ours, and what stands in a branch of its own.
NEVER_ONE = {"most|intcomma", "few", "asked.at_least|intcomma", "ledger.accepted|intcomma"}


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 calls"), (1, "1 call"), (2, "2 calls"), (1791, "1,791 calls")]
)
def test_a_count_bends_its_word(number: int, words: str) -> None:
    assert counted(number, "call") == words


def test_a_moment_is_iso_and_names_its_zone() -> None:
    berlin = timezone(timedelta(hours=1))
    assert moment(datetime(2026, 1, 31, 13, 5, tzinfo=berlin)) == "2026-01-31 12:05 UTC"
    assert moment("2026-01-31T12:05:59+00:00") == "2026-01-31 12:05 UTC"
    assert whole_day(date(2026, 1, 31)) == "2026-01-31 UTC"
    assert whole_day(datetime(2026, 1, 31, tzinfo=UTC)) == "2026-01-31 UTC"


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2026-01-31", 0), ("2026-01-31T12:00", 12), ("2026-01-31T12:00+02:00", 10)],
)
def test_a_moment_is_read_as_of_utc_unless_it_names_its_zone(text: str, hour: int) -> None:
    assert read_moment(text) == datetime(2026, 1, 31, hour, tzinfo=UTC)


def test_what_is_no_moment_is_told_how_one_is_written() -> None:
    with pytest.raises(ValueError, match="“yesterday” is no day or moment such as 2026-01-31"):
        read_moment("yesterday")


def test_no_template_says_1_calls() -> None:
    pages = list((ROOT / "templates").rglob("*.html"))
    stiff = {(p.name, m["number"]) for p in pages for m in STIFF.finditer(p.read_text())}
    assert len(pages) > 100
    assert not {one for one in stiff if one[1] not in NEVER_ONE}


def test_commands_tell_times_in_one_form() -> None:
    made = [path for app in ("keys", "usage") for path in (ROOT / app).glob("management/**/*.py")]
    assert len(made) > 10
    assert not [path.name for path in made if re.search(r"\{[^{}\"]*:%[YmdbBHM]", path.read_text())]
