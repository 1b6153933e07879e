"""One fleet for all tests here that need it."""

from tests.ops.fleet import fleet

__all__ = ["fleet"]  # a fixture
