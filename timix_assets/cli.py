"""The command line: `timix-assets demo | ui | refresh | summary | doctor | sandbox`.

Exit status: 0 all well; 1 something failed, named on stderr; 2 wrong use or wrong settings.
"""

import errno
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console

from timix_assets import environment
from timix_assets.commands.sandbox_process import SandboxEnded
from timix_assets.documented import REQUESTS_PER_MINUTE
from timix_assets.environment import SANDBOX_KEY, SettingError

PORT = click.IntRange(0, 65535)
PLAIN_WIDTH = 160
"""Columns of a table that goes into a file or a log, where no terminal says how wide it is."""


def _console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else PLAIN_WIDTH)


@contextmanager
def _exit_status() -> Iterator[None]:
    """Wrong settings are exit 2, what failed and an interrupt are exit 1; each with its sentence on stderr."""
    from timix_assets.api.errors import SettingsError  # noqa: PLC0415
    from timix_assets.contract.overrides import OverrideError  # noqa: PLC0415
    from timix_assets.lake.errors import LakeError  # noqa: PLC0415

    try:
        yield
    except (LakeError, SandboxEnded) as failed:
        click.echo(f"timix-assets: {failed}", err=True)
        sys.exit(1)
    except (SettingError, SettingsError, OverrideError) as wrong:
        click.echo(f"timix-assets: {wrong}", err=True)
        sys.exit(2)
    except OSError as refused:
        click.echo(f"timix-assets: {refused}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        click.echo("timix-assets: interrupted; every table is as the last finished write left it.", err=True)
        sys.exit(1)


def _end_of_parent() -> threading.Event:
    """Set when our standard input ends: the process that started us is gone, however it went."""
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    return ended


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def main() -> None:
    """A Timix.AI workspace as trustworthy Delta tables."""


@main.command()
def demo() -> None:
    """Run everything once, against the built-in sandbox."""
    from timix_assets.commands import demo as command  # noqa: PLC0415
    from timix_assets.commands import project  # noqa: PLC0415

    with _exit_status():
        # Not the .env: a demo must never touch a real workspace or its lake.
        project.enter(dotenv=False)
        with project.ended_by_sigterm():
            well = command.run(_console(), _console(stderr=True))
        sys.exit(0 if well else 1)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The UI has no login: keep it on this machine.")
@click.option("--port", default=3000, show_default=True, type=PORT, help="0 chooses a free one.")
def ui(host: str, port: int) -> None:
    """Serve the Dagster UI; without a key, together with the sandbox."""
    from timix_assets.commands import project  # noqa: PLC0415
    from timix_assets.commands import ui as command  # noqa: PLC0415

    with _exit_status():
        project.enter()
        with project.ended_by_sigterm():
            status = command.run(host, port, _console())
        sys.exit(status)


@main.command()
@click.option("--from", "first", metavar="YYYY-MM", help="First month; default TIMIX_START_MONTH.")
@click.option("--to", "last", metavar="YYYY-MM", help="Last month; default the running one.")
@click.option(
    "--only", multiple=True, metavar="ASSET_KEY", help="Just this asset, e.g. timix/customers; may be repeated."
)
@click.option("--accept-shrink", is_flag=True, help="Accept, this once, that a table loses most rows or a column.")
def refresh(first: str | None, last: str | None, only: tuple[str, ...], accept_shrink: bool) -> None:
    """Read the workspace and compute the rollups, in one run that the UI shows."""
    from timix_assets.commands import project  # noqa: PLC0415
    from timix_assets.commands import refresh as command  # noqa: PLC0415
    from timix_assets.wording import counted  # noqa: PLC0415

    with _exit_status(), project.ended_by_sigterm():
        project.enter()
        project.check_settings()
        console, errors = _console(), _console(stderr=True)
        months = command.months_between(first, last)
        outcome = command.run(months, only, console, accept_shrink=accept_shrink)
        command.show(outcome, console, errors)
        if outcome.ok:
            click.echo(
                f"{counted(len(outcome.lines), 'asset')}, months {months}, {counted(outcome.requests, 'request')}; the "
                f"tables are in {environment.LAKE.read(os.environ)}. Next: `make ui`, or `timix-assets summary`."
            )
        sys.exit(0 if outcome.ok else 1)


@main.command()
def summary() -> None:
    """Say what a managing partner asks first: utilization, budgets at risk, unbilled work. From the lake as it is."""
    from timix_assets.commands import project  # noqa: PLC0415
    from timix_assets.commands import summary as command  # noqa: PLC0415
    from timix_assets.lake.tables import Lake  # noqa: PLC0415
    from timix_assets.summary import summarize  # noqa: PLC0415

    with _exit_status():
        project.enter()
        lake = Lake(environment.LAKE.read(os.environ))
        command.show(summarize(lake, environment.as_of()), _console())


@main.command()
def doctor() -> None:
    """Ask every endpoint for one page and say which of our assumptions hold for your workspace."""
    from timix_assets.commands import project  # noqa: PLC0415

    with _exit_status():
        project.enter()
        project.check_settings()
        from timix_assets.commands import doctor as command  # noqa: PLC0415

        sys.exit(0 if command.run(_console(), _console(stderr=True)) else 1)


@main.command()
@click.option("--port", default=0, type=PORT, help="Port on 127.0.0.1; 0 chooses a free one.")
@click.option("--people", default=40, show_default=True, type=click.IntRange(4, 400))
@click.option("--months", default=24, show_default=True, type=click.IntRange(1, 120))
@click.option("--seed", default=7, show_default=True)
@click.option("--plan", type=click.Choice(list(REQUESTS_PER_MINUTE)), default="Business", show_default=True)
@click.option("--latency", default=0.0, show_default=True, help="Seconds before each answer.")
def sandbox(port: int, people: int, months: int, seed: int, plan: str, latency: float) -> None:
    """Serve a simulated services firm behind the Timix API, until Ctrl-C."""
    from timix_assets.sandbox.server import serve  # noqa: PLC0415

    with _exit_status():
        try:
            serve(
                port,
                today=environment.today(),
                people=people,
                months=months,
                seed=seed,
                plan=plan,
                latency=latency,
                key=os.environ.get(SANDBOX_KEY),
                say=click.echo,
                until=_end_of_parent() if SANDBOX_KEY in os.environ else None,
            )
        except KeyboardInterrupt:
            sys.exit(0)
        except OSError as refused:
            if refused.errno != errno.EADDRINUSE:
                raise
            raise SettingError(
                f"port {port} is taken; choose another by --port, or leave it out for a free one."
            ) from refused


if __name__ == "__main__":
    main()
