"""How long one waits before anything happens: for `dagster dev`, for the first request of a refresh, and for short commands."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.automation.dagster_dev import DagsterDev

from .child import ROOT, MeasurementFailedError, run
from .figures import Figure
from .live import settings_of, small_firm
from .project import empty_project, put_one_asset

ROUNDS = 5
MOST_START_SECONDS, MOST_FIRST_REQUEST_SECONDS, MOST_COMMAND_SECONDS = 6, 2, 0.5


class _Dev(DagsterDev):
    look_every = 0.05


def figures(rounds: int = ROUNDS) -> list[Figure]:
    with empty_project(used_before=True) as folder, empty_project() as other, Sandbox(small_firm()) as sandbox:
        settings = settings_of(sandbox)
        first_requests = [_to_first_request(sandbox, folder, settings) for _ in range(rounds)]
        doctor = [_command(folder, settings, "doctor") for _ in range(rounds)]
        helped = [_command(folder, {}, "--help") for _ in range(rounds)]
        ours = _Dev(folder, {**settings, "PYTHONPATH": str(ROOT)})
        one_asset = _Dev(other, {"PYTHONPATH": str(other)})
        put_one_asset(other)
        starts = [(_start(ours), _start(one_asset)) for _ in range(rounds)]
    return [
        Figure("`dagster dev`, until it answers", [a for a, _ in starts], "s", MOST_START_SECONDS),
        Figure("`dagster dev` with one empty asset", [b for _, b in starts]),
        Figure("`refresh`, until its first request", first_requests, "s", MOST_FIRST_REQUEST_SECONDS),
        Figure("`doctor`, with its requests", doctor, "s", MOST_COMMAND_SECONDS),
        Figure("`--help`", helped, "s", MOST_COMMAND_SECONDS),
    ]


def _start(dev: DagsterDev) -> float:
    """Seconds until its code location is loaded; it is ended then."""
    began = time.perf_counter()
    try:
        dev.start()
        return time.perf_counter() - began
    except AssertionError as failed:
        raise MeasurementFailedError(str(failed)) from failed
    finally:
        dev.kill()


def _to_first_request(sandbox: Sandbox, folder: Path, settings: Mapping[str, str]) -> float:
    """Seconds from the start of the command to the first request that the sandbox gets."""
    before, began = len(sandbox.requests), time.time()
    run([sys.executable, "-m", "timix_assets.cli", "refresh"], folder, settings)
    return min(seen.time for seen in sandbox.requests[before:]) - began


def _command(folder: Path, settings: Mapping[str, str], *words: str) -> float:
    began = time.perf_counter()
    run([sys.executable, "-m", "timix_assets.cli", *words], folder, settings)
    return time.perf_counter() - began
