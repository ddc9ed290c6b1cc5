"""Tests that need more than a Python environment: skipped where it is missing, but not where it is required."""

import os

import pytest

REQUIRE = "TESTS_REQUIRE"
"""Words of `browser`, `deployment` and `wheel`: what a machine lacks of these fails the tests that need it."""


def is_required(what: str) -> bool:
    return what in os.environ.get(REQUIRE, "").split()


def skip_without(what: str, lacks: str | None) -> None:
    """Skips the test, or fails it if that is required, for what this machine lacks; None for nothing."""
    if lacks is None:
        return
    if is_required(what):
        pytest.fail(f"{REQUIRE} names {what}, but {lacks}.")
    pytest.skip(lacks)
