"""The official CSV exports, stored byte for byte: what an auditor asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

import polars as pl
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    DataVersion,
    Failure,
    MaterializeResult,
    MetadataValue,
    MonthlyPartitionsDefinition,
    asset,
)

from timix_assets.api.client import TimixClient
from timix_assets.api.errors import Forbidden
from timix_assets.assets.asset_details import NIGHTLY
from timix_assets.assets.checks.outcome import check_result
from timix_assets.assets.preflight import prepare_client
from timix_assets.assets.preview import preview
from timix_assets.assets.raw_tables import PARTITIONED
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.contract.exports import added_columns, rejection_reason
from timix_assets.contract.schema import Endpoint, Window
from timix_assets.ingest.fetch import dates_between, skipped_message
from timix_assets.lake.exports import FOLDER, Exported
from timix_assets.lake.months import Months
from timix_assets.lake.tables import Lake
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.partitions import months_of_run
from timix_assets.resources import LakeResource, TimixResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.runs.tags import ACCEPT_SHRINK
from timix_assets.text.csv_table import BrokenCsv, CsvTable, quoted, read_csv
from timix_assets.text.wording import count_noun

NO_NEW_COLUMNS = "no_new_columns"
ROW_COUNT_NOT_HALVED = "row_count_not_halved"
CHECKS = {
    NO_NEW_COLUMNS: "No file has columns that the previous version did not have.",
    ROW_COUNT_NOT_HALVED: "No file lost half of its rows or more since the previous version.",
}


@dataclass(frozen=True, slots=True)
class Export:
    """One file of a run.

    Args:
        month: None for a report without dates.
        path: below `exports/`.
        before: the file that it replaces, parsed; None if there is none, or it is not a complete CSV.
    """

    month: date | None
    path: str
    data: bytes
    table: CsvTable
    before: CsvTable | None


def export_asset(
    endpoint: Endpoint, months: MonthlyPartitionsDefinition, names: Namespace = PROJECT
) -> AssetsDefinition:
    """Stores `exports/<report>.csv`, or `exports/<report>/<YYYY-MM>.csv` for each month of the run."""
    dated = endpoint.window is not Window.NONE
    key = names.key(f"exports/{endpoint.name}")

    @asset(
        key=key,
        description=(
            f"The official CSV export of {endpoint.name}, byte for byte as Timix sent it, under `exports/` in the lake. "
            "Replaced only by a complete CSV with the columns of the previous one, which is kept for 30 days. "
            f"`GET {endpoint.csv_path}`, assumed path.{f' {PARTITIONED}' if dated else ''}"
        ),
        group_name=f"raw_{endpoint.group}",
        kinds={"http", "csv"},
        tags=NIGHTLY,
        partitions_def=months if dated else None,
        backfill_policy=BackfillPolicy.single_run(),
        metadata={"path": endpoint.csv_path or ""},
        check_specs=[AssetCheckSpec(name, asset=key, description=passed) for name, passed in CHECKS.items()],
        output_required=False,
        io_manager_key=names.named("io_manager"),
    )
    @names.bound
    def export(
        context: AssetExecutionContext, timix: TimixResource, lake: LakeResource
    ) -> Iterator[MaterializeResult[None] | AssetCheckResult]:
        with as_dagster_failure():
            run_months = months_of_run(context) if dated else None
            overridden = timix.endpoint(endpoint.name)
            client = prepare_client(context, timix, lake)
            before = client.stats
            try:
                exports = list(_read(overridden, run_months, client, lake.store))
            except Forbidden as refused:
                if not overridden.skip_forbidden:
                    raise
                why = f"exports/{endpoint.name}: {skipped_message(refused)}"
                context.log.warning(why)
                yield _result(key, NO_NEW_COLUMNS, [why])
                yield _result(key, ROW_COUNT_NOT_HALVED, [])
                return
            reference = _reference(endpoint, exports, lake.store)
            if not lake.guard(context.run, read=True).accept:
                _fail_if_not_this_report(overridden, exports, reference)
            # Only when all have been read, so that a month that fails leaves every file unchanged.
            stored = [lake.store.exports.put(export.path, export.data) for export in exports]
            stats = client.stats - before
            of_run = {
                **(_of_run(lake.store, endpoint, exports) if dated else {}),
                "files": MetadataValue.int(len(stored)),
                "bytes": MetadataValue.int(sum(file.size for file in stored)),
                "requests": MetadataValue.int(stats.requests),
                "seconds_waited": MetadataValue.float(round(stats.waited_seconds, 3)),
            }
            for export, file in zip(exports, stored, strict=True):
                month = export.month.isoformat() if export.month else None
                context.add_asset_metadata({**_of_file(export, file), **of_run}, key, partition_key=month)
            yield MaterializeResult(
                data_version=DataVersion(sha256("".join(file.sha256 for file in stored).encode()).hexdigest()),
                check_results=[
                    _result(key, NO_NEW_COLUMNS, list(_new_columns(exports, reference))),
                    _result(key, ROW_COUNT_NOT_HALVED, list(_halved(exports))),
                ],
            )

    return export


def _read(endpoint: Endpoint, months: Months | None, client: TimixClient, lake: Lake) -> Iterator[Export]:
    for month, path in _targets(endpoint, months):
        data = client.csv(str(endpoint.csv_path), dates_between(endpoint, Months(month, month)) if month else {})
        yield Export(month, path, data, read_csv(data), _table_of(lake, path))


def _targets(endpoint: Endpoint, months: Months | None) -> Iterator[tuple[date | None, str]]:
    if months is None:
        yield None, f"{endpoint.name}.csv"
    for month in months or ():
        yield month, f"{endpoint.name}/{month:%Y-%m}.csv"


def _table_of(lake: Lake, path: str) -> CsvTable | None:
    """The stored file, parsed; None if there is none, or it is not a complete CSV."""
    data = lake.exports.get(path)
    try:
        return None if data is None else read_csv(data)
    except BrokenCsv:
        return None


def _reference(endpoint: Endpoint, exports: Sequence[Export], lake: Lake) -> CsvTable | None:
    """The export of the latest month, to compare files with that replace none."""
    if all(export.before for export in exports):
        return None
    tables = (_table_of(lake, path) for path in lake.exports.of_report(endpoint.name))
    return next((table for table in tables if table), None)


def _fail_if_not_this_report(endpoint: Endpoint, exports: Sequence[Export], reference: CsvTable | None) -> None:
    """Fails before any file is replaced if one of them is not an export of this report."""
    accepted: list[CsvTable] = []
    # Files without rows last: they are compared with the others.
    for export in sorted(exports, key=lambda export: export.table.rows == 0):
        if why := rejection_reason(endpoint, export.table, export.before or reference, accepted):
            raise Failure(
                f"{FOLDER}/{export.path}: what Timix sent was rejected, because {why}; no file was replaced. "
                f"Look at GET {endpoint.csv_path}; if it is right, accept it once with `timix-assets refresh "
                f"--only {FOLDER}/{endpoint.name} --accept-shrink`, or with the run's tag {ACCEPT_SHRINK} set to true.",
                allow_retries=False,
            )
        accepted.append(export.table)


def _new_columns(exports: Sequence[Export], reference: CsvTable | None) -> Iterator[str]:
    for export in exports:
        if added := added_columns(export.table, export.before or reference):
            yield f"{export.path} has new columns: {', '.join(map(quoted, added))}."


def _halved(exports: Sequence[Export]) -> Iterator[str]:
    for export in exports:
        if export.before and 2 * export.table.rows <= export.before.rows > 0:
            yield (
                f"{export.path} has {count_noun(export.table.rows, 'row')}, {export.before.rows:,} before; if that is "
                "wrong, restore the previous file from exports/.replaced (docs/operations.md)."
            )


def _of_file(export: Export, file: Exported) -> dict[str, MetadataValue[Any]]:
    replaced = {"replaced": MetadataValue.path(file.replaced)} if file.replaced else {}
    return {
        "preview": MetadataValue.md(_preview(export.table)),
        "file": MetadataValue.path(file.url),
        "rows": MetadataValue.int(export.table.rows),
        "file_bytes": MetadataValue.int(file.size),
        **replaced,
    }


def _of_run(lake: Lake, endpoint: Endpoint, exports: Sequence[Export]) -> dict[str, MetadataValue[Any]]:
    """Of the whole run; a month's own metadata has the plain names."""
    return {
        "rows_in_run": MetadataValue.int(sum(export.table.rows for export in exports)),
        "folder": MetadataValue.path(f"{lake.url}/{FOLDER}/{endpoint.name}"),
    }


def _preview(table: CsvTable) -> str:
    """Columns are numbered, since two may have the same name."""
    names = [f"{number} {name}" for number, name in enumerate(table.header, 1)]
    return preview(pl.DataFrame(table.first_rows, schema=dict.fromkeys(names, pl.String()), orient="row"))


def _result(key: AssetKey, name: str, issues: Sequence[str]) -> AssetCheckResult:
    return check_result(key, name, passed=not issues, lines=issues)


def export_assets(months: MonthlyPartitionsDefinition, names: Namespace = PROJECT) -> list[AssetsDefinition]:
    """The export of each report that has one; months: the partitions of the dated ones."""
    return [export_asset(endpoint, months, names) for endpoint in ENDPOINTS if endpoint.csv_path]
