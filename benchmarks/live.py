"""A `dagster dev` on a sandbox, with a lake that holds all that the sandbox has."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.automation.dagster_dev import DagsterDev

from .child import MeasurementFailedError, run
from .project import empty_project


def small_firm() -> Firm:
    return Firm.generate(people=6, months=3, seed=7, today=date.today())


def settings_of(sandbox: Sandbox) -> dict[str, str]:
    """The environment variables that select a sandbox."""
    return {
        "TIMIX_API_KEY": sandbox.key,
        "TIMIX_BASE_URL": sandbox.base_url,
        "TIMIX_START_MONTH": f"{sandbox.firm.first_day:%Y-%m}",
    }


@contextmanager
def filled_project(firm: Firm) -> Iterator[tuple[DagsterDev, Sandbox]]:
    """A project whose lake was filled, and the sandbox that it reads; `dagster dev` is not started, and ended at the end.

    Raises:
        MeasurementFailedError: It did not do what was asked of it.
    """
    with empty_project() as folder, Sandbox(firm) as sandbox:
        dev = DagsterDev(folder, settings_of(sandbox))
        run([sys.executable, "-m", "timix_assets.cli", "refresh"], folder, dev.settings)
        try:
            yield dev, sandbox
        except AssertionError as failed:
            raise MeasurementFailedError(str(failed)) from failed
        finally:
            dev.kill()
