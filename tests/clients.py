"""The providers' own clients, imported by the first test that speaks through one.

To import them takes longer than to import all tests, and each of the suite's processes imports
every test. Who speaks through one is of `xdist_group("clients")`, so that one process pays.
"""

import warnings
from importlib import import_module
from typing import Any


def sdk(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one is written for an older pydantic
        return import_module(name)
