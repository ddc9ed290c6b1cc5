"""What the runs of all imports share: their configuration, what they check first, and how a plan is applied and shown."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    Config,
    MaterializeResult,
    MetadataValue,
)
from pydantic import Field

from timix_assets.assets.checks.outcome import MAX_SHOWN, check_result
from timix_assets.assets.preview import preview
from timix_assets.imports.connection import Connection
from timix_assets.imports.importer import Importer
from timix_assets.imports.ledger import Ledger
from timix_assets.imports.outcome import Occasion, Planned
from timix_assets.imports.pace import Pace
from timix_assets.imports.steps import PlanLine, Step, counts
from timix_assets.imports.values import Values
from timix_assets.settings import Settings
from timix_assets.settings.limits import ImportLimits
from timix_assets.text.wording import count_noun

GROUP = "imports"
NO_ROWS_REFUSED = "no_rows_refused"
MAX_REASON = 200
"""Characters of a reason in the metadata; the table has all of them."""

L = TypeVar("L", bound=PlanLine)
V = TypeVar("V", bound=Values)
C = TypeVar("C", bound=Connection)


class ImportConfig(Config):
    """The configuration that all imports have."""

    file: str = Field(
        default="", description="Name of a CSV, Excel or Parquet file, or of a Delta folder, in TIMIX_IMPORT_FOLDER."
    )
    mapping: str = Field(
        default="",
        description="A YAML file in TIMIX_IMPORT_FOLDER. Default: columns with the fields' names.",
    )
    name: str = Field(
        default="", description="Name of the import: a corrected file has the same. Default: the name of the file."
    )
    apply: bool = Field(default=False, description="Write to Timix. Default: only plan.")
    roll_back: str = Field(
        default="",
        description="Instead of a file: the name of the import to undo, or the first 8 characters of a run's id.",
    )


def check_spec(key: AssetKey) -> AssetCheckSpec:
    return AssetCheckSpec(NO_ROWS_REFUSED, asset=key, description="Every row of the file can be imported.")


def occasion_of(context: AssetExecutionContext, config: ImportConfig, table: str) -> Occasion:
    """This run. table: the import's name where the run names neither itself nor a file."""
    name = config.roll_back or config.name or config.file or table
    return Occasion(name, context.run.run_id, datetime.now(UTC), applied=config.apply)


def carried_out(
    context: AssetExecutionContext,
    importer: Importer[C, L, V],
    planned: Sequence[Planned[L, V]],
    ledger: Ledger[V],
    limits: ImportLimits,
    settings: Settings,
) -> None:
    """Stores the plan; applies it if the run says so, and stores the outcome, also of an import that stops."""
    importer.store(planned, ledger)
    context.log.info(f"The plan of {importer.occasion.name}: {counts(each.line for each in planned)}.")
    if not importer.occasion.applied:
        return
    pace = Pace(
        importer.workspace.requests_per_minute,
        limits.import_share,
        limits.import_quiet_hours,
        lambda: datetime.now(settings.zone),
    )
    try:
        importer.apply(planned, ledger, pace, limits.import_max_rows)
    finally:
        importer.store(planned, ledger)


def result(
    key: AssetKey,
    importer: Importer[C, L, V],
    planned: Sequence[Planned[L, V]],
    ledger: Ledger[V],
    *,
    shown: Sequence[str],
    refused: Sequence[str],
    more: dict[str, MetadataValue[Any]] | None = None,
) -> MaterializeResult[Any]:
    """What the run's page shows.

    Args:
        shown, refused: The columns of the preview, and of the table of refused rows.
        more: Further metadata.
    """
    frame = importer.frame(planned, ledger)
    outcomes = frame["outcome"].drop_nulls().value_counts(sort=True).iter_rows()
    wrong = frame.filter(pl.col("step") == Step.REFUSE.value).select(refused)
    metadata = {
        "plan": MetadataValue.text(counts(each.line for each in planned)),
        "outcome": MetadataValue.text(
            ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes) or "nothing written"
        ),
        "import_name": MetadataValue.text(importer.occasion.name),
        "dagster/row_count": MetadataValue.int(frame.height),
        "requests": MetadataValue.int(importer.workspace.requests),
        "refused": MetadataValue.md(preview(wrong.head(MAX_SHOWN), characters=MAX_REASON)),
        "preview": MetadataValue.md(preview(frame.head(MAX_SHOWN).select(shown))),
    }
    return MaterializeResult(metadata={**metadata, **(more or {})}, check_results=[_check(key, planned)])


def _check(key: AssetKey, planned: Sequence[Planned[L, V]]) -> AssetCheckResult:
    refused = [each.line for each in planned if each.line.step is Step.REFUSE]
    lines = [f"row {line.row}: {line.reason}" if line.row else line.reason for line in refused[:MAX_SHOWN]]
    more = [f"{count_noun(len(refused), 'row')} refused:"] if refused else []
    return check_result(key, NO_ROWS_REFUSED, passed=not refused, lines=[*more, *lines])
