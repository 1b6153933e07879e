"""Texts that mean something to COPY, to array literals or to SQL are stored as they are."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.ledger.conftest import START
from tests.ledger.test_drain import record
from usage.ingest import drain
from usage.models import Call, CallerDay, EndpointDay, Quarantine
from usage.rollups import compare
from usage.spool import Spool

pytestmark = pytest.mark.django_db
NewSpool = Callable[..., Spool]

_ODD = (
    *("\\N", "\\.", "\\", "a\\", "a\tb", "a\nb", "a\r\nb", "a\rb", "\\x41", "\\t", "\\u0000"),
    *(
        '"',
        'a"b',
        "{}",
        "{a,b}",
        "NULL",
        "null",
        ",",
        "'",
        " ",
        "\x85",
        "\u2028",
        "\ufffe",
        "\U0001f600",
    ),
)


def test_text_that_means_something_to_a_database_is_stored_as_it_is(new_spool: NewSpool) -> None:
    spool = new_spool()
    at = datetime.fromtimestamp(START / 1000, UTC)
    texts = ("endpoint", "caller", "user_agent", "message", "code", "address")
    told = {record(spool, **dict.fromkeys(texts, odd)): odd for odd in _ODD}
    told[record(spool)] = "plain"
    assert drain(spool.directory).stored == len(told)
    for call in Call.objects.exclude(endpoint="/api/v6/images/text2img"):
        assert {getattr(call, name) for name in texts} == {told[str(call.id)]}
    assert Call.objects.count() == len(told)
    assert not Quarantine.objects.exists()
    assert set(_ODD) <= set(EndpointDay.objects.values_list("endpoint", flat=True))
    assert set(_ODD) <= set(CallerDay.objects.values_list("caller", flat=True))
    assert not list(compare(at, at + timedelta(minutes=1), at))
