"""The lake as Dagster sees it: where assets are stored and read. The one file of this room that knows Dagster."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
from dagster import (
    AssetExecutionContext,
    AssetKey,
    ConfigurableIOManagerFactory,
    ConfigurableResource,
    DagsterError,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DataVersion,
    Failure,
    InputContext,
    IOManager,
    MetadataValue,
    OutputContext,
    RunsFilter,
    TableSchema,
    TimeWindow,
    get_dagster_logger,
)
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster_shared.check import CheckError
from pydantic import Field, PrivateAttr

from timix_assets import bounds, environment
from timix_assets.lake.errors import LakeError
from timix_assets.lake.months import Months
from timix_assets.lake.preview import PREVIEW_ROWS, preview
from timix_assets.lake.processes import forget, gone, sign_of_life
from timix_assets.lake.replacement import Change, MonthChange, ShrinkGuard
from timix_assets.lake.spool import Spooled
from timix_assets.lake.storage import as_written
from timix_assets.lake.tables import Lake
from timix_assets.lake.turns import Turn
from timix_assets.wording import job_in_words

KEY_METADATA = "timix/key"
"""Metadata of an asset's definition: the columns that identify a row of its table, a list of names."""


ACCEPT_SHRINK = "timix/accept_shrink"
"""Tag of a run, "true" or not there: replacements that the shrink guard refuses are accepted in this run."""

PROCESS = "timix/process"
"""Tag of a run: its own id and the process that executes it. A run that is made from another inherits the tag, not the id."""


class LakeResource(ConfigurableResource):  # type: ignore[type-arg]
    """The folder or object store that holds the Delta tables, and the rules for replacing them."""

    url: str = Field(
        default=as_written(environment.LAKE.read(environment.ENVIRON)),
        description="Folder or object-store URL (s3://…) of the lake. One organization each.",
    )
    state_folder: str = Field(
        default=str(environment.state_folder()),
        description="Folder of this machine for the lock by which runs on one lake take turns.",
    )
    storage_options: dict[str, str] = Field(
        default_factory=dict, description="Options for the object store, as the deltalake library names them."
    )
    max_removed_share: float = Field(
        default=environment.limit(bounds.MAX_REMOVED_SHARE), description=bounds.MAX_REMOVED_SHARE.meaning
    )
    guard_from_rows: int = Field(
        default=int(environment.limit(bounds.GUARD_FROM_ROWS)), description=bounds.GUARD_FROM_ROWS.meaning
    )
    turn_seconds: float = Field(default=environment.limit(bounds.TURN_SECONDS), description=bounds.TURN_SECONDS.meaning)

    _lake: Lake | None = PrivateAttr(default=None)
    _turn_of: str | None = PrivateAttr(default=None)

    @property
    def lake(self) -> Lake:
        if self._lake is None:
            self._lake = Lake(self.url, dict(self.storage_options))
        return self._lake

    def guard(self, run: DagsterRun, *, read: bool) -> ShrinkGuard:
        """The guard of one run over what was read, or else computed; its tag may accept, once, what would be refused."""
        return ShrinkGuard(
            self.max_removed_share,
            self.guard_from_rows,
            keep_columns=read,
            accept=run.tags.get(ACCEPT_SHRINK, "").lower() == "true",
        )

    def take_turn(self, instance: DagsterInstance, run: DagsterRun) -> None:
        """Holds the lake for this process until it ends; TurnTimeout when another run does not end in time.

        LakeError when no lake can be where the URL says, SettingError when a limit is none that may be.
        Runs of killed processes are ended here too, so that they block no queue where no daemon runs.
        """
        if self._turn_of == run.run_id:
            return
        environment.check_limits(self, bounds.OF_THE_LAKE)
        self.lake.check()
        folder = Path(self.state_folder)
        instance.add_run_tags(run.run_id, {PROCESS: executed_by(run.run_id, sign_of_life(folder))})
        Turn(folder, self.url).take(
            f"{job_in_words(run.job_name)} (run {run.run_id[:8]})",
            timeout_seconds=self.turn_seconds,
            notify=get_dagster_logger().info,
        )
        self._turn_of = run.run_id
        end_orphans(instance, folder)


def executed_by(run_id: str, process: str) -> str:
    return f"{run_id} {process}"


def end_orphans(instance: DagsterInstance, state_folder: Path) -> list[str]:
    """Ends the runs that are recorded as running although their process is gone, and gives their ids.

    They failed, so Dagster may start them again; those that a person terminated before are cancelled, so it does not.
    """
    left = gone(state_folder)
    # Processes first, runs after: a run that ended well is recorded so before its process ends.
    running = instance.get_runs(RunsFilter(statuses=IN_PROGRESS_RUN_STATUSES)) if left else []
    orphans = [run for run in running if run.tags.get(PROCESS) in {executed_by(run.run_id, name) for name in left}]
    for run in orphans:
        if run.status is DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, "It was terminated, and its process was killed.")
        else:
            instance.report_run_failed(run, "Its process was killed.")
    for name in left:
        forget(state_folder, name)
    return [run.run_id for run in orphans]


def months_of(window: TimeWindow) -> Months:
    """The months of a half-open window of monthly partitions."""
    after = window.end.date()
    return Months(window.start.date(), (after.replace(day=1) - timedelta(days=1)).replace(day=1))


def months_of_run(context: AssetExecutionContext) -> Months:
    """The months that this run is to read; a Failure when it names none."""
    try:
        return months_of(context.partition_time_window)
    except WITHOUT_WINDOW as no_window:
        raise _no_months(context.asset_key) from no_window


WITHOUT_WINDOW = (DagsterError, CheckError)


def _no_months(key: AssetKey) -> Failure:
    return Failure(
        f"{table_of(key)} is kept by month and this run names none; materialize it for a month or a range of months.",
        allow_retries=False,
    )


def table_of(key: AssetKey) -> str:
    """`timix/customers` of AssetKey(["timix", "customers"])."""
    return "/".join(key.path)


class DeltaIOManager(IOManager):
    """Stores what an asset returns (a Spooled read, a LazyFrame or a DataFrame) as its Delta table; loads tables lazily.

    A partitioned asset replaces exactly the months of its run, and is refused without any. What came in, changed and went
    is counted here, and the data version is the content's fingerprint: an unchanged table is not written and keeps it.
    """

    def __init__(self, resource: LakeResource) -> None:
        self._resource = resource

    def handle_output(self, context: OutputContext, obj: Spooled | pl.LazyFrame | pl.DataFrame) -> None:
        months = _months_to_replace(context)
        lake = self._resource.lake
        table = table_of(context.asset_key)
        try:
            self._resource.take_turn(context.step_context.instance, context.step_context.dagster_run)
            change = lake.replace(
                table,
                obj.frame if isinstance(obj, Spooled) else obj,
                key=_key_columns(context),
                months=months,
                partitioned=context.has_asset_partitions,
                comment=context.asset_spec.description,
                descriptions=_column_descriptions(context),
                guard=self._resource.guard(context.step_context.dagster_run, read=isinstance(obj, Spooled)),
                read_began_at=obj.read_began_at if isinstance(obj, Spooled) else None,
            )
            if months:
                lake.memory.remember_months(table, months)
        except LakeError as error:
            raise Failure(str(error), allow_retries=False) from error
        _say_what_changed(context, change)
        context.add_output_metadata(_describe(lake, table, change, months))

    def load_input(self, context: InputContext) -> pl.LazyFrame:
        """Every month in the lake, also one that is no longer a defined partition."""
        return self._resource.lake.scan(table_of(context.asset_key))


class DeltaIOManagerFactory(ConfigurableIOManagerFactory):  # type: ignore[type-arg]
    """Makes the IO manager over the configured lake."""

    lake: LakeResource

    def create_io_manager(self, context: Any) -> DeltaIOManager:
        return DeltaIOManager(self.lake)


def _months_to_replace(context: OutputContext) -> Months | None:
    if not context.has_asset_partitions:
        return None
    try:
        return months_of(context.asset_partitions_time_window)
    except WITHOUT_WINDOW as no_window:
        raise _no_months(context.asset_key) from no_window


def _key_columns(context: OutputContext) -> list[str]:
    declared = (context.definition_metadata or {}).get(KEY_METADATA)
    if declared is None:
        raise Failure(
            f"{table_of(context.asset_key)} declares no key; give the asset the metadata {KEY_METADATA!r}, "
            "the list of columns that identify a row.",
            allow_retries=False,
        )
    return list(declared.value if isinstance(declared, MetadataValue) else declared)


def _column_descriptions(context: OutputContext) -> dict[str, str]:
    """What the asset's declared schema says of its columns; stored with the table, for whoever reads it without Dagster."""
    declared = (context.definition_metadata or {}).get("dagster/column_schema")
    schema = declared.value if isinstance(declared, MetadataValue) else declared
    columns = schema.columns if isinstance(schema, TableSchema) else ()
    return {column.name: column.description for column in columns if column.description}


def _say_what_changed(context: OutputContext, change: Change) -> None:
    """The content's fingerprint becomes the data version, and every month of the run gets its own figures."""
    step = context.step_context
    step.set_data_version(context.asset_key, DataVersion(change.fingerprint))
    for month, of in change.by_month.items():
        figures = {
            "dagster/partition_row_count": MetadataValue.int(of.rows),
            **_rows_that_differ(of),
            "fingerprint": MetadataValue.text(of.fingerprint),
        }
        step.add_asset_metadata(figures, context.asset_key, partition_key=month.isoformat())


def _rows_that_differ(of: Change | MonthChange, of_what: str = "") -> dict[str, MetadataValue[Any]]:
    return {
        f"rows_added{of_what}": MetadataValue.int(of.added),
        f"rows_changed{of_what}": MetadataValue.int(of.changed),
        f"rows_removed{of_what}": MetadataValue.int(of.removed),
    }


def _describe(lake: Lake, table: str, change: Change, months: Months | None) -> Mapping[str, MetadataValue[Any]]:
    stored = lake.scan(table)
    shown = lake.scan(table, months) if months else stored
    return {
        "dagster/row_count": MetadataValue.int(stored.select(pl.len()).collect().item()),
        # A month's own figures have the plain names; metadata of the run stands on each of its months too.
        **_rows_that_differ(change, "_in_run" if months else ""),
        "table_version": MetadataValue.int(change.version),
        "written": MetadataValue.bool(change.written),
        "preview": MetadataValue.md(preview(shown.head(PREVIEW_ROWS).collect())),
    }
