"""Calls as rows, an hour at a time. Ten million pass through here: what can be drawn before is."""

import random
from bisect import bisect
from collections.abc import Iterator
from typing import Any

from usage.models import Call
from usage.seeding.cast import Cast, Outage, Part
from usage.seeding.rhythm import BURST, DAY, Hour, shares
from usage.seeding.story import Shape, Spread, shapes

# A call in the order of COLUMNS; its id is hex, its time epoch milliseconds.
Row = tuple[Any, ...]
COLUMNS = tuple(field.attname for field in Call._meta.concrete_fields)
HANDOVER = DAY  # in which callers move from an old secret to the new one
_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62
_62 = (1 << 62) - 1


class Traffic:
    """Makes the calls of a cast; the same luck makes the same calls."""

    def __init__(self, cast: Cast, luck: random.Random) -> None:
        self._cast, self._luck = cast, luck
        self._shares = shares(len(cast.parts))
        self._outages: list[Outage] = []  # of the hour
        self._shapes: dict[tuple[str, str], list[Shape]] = {}
        self._slow = Spread.lognormal(0.45, luck).of
        self._long = Spread.lognormal(0.6, luck).of

    def of(self, hour: Hour) -> Iterator[Row]:
        """The hour's calls in the order of their times."""
        self._outages = [
            one for one in self._cast.outages if one.since < hour.until and one.until > hour.since
        ]
        due = sorted([*self._ordinary(hour), *self._sudden(hour)])
        for at, number in due:
            yield self._row(at, self._cast.parts[number])

    def _ordinary(self, hour: Hour) -> Iterator[tuple[int, int]]:
        length, luck = hour.until - hour.since, self._luck.random
        whole = self._shares[-1]
        for _ in range(hour.calls):
            yield hour.since + int(luck() * length), bisect(self._shares, luck() * whole)

    def _sudden(self, hour: Hour) -> Iterator[tuple[int, int]]:
        for burst in hour.bursts:
            for _ in range(burst.calls):
                yield burst.at + int(self._luck.random() * BURST), burst.part

    def _shape(self, at: int, part: Part) -> Shape:
        mood = part.mood if at >= part.mood_since else "plain"
        for provider, since, until in self._outages:
            if provider == part.provider and since <= at < until:
                mood = "down"
        drawn = self._shapes.get((part.provider, mood))
        if drawn is None:
            drawn = self._shapes[part.provider, mood] = shapes(part.provider, mood, self._luck)
        return drawn[self._luck.getrandbits(12)]

    def _row(self, at: int, part: Part) -> Row:
        luck = self._luck
        # All of a call's luck at once: an id's 74 bits, then twelve for each of four choices.
        shape, bits = self._shape(at, part), luck.getrandbits(74 + 4 * 12)
        slow, long = self._slow[bits >> 74 & 4095], self._long[bits >> 86 & 4095]
        latency = round(shape.median_ms * slow, 1)
        asked, told = int(shape.tokens_in * long), int(shape.tokens_out * long)
        pool = part.provider_keys
        return (
            f"{at << 80 | _VERSION_7 | (bits >> 62 & 4095) << 64 | _VARIANT | bits & _62:032x}",
            at,
            "wrapper" if part.caller else "gateway",
            part.application,
            part.app_key,
            self._version(at, part),
            part.provider,
            pool[(bits >> 98 & 4095) % len(pool)] if shape.sent else "",
            1 if shape.sent else 0,
            shape.method,
            shape.endpoint,
            part.caller,
            part.address,
            part.user_agent,
            shape.outcome,
            shape.code,
            shape.message,
            shape.status,
            latency,
            round(latency * 0.9, 1) if shape.answered else 0.0,
            120 + (bits >> 110 & 511),
            int(shape.bytes_out * long),
            asked,
            told,
            asked * shape.nanos_in + told * shape.nanos_out,
            1 if shape.sent else 0,
            "",
        )

    def _version(self, at: int, part: Part) -> int:
        if not part.rotated_at:
            return 1 if part.app_key else 0
        moved = (at - part.rotated_at) / HANDOVER
        return 2 if self._luck.random() < moved else 1
