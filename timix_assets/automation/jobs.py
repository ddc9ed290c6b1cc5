"""Jobs: each is one run over a range of months, so that its tables are consistent."""

from collections.abc import Collection, Mapping

from dagster import AssetKey, AssetSelection, define_asset_job, in_process_executor

from timix_assets.assets.closing import CLOSE_MONTH
from timix_assets.assets.import_runs import GROUP
from timix_assets.assets.rollup_context import CLOSED_MONTHS_TABLE
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.dagster_internals import UnresolvedAssetJobDefinition
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.runs.tags import JOB, workspace_tags

CHANGING_DURING_DAY = [endpoint.name for endpoint in ENDPOINTS if endpoint.changes_during_day]

_BACKFILL_NOTE = "A backfill of the job over a range of months is one run."

Jobs = Mapping[str, UnresolvedAssetJobDefinition]
"""The jobs of a workspace by their plain names."""


def jobs(names: Namespace = PROJECT, own: Collection[AssetKey] | None = None) -> Jobs:
    """The jobs of a workspace.

    Args:
        names: Of the workspace.
        own: Its assets, where other people's stand in the same code location; None if all are its own.
    """

    def folder(name: str, group: str) -> AssetSelection:
        if own is None:
            return AssetSelection.groups(group)
        return AssetSelection.assets(*(key for key in own if names.table(key).startswith(f"{name}/")))

    def table(name: str) -> AssetSelection:
        key = names.key(name)
        return AssetSelection.assets(*([key] if own is None or key in own else []))

    everywhere = AssetSelection.all() if own is None else AssetSelection.assets(*own)
    closing, imports = table(CLOSED_MONTHS_TABLE), folder("imports", GROUP)
    maintenance = folder("maintenance", "maintenance")
    everything = everywhere - maintenance - closing - imports
    changing = (names.key(f"timix/{name}") for name in CHANGING_DURING_DAY)
    recent = AssetSelection.assets(*(key for key in changing if own is None or key in own)).downstream()
    declared = (
        (
            "refresh_everything",
            everything,
            "Reads all resources, reports and exports for the selected months, and computes all rollups and the weekly "
            f"digest. {_BACKFILL_NOTE}",
        ),
        (
            "refresh_recent",
            recent - closing - imports,
            "Reads what changes during the day (time reports, invoices, the reports on them, customers, projects, tasks and "
            "subtasks) and computes all rollups and the weekly digest. Users, calendars and exports are left to "
            f"refresh_everything. {_BACKFILL_NOTE}",
        ),
        (
            CLOSE_MONTH,
            # With the exports, since auditors ask for the final CSVs of a month.
            everything | closing,
            "Reads the closed month and the three before it again: late approvals, invoices and corrections, and the "
            "official exports. Then it closes those months that are not closed yet: their figures are written to "
            f"meta/closed_months and compared from then on (rollups/restatements). {_BACKFILL_NOTE}",
        ),
        (
            "refresh_changed",
            everything,
            "Started by the sensor timix_changes: the assets that changed in Timix and all downstream assets. To refresh "
            "manually, use refresh_recent.",
        ),
        (
            "compact_lake",
            maintenance,
            "Compacts every table, deletes files that no version of the last 30 days needs, removes temporary files of "
            "killed runs, and deletes old runs. Makes no requests to Timix.",
        ),
        (
            "import_time_entries",
            table("imports/time_entries"),
            "Plans the import of a file's time entries into Timix; with `apply`, writes them. Undoes an import with "
            "`roll_back`. See docs/imports.md.",
        ),
        (
            "import_structure",
            table("imports/structure"),
            "Plans the import of a file's customers, projects, tasks and subtasks into Timix; with `apply`, writes them. "
            "Undoes an import with `roll_back`. See docs/imports.md.",
        ),
    )
    return {
        name: define_asset_job(
            names.named(name),
            selection if own is None else selection & everywhere,
            description=description,
            tags={JOB: names.named(name), **workspace_tags(names)},
            # Many light steps: one process for all is an order of magnitude faster than one each. A run is still its own process.
            executor_def=in_process_executor,
        )
        for name, selection, description in declared
    }
