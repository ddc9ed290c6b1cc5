"""`timix-assets doctor`: requests one page of every endpoint and prints how the workspace matches the contract."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from timix_assets.api.errors import ClientConfigError, TimixError
from timix_assets.commands.webhook_report import webhook_notes
from timix_assets.commands.workspace_check import EndpointReport, check_workspace, override_lines, workspace_notes
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.ingest.connection import Connection
from timix_assets.settings import Settings
from timix_assets.settings.environment import VARIABLES
from timix_assets.settings.in_force import settings_in_force
from timix_assets.state.permissions import is_readable_by_others
from timix_assets.text.doctor_advice import for_the_doctor
from timix_assets.text.printable import printable

NAME_WIDTH = max(len(endpoint.name) for endpoint in ENDPOINTS)
VARIABLE_WIDTH = max(map(len, VARIABLES))
ROWS_WIDTH = len("50 of 99,999")


def run(settings: Settings, dotenv: Mapping[str, str | None], console: Console, errors: Console) -> bool:
    """Prints the settings in force, checks the workspace and prints the result.

    Args:
        settings: Those of the environment.
        dotenv: The variables of the .env, which the settings came from in part.
        console: For the result.
        errors: For failures.

    Returns:
        False if an asset would fail or be wrong.
    """
    _print_settings(settings, dotenv, console)
    timix = Connection.of(settings, notify=lambda message: _print_wait(message, errors))
    today = settings.today()
    reports: list[EndpointReport] = []
    notes = [*_file_permission_notes(Path(".env")), *webhook_notes(settings)]
    try:
        _print_line(console, "endpoint", "status", "rows", "path")
        for report in check_workspace(timix, today):
            _print_report(report, console)
            reports.append(report)
        notes += workspace_notes(timix, reports, settings)
    except ClientConfigError:
        raise
    except TimixError as error:
        _print_failure(str(error), errors)
        _print_notes(reports, notes, console, errors)
        return False
    finally:
        timix.close()
    _print_notes(reports, notes, console, errors)
    return not any(report.has_failed for report in reports)


def _print_settings(settings: Settings, dotenv: Mapping[str, str | None], console: Console) -> None:
    rows = [(each.variable, each.source, each.value) for each in settings_in_force(settings, os.environ, dotenv)]
    for variable, source, value in [("setting", "source", "value"), *rows]:
        line = f"{variable:{VARIABLE_WIDTH}}  {source:11}  {value}"
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
    console.print()


def _print_wait(message: str, errors: Console) -> None:
    errors.print(printable(message), markup=False, highlight=False, soft_wrap=True)


def _print_report(report: EndpointReport, console: Console) -> None:
    endpoint = report.endpoint
    rows = "" if report.rows is None else f"{report.rows:,}"
    if report.total is not None:
        rows = f"{rows} of {report.total:,}"
    style = "red" if report.has_failed else ""
    _print_line(console, endpoint.name, report.status, rows, f"{endpoint.path} ({_basis(report)})", style=style)
    for what, names in (
        ("overridden", report.overridden),
        ("missing columns", report.missing),
        ("unknown fields", report.unknown),
    ):
        if names:
            console.print(f"    {what}: {printable(', '.join(names))}", markup=False, highlight=False, soft_wrap=True)


def _basis(report: EndpointReport) -> str:
    """Where the path comes from."""
    if report.override.path is not None:
        return "override"
    return "documented" if report.endpoint.documented else "assumed"


def _print_line(console: Console, name: str, status: str, rows: str, path: str, *, style: str = "") -> None:
    """The path comes last because it is the longest: nearly every line fits into 80 columns."""
    line = Text(f"{name:{NAME_WIDTH}}  ")
    line.append(f"{status:6}", style)
    console.print(line.append(f"  {rows:>{ROWS_WIDTH}}  {path}"), soft_wrap=True)


def _print_notes(reports: Sequence[EndpointReport], notes: Sequence[str], console: Console, errors: Console) -> None:
    """Failures on stderr, then notes and suggestions."""
    for failure in (failure for report in reports for failure in report.failures):
        _print_failure(failure, errors)
    console.print()
    for note in [*(note for report in reports for note in report.notes), *notes]:
        console.print(f"• {printable(for_the_doctor(note))}", markup=False, highlight=False, soft_wrap=True)
    lines = override_lines(reports)
    if lines:
        console.print(
            "\nThese overrides may fix it. Check each against your workspace, save them to a file and set "
            "TIMIX_OVERRIDES to its path; a running UI reads it with *Reload definitions* (Deployment):\n"
        )
        for line in lines:
            console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _print_failure(message: str, errors: Console) -> None:
    errors.print("[red]failed[/] ", end="", highlight=False, soft_wrap=True)
    errors.print(printable(for_the_doctor(message)), markup=False, highlight=False, soft_wrap=True)


def _file_permission_notes(env_file: Path) -> list[str]:
    if not is_readable_by_others(env_file):
        return []
    return [f"Other users of this machine can read {env_file}, which holds the key: chmod 600 {env_file}"]
