"""`timix-assets refresh`: the job `refresh_everything`, once, in this process, recorded in the instance that the UI reads."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from timix_assets import environment
from timix_assets.commands import not_computed
from timix_assets.commands.not_computed import NotComputed
from timix_assets.environment import SettingError
from timix_assets.wording import counted

if TYPE_CHECKING:
    from dagster import DagsterInstance, ExecuteInProcessResult

    from timix_assets.assets.progress import Progress
    from timix_assets.lake.months import Months


MOST_NAMED_FIRST = 3
"""Assets that failed for one reason and are named before it; when there are more, they are counted there."""

_NEAR = 0.6
"""Likeness from which on another key may have been meant; difflib's own."""


@dataclass(frozen=True, slots=True)
class AssetLine:
    """One line of the closing table. rows is the whole table's; None where an asset has no rows, such as an export."""

    asset: str
    rows: int | None
    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a refresh ended. failures, warnings, skipped: (asset, sentence). left: not computed because others failed."""

    lines: list[AssetLine]
    failures: list[tuple[str, str]]
    warnings: list[tuple[str, str]]
    skipped: list[tuple[str, str]]
    left: list[NotComputed]

    @property
    def ok(self) -> bool:
        return not self.failures

    @property
    def requests(self) -> int:
        return sum(line.requests for line in self.lines)


def months_between(first: str | None, last: str | None) -> "Months":
    """The months to read: from the start month to the running one unless said otherwise. SettingError for a wrong one."""
    from timix_assets.lake.months import Months  # noqa: PLC0415

    start, running = environment.start_month(), environment.today().replace(day=1)
    begin = environment.parse_month(first, "--from") if first else start
    end = environment.parse_month(last, "--to") if last else running
    if begin < start:
        raise SettingError(
            f"--from {begin:%Y-%m} is before the first month, {start:%Y-%m}; "
            f"set {environment.START_MONTH.name} to read earlier months."
        )
    if end > running:
        raise SettingError(f"--to {end:%Y-%m} is in the future; the running month is {running:%Y-%m}.")
    if begin > end:
        raise SettingError(f"--from {begin:%Y-%m} is after --to {end:%Y-%m}; swap them.")
    return Months(begin, end)


def run(months: "Months", only: Sequence[str], console: Console, *, accept_shrink: bool = False) -> Outcome:
    """Runs the job over the months. SettingError when an asset of `only` does not exist."""
    from dagster import AssetKey  # noqa: PLC0415

    from timix_assets.automation.jobs import range_tags  # noqa: PLC0415
    from timix_assets.definitions import defs  # noqa: PLC0415
    from timix_assets.lake.io_manager import ACCEPT_SHRINK  # noqa: PLC0415

    job = defs.resolve_job_def("refresh_everything")
    known = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    for name in only:
        if name not in known:
            raise SettingError(f"--only {name} is no asset; {hint(name, known)}")
    with _instance() as instance, _shown(console), _notices(console):
        result = job.execute_in_process(
            instance=instance,
            tags={
                **range_tags(months),
                "timix/started_by": "timix-assets refresh",
                **({ACCEPT_SHRINK: "true"} if accept_shrink else {}),
            },
            asset_selection=[AssetKey.from_user_string(name) for name in only] or None,
            run_config={
                # The sentences below say it; Dagster's own log is in the UI.
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )
        return _outcome(result)


def hint(name: str, known: Collection[str]) -> str:
    """What may have been meant by a name that no asset has: the nearest key, else those of its group, else the groups."""
    near = max(known, key=lambda key: (_likeness(_within_group(name), _within_group(key)), _likeness(name, key)))
    if _likeness(_within_group(name), _within_group(near)) >= _NEAR:
        return f"did you mean {near}?"
    group = [key for key in sorted(known) if key.startswith(f"{name.partition('/')[0]}/")]
    if group:
        return f"there are {', '.join(group)}."
    groups = sorted({key.partition("/")[0] for key in known})
    return f"write a whole key, such as {near}; their groups are {', '.join(groups)}, and the README lists them."


def _within_group(key: str) -> str:
    return key.rpartition("/")[2]


def _likeness(name: str, other: str) -> float:
    return SequenceMatcher(None, name, other).ratio()


def show(outcome: Outcome, console: Console, errors: Console) -> None:
    """The closing table on stdout, what failed on stderr."""
    table = Table(title=None, header_style="bold", pad_edge=False)
    table.add_column("asset", no_wrap=True)
    for heading in ("rows", "requests", "seconds"):
        table.add_column(heading, justify="right")
    for line in outcome.lines:
        rows = "" if line.rows is None else f"{line.rows:,}"
        table.add_row(line.asset, rows, f"{line.requests:,}" if line.requests else "", f"{line.seconds:.1f}")
    if outcome.lines:
        console.print(table)
    for asset, sentence in outcome.skipped:
        _say(console, "[yellow]skipped[/]", asset, sentence)
    for group in outcome.left:
        told = not_computed.sentence(group, most_named=MOST_NAMED_FIRST)
        console.print(f"[yellow]not computed[/] {told}", highlight=False, soft_wrap=True)
    for asset, sentence in outcome.warnings:
        _say(console, "[yellow]warning[/]", asset, sentence)
    by_sentence: dict[str, list[str]] = {}
    for asset, sentence in outcome.failures:
        by_sentence.setdefault(_cause(asset, sentence), []).append(asset)
    for sentence, assets in by_sentence.items():
        named = len(assets) <= MOST_NAMED_FIRST
        who = ", ".join(assets) if named else f"{len(assets)} assets"
        # Many names would hide the cause: they come after it.
        _say(errors, "[red]failed[/]", who, sentence if named else f"{sentence} They are {', '.join(assets)}.")


def _cause(asset: str, sentence: str) -> str:
    """The sentence without the table's name, with which one of the lake begins: one cause is one sentence."""
    return sentence.removeprefix(f"{asset}: ")


def _say(console: Console, what: str, asset: str, sentence: str) -> None:
    """One line about an asset, which is not named twice where the sentence begins with it."""
    named = "" if sentence.startswith(asset) else f"{asset}: "
    console.print(f"{what} {named}", end="", highlight=False, soft_wrap=True)
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _outcome(result: "ExecuteInProcessResult") -> Outcome:
    from dagster import DagsterEventType  # noqa: PLC0415

    from timix_assets.failures import sentence_of, was_interrupted  # noqa: PLC0415

    names = _assets_of_steps(result)
    lines: dict[str, AssetLine] = {}
    failures: list[tuple[str, str]] = []
    warnings: list[tuple[str, str]] = []
    skipped: list[tuple[str, str]] = []
    took: dict[str, float] = {}
    for event in result.all_events:
        asset = _named(event.step_key, names)
        if event.event_type is DagsterEventType.STEP_SUCCESS:
            took[asset] = event.step_success_data.duration_ms / 1000
        elif event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            told = {
                name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()
            }
            rows, requests = told.get("dagster/row_count"), told.get("requests")
            lines[asset] = AssetLine(
                asset, rows if isinstance(rows, int) else None, requests if isinstance(requests, int) else 0, 0.0
            )
        elif event.event_type is DagsterEventType.STEP_FAILURE:
            if was_interrupted(event.step_failure_data.error):
                raise KeyboardInterrupt
            failures.append((asset, sentence_of(event.step_failure_data.error)))
        elif event.event_type is DagsterEventType.STEP_SKIPPED and event.step_key in names:
            skipped.append((asset, "nothing was read for what it is computed from."))
        elif event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                warnings.append(
                    (check.asset_key.to_user_string(), f"{check.check_name}: {check.description or 'see the UI'}")
                )
    if not result.success and not failures:
        failures.append(("the run", "it ended before it was done; start it again."))
    for asset in sorted(took.keys() & set(names.values()) - lines.keys()):
        # It ended well and left nothing behind: its check says why, where it has one.
        why = [sentence.partition(": ")[2] for warned, sentence in warnings if warned == asset][:1]
        warnings = [(warned, sentence) for warned, sentence in warnings if warned != asset]
        skipped.append((asset, why[0] if why else "not read, as skip_forbidden says."))
    timed = [AssetLine(line.asset, line.rows, line.requests, took.get(line.asset, 0.0)) for line in lines.values()]
    causes = {asset: _cause(asset, sentence) for asset, sentence in failures}
    began = {names[event.step_key] for event in result.all_events if event.step_key in names}
    return Outcome(timed, failures, warnings, skipped, not_computed.by_cause(causes, _parents(result), began))


def _parents(result: "ExecuteInProcessResult") -> dict[str, set[str]]:
    """Each asset of the run, and what it is computed from."""
    layer = result.job_def.asset_layer
    return {
        key.to_user_string(): {parent.to_user_string() for parent in layer.asset_graph.get(key).parent_keys}
        for key in layer.executable_asset_keys
    }


def _named(step_key: str | None, names: Mapping[str, str]) -> str:
    """The asset of a step; a step of checks is called by the asset that they are on."""
    if step_key is None:
        return "the run"
    return names.get(step_key) or step_key.replace("__", "/", 1).replace("__", " ")


def _assets_of_steps(result: "ExecuteInProcessResult") -> dict[str, str]:
    """Step keys are the asset keys with another separator."""
    keys = result.job_def.asset_layer.executable_asset_keys
    return {key.to_python_identifier(): key.to_user_string() for key in keys}


@contextmanager
def _instance() -> Iterator["DagsterInstance"]:
    """The instance of the project. Two first commands at once must not make its storage at the same time.

    WriteFailed when a run cannot be recorded there.
    """
    from dagster import DagsterInstance  # noqa: PLC0415
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415

    from timix_assets.lake.errors import WriteFailed  # noqa: PLC0415

    folder = environment.state_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "instance.lock"):
            instance = DagsterInstance.get()
        with instance:
            yield instance
    except OperationalError as error:
        is_held = "locked" in str(error.orig)
        advice = (
            "another process holds it: wait for that or end it" if is_held else "make room there or make it writable"
        )
        raise WriteFailed(
            f"the run cannot be recorded in {folder / 'storage'} ({error.orig}), so it was given up, and every table is as the "
            f"last finished write left it; {advice}, then run it again."
        ) from error


class _Notices(logging.Handler):
    """Waits for the lake, for the rate limit, listings read again: said as they happen."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(record.getMessage(), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _notices(console: Console) -> Iterator[None]:
    """What the rooms tell Dagster's logger reaches the person too."""
    from dagster import get_dagster_logger  # noqa: PLC0415

    logger, handler = get_dagster_logger(), _Notices(console)
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def _shown(console: Console) -> Iterator[None]:
    """A bar for each table that is being read, on a terminal; elsewhere a plain line when one is done."""
    from timix_assets.assets.progress import listening  # noqa: PLC0415

    if not console.is_terminal:

        def line(progress: "Progress") -> None:
            if progress.finished:
                console.print(f"read {progress.table}: {counted(progress.rows, 'record')}", highlight=False)

        with listening(line):
            yield
        return

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        tasks = {}

        def bar(progress: "Progress") -> None:
            if progress.table not in tasks:
                tasks[progress.table] = bars.add_task(progress.table, total=progress.total)
            bars.update(tasks[progress.table], completed=progress.rows, total=progress.total or progress.rows)
            if progress.finished:
                bars.remove_task(tasks.pop(progress.table))

        with listening(bar):
            yield
