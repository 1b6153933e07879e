"""One stage and one table for all measurements; the table is printed at their end."""

from collections.abc import Iterator

import pytest

from tests.bench.rig import CORES
from tests.bench.stage import Stage
from tests.bench.table import Table


@pytest.fixture(scope="package")
def table() -> Iterator[Table]:
    made = Table()
    yield made
    print(f"\n\nMedians of ratios, round by round; measured on core {CORES[-1:]} of {CORES}.")
    print(f"{made}\n")


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("bench"))
    yield made
    made.stop()
