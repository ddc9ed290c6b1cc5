"""The command line: `timix-assets init | demo | ui | refresh | summary | digest | tables | sql | export | import | doctor |
webhooks | sandbox`.

Exit codes: 0 success; 1 failure, with details on stderr; 2 wrong usage or settings. A lake without
tables is a failure: it may be new.

Polars and Dagster are imported by the commands that need them, after the settings were read: `--help` and `--version`
take 0.2 s of CPU time, `tables`, `sql` and `summary` 0.3 to 0.4 s, and the imports of `refresh` 2 s.
"""

# ruff: noqa: PLC0415

import errno
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from dotenv import dotenv_values
from rich.console import Console

from timix_assets import __version__
from timix_assets.commands import damaged_storage, parent, project
from timix_assets.commands import init as init_command
from timix_assets.commands import ui as ui_command
from timix_assets.commands.sandbox_process import SANDBOX_KEY, starting_sandbox
from timix_assets.commands.terminal import TerminalConsole
from timix_assets.errors import TimixAssetsError
from timix_assets.quick_imports import quick_imports
from timix_assets.settings import Settings, SettingsError
from timix_assets.text.printable import printable
from timix_assets.text.wording import count_noun
from timix_assets.vendor import REQUESTS_PER_MINUTE

PORT = click.IntRange(0, 65535)
PLAIN_WIDTH = 160
"""Columns of a table that goes into a file or a log, where no terminal has a width."""


def _console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return TerminalConsole(stderr=stderr, width=None if stream.isatty() else PLAIN_WIDTH)


@contextmanager
def _exit_code() -> Iterator[None]:
    """Failures and interrupts exit with 1, wrong settings with 2; each with its message on stderr."""
    try:
        yield
    except BrokenPipeError:
        # Whoever read the output has seen enough, as `head` does; click ends without a message.
        raise
    except TimixAssetsError as error:
        _print_error(str(error))
        sys.exit(2 if _is_wrong_usage(error) else 1)
    except OSError as error:
        _print_error(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        _print_error("interrupted. Every table is at its last committed version.")
        sys.exit(1)


def _is_wrong_usage(error: TimixAssetsError) -> bool:
    # Not at the top: these import httpx and Polars.
    from timix_assets.api.errors import ClientConfigError
    from timix_assets.contract.overrides import OverrideError
    from timix_assets.imports.errors import ImportRefused
    from timix_assets.lake.errors import WrongLocation
    from timix_assets.reporting.errors import ExportError, QueryError

    settings = SettingsError | ClientConfigError | OverrideError | WrongLocation
    return isinstance(error, settings | ImportRefused | ExportError | QueryError)


def _print_error(message: str) -> None:
    click.echo(f"timix-assets: {printable(message)}", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="timix-assets")
def main() -> None:
    """Loads a Timix.AI workspace into Delta tables and computes rollups, orchestrated by Dagster."""


@main.command(short_help="Write the files of a new project folder.")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Write dagster.yaml, workspace.yaml, .env.example and .gitignore into DIR (default: the current folder).

    Nothing is overwritten: a folder that has one of the files is left as it is.
    """
    with _exit_code():
        for file in init_command.run(folder):
            click.echo(f"wrote {file}")
        enter = "" if folder.resolve() == Path.cwd() else f"cd {folder}, then "
        click.echo(
            f"Next: {enter}run `timix-assets demo` to try it without an account. For your workspace, copy .env.example to "
            ".env, set TIMIX_API_KEY in it and run `timix-assets doctor`."
        )


@main.command(short_help="Run everything once against the built-in sandbox.")
def demo() -> None:
    """Run everything once against the built-in sandbox, without a Timix account.

    The .env is not read, so a real workspace and its lake are not touched.
    """
    with _exit_code():
        project.enter_project_dir(dotenv=False)
        console = _console()
        console.print(
            "Starting the sandbox: a simulated services firm behind the Timix API, on this machine …", highlight=False
        )
        with project.sigterm_as_keyboard_interrupt(), starting_sandbox() as ready:
            # While it starts.
            with quick_imports():
                # What the definitions import, which are built once the sandbox's address is known.
                import timix_assets.workspace  # noqa: F401
                from timix_assets.commands import demo as command

            ok = command.run(ready(), console, _console(stderr=True))
        sys.exit(0 if ok else 1)


@main.command(short_help="Serve the Dagster UI; without a key, with the sandbox.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on. The UI has no login: keep it local."
)
@click.option("--port", default=3000, show_default=True, type=PORT, help="Port; 0 selects a free one.")
@click.option("--read-only", is_flag=True, help="Nothing can be started or changed; no daemon runs, so no schedules.")
@click.option(
    "--web-only", is_flag=True, help="On servers: daemon and code servers (workspace.yaml) are started separately."
)
def ui(host: str, port: int, read_only: bool, web_only: bool) -> None:
    """Serve the Dagster UI and run its daemon until Ctrl-C. Without a key, the built-in sandbox is used."""
    with _exit_code():
        settings = project.enter_project_dir()
        if not web_only:
            with quick_imports():
                from timix_assets.commands.settings_check import check_definitions

            check_definitions(settings)
        damaged_storage.check(settings.state_folder / "storage")
        with project.sigterm_as_keyboard_interrupt():
            status = ui_command.run(settings, host, port, _console(), read_only=read_only, web_only=web_only)
        sys.exit(status)


@main.command(short_help="Read the workspace and compute the rollups.")
@click.option("--from", "first", metavar="YYYY-MM", help="First month; default TIMIX_START_MONTH.")
@click.option("--to", "last", metavar="YYYY-MM", help="Last month; default the current month.")
@click.option("--only", multiple=True, metavar="ASSET_KEY", help="Only this asset, e.g. timix/customers; repeatable.")
@click.option("--accept-shrink", is_flag=True, help="Allow tables to lose most rows or a column in this run.")
def refresh(first: str | None, last: str | None, only: tuple[str, ...], accept_shrink: bool) -> None:
    """Read the workspace and compute the rollups in one run, which the UI shows too."""
    with _exit_code(), project.sigterm_as_keyboard_interrupt():
        settings = project.enter_project_dir()
        with quick_imports():
            from timix_assets.commands import refresh as command
            from timix_assets.commands import refresh_output
            from timix_assets.commands.settings_check import check_settings

        check_settings(settings)
        console, errors = _console(), _console(stderr=True)
        months = command.months_between(settings, first, last)
        outcome = command.run(settings, months, only, console, accept_shrink=accept_shrink)
        refresh_output.show(outcome, console, errors)
        if outcome.ok:
            click.echo(
                f"{count_noun(len(outcome.lines), 'asset')}, {months.described}, {count_noun(outcome.requests, 'request')}. "
                f"The tables are in {settings.lake}. Next: {command.next_step(only)}"
            )
        sys.exit(0 if outcome.ok else 1)


@main.command(short_help="Print money, missing time, utilization and budgets at risk.")
def summary() -> None:
    """Print money, who has not logged, utilization, budgets at risk and unbilled work, from the tables as they are."""
    with _exit_code():
        settings = project.enter_project_dir()
        with quick_imports():
            from timix_assets.commands import summary as command
            from timix_assets.lake.tables import Lake
            from timix_assets.reporting.summary import summarize

        command.show(summarize(Lake(settings.lake), settings.as_of_date()), _console())


@main.command(short_help="Write the weekly digest: one page for Monday.")
@click.option("--to", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Default: in the lake.")
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
def digest(to: Path | None, opens: bool) -> None:
    """Write the weekly digest as one HTML page from the tables as they are, and print where it is.

    Without --to it is reports/weekly_digest.html in the lake, which every refresh writes too.
    """
    base = Path.cwd()
    with _exit_code():
        settings = project.enter_project_dir()
        with quick_imports():
            from timix_assets.commands import digest as command
            from timix_assets.lake.tables import Lake
            from timix_assets.settings.firm import FirmConfig

        firm = FirmConfig.from_file(settings.firm_config)
        command.run(Lake(settings.lake), settings.as_of_date(), firm, base / to if to else None, opens=opens)


@main.command(short_help="List the tables: rows, size, version, last change; or columns.")
@click.argument("table", required=False)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def tables(table: str | None, form: str) -> None:
    """List the tables with their rows, size, version, last change and as-of date, quarantine and metadata included.

    The last change is not the last refresh: one that finds nothing new writes nothing.

    With TABLE, such as timix.projects: its columns, with their types and descriptions.
    """
    with _exit_code():
        settings = project.enter_project_dir()
        with quick_imports():
            from timix_assets.commands import tables as command
            from timix_assets.lake.tables import Lake
            from timix_assets.reporting.table_states import columns, table_states

        lake = Lake(settings.lake)
        if table:
            described = columns(lake, table)
            command.print_columns_json(described) if form == "json" else command.show_columns(described, _console())
            return
        states, unreadable = table_states(lake)
        if form == "json":
            command.print_json(states)
        else:
            command.show(states, settings.lake, settings.zone_name, _console())
        for error in unreadable:
            _print_error(str(error))
        sys.exit(1 if unreadable else 0)


@main.command(short_help="Run an SQL query over the tables.")
@click.argument("query")
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True, help="Output."
)
def sql(query: str, form: str) -> None:
    """Run an SQL query over the tables, named like rollups.budget_health; - reads it from standard input.

    \b
    timix-assets sql "select customer_name, currency, sum(amount) as amount
                      from rollups.unbilled_aging group by 1, 2 order by 3 desc"

    Tables are only read. The dialect is that of Polars; docs/query.md has examples.
    """
    with _exit_code():
        settings = project.enter_project_dir()
        with quick_imports():
            from timix_assets.commands import sql as command
            from timix_assets.lake.tables import Lake

        command.run(Lake(settings.lake), query, form, _console())


@main.command(short_help="Copy tables to Excel, CSV or Parquet.")
@click.argument("tables", metavar="[TABLE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every table: raw tables, quarantine and metadata too.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["xlsx", "csv", "parquet"]),
    default="xlsx",
    show_default=True,
    help="One Excel workbook, or a file per table.",
)
@click.option(
    "--to",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Workbook, default export.xlsx; or folder, default export.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
def export(tables: tuple[str, ...], everything: bool, form: str, to: Path | None, force: bool) -> None:
    """Copy tables such as rollups.budget_health to Excel, CSV or Parquet; without a name, every rollup.

    The workbook has a sheet per table and begins with the definitions of their columns. Nothing is written where a file
    exists, or where a table does not fit.
    """
    if tables and everything:
        raise click.UsageError("name tables or --all, not both.")
    base = Path.cwd()
    with _exit_code():
        settings = project.enter_project_dir()
        with quick_imports():
            from timix_assets.commands import export as command
            from timix_assets.lake.tables import Lake
            from timix_assets.reporting.export import Format

        command.run(Lake(settings.lake), tables, Format(form), to, base=base, everything=everything, force=force)


@main.group("import", short_help="Write time entries or structure to Timix, or undo that.")
def import_() -> None:
    """Write time entries, or customers, projects, tasks and subtasks, of other tools to Timix, or undo that.

    Without --apply a command only shows its plan. Writing needs TIMIX_ALLOW_WRITES=1 as well.
    """


_FILE = click.argument("file", type=click.Path(path_type=Path, exists=True))
_MAPPING = click.option("--mapping", default="", metavar="NAME|YAML", help="toggl, clockify, harvest, or a YAML file.")
_NAME = click.option(
    "--name", default="", help="Name of the import; a corrected file has the same. Default: the file's."
)
_APPLY = click.option("--apply", is_flag=True, help="Write to Timix; needs TIMIX_ALLOW_WRITES=1.")
_FORMAT = click.option(
    "--format", "as_format", type=click.Choice(["table", "json"]), default="table", show_default=True
)


@import_.command("time-entries", short_help="Import hours from a CSV, Excel, Parquet or Delta file.")
@_FILE
@_MAPPING
@_NAME
@click.option("--delete-removed", is_flag=True, help="Delete entries whose rows are no longer in the file.")
@_APPLY
@_FORMAT
def import_time_entries(file: Path, mapping: str, name: str, delete_removed: bool, apply: bool, as_format: str) -> None:
    """Show what would become of every row of FILE, or write it with --apply. Exits with 1 unless every row is accepted."""
    config = {"name": name, "delete_removed": delete_removed, "apply": apply}
    _import("time_entries", config, as_format, file, mapping)


@import_.command("structure", short_help="Import customers, projects, tasks and subtasks from such a file.")
@_FILE
@click.option("--mapping", default="", metavar="YAML", help="A YAML file. Default: columns with the fields' names.")
@_NAME
@_APPLY
@_FORMAT
def import_structure(file: Path, mapping: str, name: str, apply: bool, as_format: str) -> None:
    """Show the tree of changes that FILE makes, or write them with --apply. Exits with 1 unless every row is accepted."""
    _import("structure", {"name": name, "apply": apply}, as_format, file, mapping)


@import_.command("roll-back", short_help="Undo an import.")
@click.argument("name")
@click.option("--structure", is_flag=True, help="Of customers, projects, tasks and subtasks. Default: of time entries.")
@_MAPPING
@_APPLY
@_FORMAT
def import_roll_back(name: str, structure: bool, mapping: str, apply: bool, as_format: str) -> None:
    """Undo the import NAME, or the run whose id begins with NAME, as far as Timix lets it.

    What lies in a closed month stays, unless the mapping says `closed_months: allow`.
    """
    what = "structure" if structure else "time_entries"
    _import(what, {"roll_back": name, "apply": apply}, as_format, mapping=mapping)


def _import(what: str, config: dict[str, Any], as_format: str, file: Path | None = None, mapping: str = "") -> None:
    base = Path.cwd()
    with _exit_code(), project.sigterm_as_keyboard_interrupt():
        settings = project.enter_project_dir()
        with quick_imports():
            from timix_assets.commands import import_entries, import_run, import_structure
            from timix_assets.commands.settings_check import check_settings

        check_settings(settings)
        console = _console()
        if file is None:
            import_run.check_kind(settings, what, config["roll_back"])
        files, names = import_run.files_of(file, base, mapping)
        run_id, failure = import_run.run(settings, what, {**config, **names}, files, _console(stderr=True))
        if failure:
            _print_error(failure)
            sys.exit(1)
        lines = import_run.planned_by(settings, what, run_id)
        if as_format == "json":
            click.echo(import_run.as_json(lines))
        else:
            show = import_structure.show if what == "structure" else import_entries.show
            show(lines, console, applied=config["apply"])
            if missing := import_run.missing_to_write(lines, settings):
                click.echo(missing)
        sys.exit(1 if import_run.leaves_rows_unwritten(lines) else 0)


@main.command(short_help="Check how your workspace matches the contract.")
def doctor() -> None:
    """Print the settings, request one page of every endpoint and print how your workspace matches the contract.

    Nothing is written. Secrets are not shown.
    """
    with _exit_code():
        dotenv = dotenv_values(Path.cwd() / ".env")
        settings = project.enter_project_dir()
        with quick_imports():
            from timix_assets.commands import doctor as command
            from timix_assets.commands.settings_check import check_settings

        check_settings(settings)
        sys.exit(0 if command.run(settings, dotenv, _console(), _console(stderr=True)) else 1)


@main.command(short_help="Receive webhooks, so that changes are read at once.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, type=PORT, help="Port; 0 selects a free one.")
def webhooks(host: str, port: int) -> None:
    """Receive events at /webhooks until Ctrl-C; each makes the sensor timix_changes look at once.

    TIMIX_WEBHOOK_SECRETS and TIMIX_WEBHOOK_SCHEME say how an event is verified; docs/webhooks.md has an example.
    """
    with _exit_code():
        settings = project.enter_project_dir()
        from timix_assets.commands import webhooks as command

        try:
            with project.sigterm_as_keyboard_interrupt():
                command.run(settings, host, port, click.echo, _print_error)
        except KeyboardInterrupt:
            sys.exit(0)
        except OSError as error:
            raise _port_taken(error, port) from error


@main.command(short_help="Serve a simulated services firm behind the Timix API.")
@click.option("--port", default=0, show_default=True, type=PORT, help="Port on 127.0.0.1; 0 selects a free one.")
@click.option("--people", default=40, show_default=True, type=click.IntRange(4, 400), help="People of the firm.")
@click.option("--months", default=24, show_default=True, type=click.IntRange(1, 120), help="Months of history.")
@click.option("--seed", default=7, show_default=True, help="The same seed generates the same firm.")
@click.option(
    "--plan",
    type=click.Choice(list(REQUESTS_PER_MINUTE)),
    default="Business",
    show_default=True,
    help="The plan, which sets the rate limit.",
)
@click.option("--latency", default=0.0, show_default=True, help="Seconds before each response.")
@click.option("--webhooks", metavar="URL", help="Send an event for every change there, signed as the settings say.")
def sandbox(port: int, people: int, months: int, seed: int, plan: str, latency: float, webhooks: str | None) -> None:
    """Serve a simulated services firm behind the Timix API, until Ctrl-C."""
    with quick_imports():
        from timix_assets.sandbox.server import serve
        from timix_assets.sandbox.webhook_sender import WebhookSender
        from timix_assets.webhooks.signatures import Signatures

    ended = threading.Event()
    if SANDBOX_KEY in os.environ:
        parent.on_parent_exit(ended.set)
    with _exit_code():
        try:
            settings = Settings.from_environment()
            sender = WebhookSender(webhooks, Signatures.of(settings), log=_print_error) if webhooks else None
            serve(
                port,
                today=settings.today(),
                people=people,
                months=months,
                seed=seed,
                plan=plan,
                latency=latency,
                key=os.environ.get(SANDBOX_KEY),
                webhooks=sender,
                echo=click.echo,
                until=ended,
            )
        except KeyboardInterrupt:
            sys.exit(0)
        except OSError as error:
            raise _port_taken(error, port) from error


def _port_taken(error: OSError, port: int) -> Exception:
    """The message for a port that another program uses; other errors as they are."""
    if error.errno != errno.EADDRINUSE:
        return error
    return SettingsError(f"port {port} is taken; choose another with --port, or 0 for a free one.")


if __name__ == "__main__":
    main()
