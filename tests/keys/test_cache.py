"""The shared cache: small values as JSON, the same for every process."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from pytest_django import Settings

from keys.cache import JsonCache
from keys.models import CacheEntry
from tests.keys.threads import in_threads


def test_what_is_set_is_got_until_it_expires(db: None) -> None:
    cache.set("one", [1700000000.1234567, True, "text"], 60)
    cache.set("old", 1, -1)
    assert cache.get("one") == [1700000000.1234567, True, "text"]
    assert cache.get("old", "gone") == "gone"
    assert cache.touch("one", -1)
    assert cache.get("one") is None


def test_it_is_json_and_nothing_that_runs_when_read(db: None) -> None:
    with pytest.raises(TypeError):
        cache.set("code", object())
    CacheEntry.objects.create(key=cache.make_key("planted"), value="gASVAAAA")  # a pickle, as text
    assert cache.get("planted") == "gASVAAAA"


def test_redis_is_not_asked(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1"
    assert isinstance(cache._connections["default"], JsonCache)  # type: ignore[attr-defined]


def test_an_add_sets_what_is_not_there_or_over(db: None) -> None:
    cache.add("one", 1, -1)
    assert cache.add("one", 2, 60)
    assert not cache.add("one", 3, 60)
    assert cache.get("one") == 2
    assert cache.delete("one")
    assert not cache.delete("one")


def test_what_is_over_is_swept_out(db: None) -> None:
    cache.set("old", 1, -1)
    cache.add("new", 1, 60)
    assert CacheEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_several_who_add_at_once_one_succeeds() -> None:
    won: list[bool] = []
    racers: list[Callable[[], None]] = [lambda: won.append(cache.add("code", "y", 60))] * 4
    in_threads(racers)
    assert sorted(won) == [False, False, False, True]
