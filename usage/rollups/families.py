"""Which tables of counts there are, and which of them answers a question."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from usage.models.rollups import (
    CallerCount,
    CallerDay,
    CallerHour,
    EndpointCount,
    EndpointDay,
    EndpointDayLatency,
    EndpointHour,
    EndpointHourLatency,
    EndpointLatency,
    EndpointMinute,
    EndpointMinuteLatency,
    KeyCount,
    KeyDay,
    KeyDayLatency,
    KeyHour,
    KeyHourLatency,
    KeyLatency,
    KeyMinute,
    KeyMinuteLatency,
)
from usage.periods import Step

Count = KeyCount | EndpointCount | CallerCount
Latency = KeyLatency | EndpointLatency


class Unanswerable(ValueError):
    """A combination of dimensions that no table tells apart."""


@dataclass(frozen=True, slots=True)
class Family:
    """Tables that tell the same things apart, one per step, and the histograms beside them."""

    name: str
    counts: dict[Step, type[Count]]
    latencies: dict[Step, type[Latency]] = field(default_factory=dict)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The columns that tell counts apart, without `at`."""
        return next(iter(self.counts.values())).KEY[1:]

    @property
    def latency_dimensions(self) -> tuple[str, ...]:
        """The columns that tell histograms apart, without `at`; () without any."""
        return next((model.KEY[1:] for model in self.latencies.values()), ())

    @property
    def finest(self) -> Step:
        return next(iter(self.counts))


KEYS = Family(
    "key",
    {Step.MINUTE: KeyMinute, Step.HOUR: KeyHour, Step.DAY: KeyDay},
    {Step.MINUTE: KeyMinuteLatency, Step.HOUR: KeyHourLatency, Step.DAY: KeyDayLatency},
)
ENDPOINTS = Family(
    "endpoint",
    {Step.MINUTE: EndpointMinute, Step.HOUR: EndpointHour, Step.DAY: EndpointDay},
    {
        Step.MINUTE: EndpointMinuteLatency,
        Step.HOUR: EndpointHourLatency,
        Step.DAY: EndpointDayLatency,
    },
)
CALLERS = Family("caller", {Step.HOUR: CallerHour, Step.DAY: CallerDay})
FAMILIES = (KEYS, ENDPOINTS, CALLERS)  # the fewest rows for most questions first


def family_for(names: Iterable[str]) -> Family:
    """The family that tells all of these dimensions apart. Raises Unanswerable."""
    wanted = set(names)
    for family in FAMILIES:
        if wanted.issubset(family.dimensions):
            return family
    raise Unanswerable(
        f"calls are not counted by {' and '.join(sorted(wanted - {'application'}))} together"
    )


class Table(NamedTuple):
    step: Step
    model: type[Count] | type[Latency]
    family: Family
    histogram: bool


def tables() -> Iterator[Table]:
    """Every table of counts, in the order in which they are written."""
    for family in FAMILIES:
        for step, count in family.counts.items():
            yield Table(step, count, family, False)
        for step, latency in family.latencies.items():
            yield Table(step, latency, family, True)
