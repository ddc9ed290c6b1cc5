"""Tests that need more than a Python environment: skipped where it is missing, but not in CI."""

import os

import pytest

REQUIRE = "TIMIX_TESTS_REQUIRE"
"""`all`, as `.ci/run` sets it: what a machine lacks fails the tests that need it."""


def everything_is_required() -> bool:
    return os.environ.get(REQUIRE) == "all"


def skip_without(lacks: str | None) -> None:
    """Skips the test, or in CI fails it, for what this machine lacks; None for nothing."""
    if lacks is None:
        return
    if everything_is_required():
        pytest.fail(f"{REQUIRE}=all, but {lacks}.")
    pytest.skip(lacks)
