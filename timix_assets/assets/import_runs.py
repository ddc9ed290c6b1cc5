"""What the runs of all imports share: their configuration, what they check first, and how a plan is applied and shown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetIn,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    Config,
    MaterializeResult,
    MetadataValue,
    asset,
    get_dagster_logger,
)
from pydantic import Field

from timix_assets.api.client import TimixClient
from timix_assets.assets.checks.outcome import MAX_SHOWN, check_result
from timix_assets.assets.preflight import prepare_client
from timix_assets.assets.preview import preview
from timix_assets.assets.table_schema import column_schema
from timix_assets.contract.schema import Endpoint
from timix_assets.imports.importer import C, Importer
from timix_assets.imports.ledger import Ledger, V
from timix_assets.imports.mapping import READY_NAMES, M, read_mapping, ready_file
from timix_assets.imports.outcome import UNWRITTEN, L, Occasion, Planned
from timix_assets.imports.pace import Pace
from timix_assets.imports.sources import Table, read_source, rows_of_frame
from timix_assets.imports.steps import Step, counts
from timix_assets.interrupts import interrupts_deferred
from timix_assets.lake.tables import Lake
from timix_assets.namespace import Namespace
from timix_assets.resources import ImportResource, LakeResource, TimixResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.settings import Settings
from timix_assets.text.wording import count_noun

GROUP = "imports"
NO_ROWS_REFUSED = "no_rows_refused"
MAX_REASON = 200
"""Characters of a reason in the metadata; the table has all of them."""

_SHOWN_FIRST = {step.value: place for place, step in enumerate((Step.UPDATE, Step.DELETE, Step.REMOVED, Step.CREATE))}
"""The order of the preview: what a person looks for among many rows."""


class ImportConfig(Config):
    """What a run imports, or undoes."""

    file: str = Field(
        default="", description="Name of a CSV, Excel or Parquet file, or of a Delta folder, in TIMIX_IMPORT_FOLDER."
    )
    mapping: str = Field(
        default="",
        description="A YAML file in TIMIX_IMPORT_FOLDER; for time entries also "
        f"{', '.join(READY_NAMES)}. Default: columns with the fields' names.",
    )
    name: str = Field(
        default="", description="Name of the import: a corrected file has the same. Default: the name of the file."
    )
    apply: bool = Field(default=False, description="Write to Timix. Default: only plan.")
    roll_back: str = Field(
        default="",
        description="Instead of a file: the name of the import to undo, or the first 8 characters of a run's id.",
    )


@dataclass(frozen=True)
class ImportResources:
    """What a run needs beside its configuration."""

    timix: TimixResource
    lake: LakeResource
    imports: ImportResource
    settings: Settings


@dataclass(frozen=True)
class ImportKind(Generic[C, L, V, M]):
    """Imports of one kind of record.

    Args:
        importer, workspace, mapping: The classes that plan and write, that reach Timix, and that say what columns mean.
        description: Of the asset and its table.
        shown, refused: What the preview and the table of refused rows show of each.
        more: Further metadata, from plan and outcome.
    """

    importer: type[Importer[C, L, V, M]]
    workspace: Callable[[TimixClient, Callable[[str], Endpoint]], C]
    mapping: type[M]
    description: str
    shown: Sequence[str | pl.Expr]
    refused: Sequence[str | pl.Expr]
    more: Callable[[pl.DataFrame], Mapping[str, MetadataValue[Any]]] = lambda _: {}

    def asset(
        self, name: str, rows: AssetKey | None, names: Namespace
    ) -> Callable[[Callable[..., Any]], AssetsDefinition]:
        """The decorator of the asset `imports/<name>` of a workspace. rows: the asset that gives the rows; by default a file."""
        if "/" in name:
            raise ValueError(
                f"{name!r} cannot be the name of an import: it is one part of an asset key, without a slash."
            )
        table = f"imports/{name}"
        key = names.key(table)
        decorated = asset(
            key=key,
            description=self.description,
            group_name=GROUP,
            kinds={"http", "polars", "deltalake"},
            ins={"rows": AssetIn(key=rows)} if rows else {},
            backfill_policy=BackfillPolicy.single_run(),
            check_specs=[
                AssetCheckSpec(
                    NO_ROWS_REFUSED,
                    asset=key,
                    description="Every row of the file can be imported, and what was applied was written.",
                )
            ],
            metadata={
                "dagster/column_schema": column_schema(self.importer.columns),
                "dagster/table_name": table,
            },
            output_required=False,
            io_manager_key=names.named("io_manager"),
        )
        return lambda function: decorated(names.bound(function))

    def run(
        self,
        name: str,
        context: AssetExecutionContext,
        config: ImportConfig,
        resources: ImportResources,
        upstream: Mapping[str, Any],
        mapping: M | None,
        **options: Any,
    ) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
        """Plans the import, stores the plan, and applies it if the run says so; the outcome of one that stops is stored too.

        Args:
            name: Of the asset and its table, below `imports/`.
            upstream: `rows`: the frame of an upstream asset, in place of a file.
            mapping: What the columns mean, where the run names none.
            options: Of the importer.
        """
        with as_dagster_failure():
            if not (config.file or config.roll_back or upstream):
                context.log.info("The run names no file; nothing to import.")
                # Dagster wants it of each run: it is still that of the latest import.
                yield self._check_of_latest(context.asset_key, resources.lake.store, f"imports/{name}")
                return
            # Before the first request: an import that may not write does not begin.
            limits = resources.imports.limits
            if config.apply:
                resources.timix.permit_writes()
            if config.mapping:
                named = ready_file(config.mapping) or resources.imports.file(config.mapping)
                mapping = read_mapping(named, self.mapping)
            source = None if config.roll_back else self._source(config, resources.imports, upstream, mapping)
            table = f"imports/{name}"
            importer = self.importer(
                self.workspace(prepare_client(context, resources.timix, resources.lake), resources.timix.endpoint),
                resources.lake.store,
                Occasion(
                    config.roll_back or config.name or config.file or table,
                    context.run.run_id,
                    datetime.now(UTC),
                    applied=config.apply,
                ),
                context.log.info,
                # The command line prints what this logger gets.
                get_dagster_logger().warning,
                table=table,
                description=self.description,
                **options,
            )
            ledger = importer.ledger()
            if source is None:
                planned = importer.plan_rollback(config.roll_back, mapping or self.mapping(), ledger)
            else:
                planned = importer.plan(*source, ledger)
            importer.store(planned, ledger)
            context.log.info(f"The plan of {importer.occasion.name}: {counts(each.line for each in planned)}.")
            if config.apply:
                pace = Pace(
                    importer.workspace.requests_per_minute,
                    limits.import_share,
                    limits.import_quiet_hours,
                    lambda: datetime.now(resources.settings.zone),
                )
                try:
                    importer.apply(planned, ledger, pace, limits.import_max_rows)
                finally:
                    importer.store(planned, ledger)
            yield self._result(context.asset_key, importer, planned, ledger)

    def _check_of_latest(self, key: AssetKey, lake: Lake, table: str) -> AssetCheckResult:
        with interrupts_deferred():
            none = pl.DataFrame(schema={column.name: column.dtype for column in self.importer.columns})
            return _check(key, lake.scan(table).collect() if lake.exists(table) else none)

    def _source(
        self, config: ImportConfig, imports: ImportResource, upstream: Mapping[str, Any], mapping: M | None
    ) -> tuple[Table, M]:
        """The rows of the upstream asset or the file, and their mapping. Nothing is requested yet."""
        if upstream:
            table = rows_of_frame(upstream["rows"], "the upstream asset")
        else:
            table = read_source(imports.file(config.file), mapping.sheet if mapping else "")
        return table, mapping or self.mapping.of_columns(table[0])

    def _result(
        self, key: AssetKey, importer: Importer[C, L, V, M], planned: Sequence[Planned[L, V]], ledger: Ledger[V]
    ) -> MaterializeResult[Any]:
        """What the run's page shows."""
        frame = importer.frame(planned, ledger)
        outcomes = frame["outcome"].drop_nulls().value_counts(sort=True).iter_rows()
        is_refused = pl.col("step") == Step.REFUSE.value
        others = frame.filter(~is_refused).sort(
            pl.col("step").replace_strict(_SHOWN_FIRST, default=len(_SHOWN_FIRST)), "number"
        )
        metadata = {
            "plan": MetadataValue.text(counts(each.line for each in planned)),
            "outcome": MetadataValue.text(
                ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes) or "nothing written"
            ),
            **self.more(frame),
            "refused": _rows(frame.filter(is_refused), self.refused),
            "preview": _rows(others, self.shown),
            "import_name": MetadataValue.text(importer.occasion.name),
            "dagster/row_count": MetadataValue.int(frame.height),
            "requests": MetadataValue.int(importer.workspace.requests),
        }
        return MaterializeResult(metadata=metadata, check_results=[_check(key, frame)])


def _rows(frame: pl.DataFrame, columns: Sequence[str | pl.Expr]) -> MetadataValue[Any]:
    return MetadataValue.md(preview(frame.select(columns).head(MAX_SHOWN), characters=MAX_REASON))


def _check(key: AssetKey, frame: pl.DataFrame) -> AssetCheckResult:
    lines = []
    for rows, what in (
        (frame.filter(pl.col("step") == Step.REFUSE.value), "refused"),
        (frame.filter(pl.col("outcome").is_in(UNWRITTEN)), "not written"),
    ):
        if rows.height:
            lines.append(f"{count_noun(rows.height, 'row')} {what}:")
        for row, outcome, reason in rows.select("row", "outcome", "reason").head(MAX_SHOWN).iter_rows():
            why = ": ".join(part for part in (outcome, reason) if part)
            lines.append(f"row {row}: {why}" if row else why)
    return check_result(key, NO_ROWS_REFUSED, passed=not lines, lines=lines)
