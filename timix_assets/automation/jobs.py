"""Jobs: each is one run over a range of months, so that its tables are consistent."""

from dagster import AssetKey, AssetSelection, define_asset_job

from timix_assets.assets.closing import CLOSE_MONTH, closed_months
from timix_assets.assets.import_runs import GROUP
from timix_assets.assets.imports import structure as imported_structure
from timix_assets.assets.imports import time_entries as imported_time_entries
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.runs.tags import JOB

MAINTENANCE = AssetSelection.groups("maintenance")
CLOSING = AssetSelection.assets(closed_months.key)
IMPORTS = AssetSelection.groups(GROUP)
EVERYTHING = AssetSelection.all() - MAINTENANCE - CLOSING - IMPORTS
CHANGING_DURING_DAY = [endpoint.name for endpoint in ENDPOINTS if endpoint.changes_during_day]

_BACKFILL_NOTE = "A backfill of the job over a range of months is one run."

refresh_everything = define_asset_job(
    "refresh_everything",
    EVERYTHING,
    description="Reads all resources, reports and exports for the selected months, and computes all rollups and the weekly "
    f"digest. {_BACKFILL_NOTE}",
    tags={JOB: "refresh_everything"},
)

refresh_recent = define_asset_job(
    "refresh_recent",
    AssetSelection.assets(*(AssetKey(["timix", name]) for name in CHANGING_DURING_DAY)).downstream()
    - CLOSING
    - IMPORTS,
    description="Reads what changes during the day (time reports, invoices, the reports on them, customers, projects, tasks and "
    "subtasks) and computes all rollups and the weekly digest. Users, calendars and exports are left to refresh_everything. "
    f"{_BACKFILL_NOTE}",
    tags={JOB: "refresh_recent"},
)

close_month = define_asset_job(
    CLOSE_MONTH,
    # With the exports, since auditors ask for the final CSVs of a month.
    EVERYTHING | CLOSING,
    description="Reads the closed month and the three before it again: late approvals, invoices and corrections, and the "
    "official exports. Then it closes those months that are not closed yet: their figures are written to meta/closed_months "
    f"and compared from then on (rollups/restatements). {_BACKFILL_NOTE}",
    tags={JOB: CLOSE_MONTH},
)

refresh_changed = define_asset_job(
    "refresh_changed",
    EVERYTHING,
    description="Started by the sensor timix_changes: the assets that changed in Timix and all downstream assets. To refresh "
    "manually, use refresh_recent.",
    tags={JOB: "refresh_changed"},
)

compact_lake = define_asset_job(
    "compact_lake",
    MAINTENANCE,
    description="Compacts every table, deletes files that no version of the last 30 days needs, removes temporary files of "
    "killed runs, and deletes old runs. Makes no requests to Timix.",
    tags={JOB: "compact_lake"},
)

import_time_entries = define_asset_job(
    "import_time_entries",
    AssetSelection.assets(imported_time_entries.key),
    description="Plans the import of a file's time entries into Timix; with `apply`, writes them. Undoes an import with "
    "`roll_back`. See docs/imports.md.",
    tags={JOB: "import_time_entries"},
)

import_structure = define_asset_job(
    "import_structure",
    AssetSelection.assets(imported_structure.key),
    description="Plans the import of a file's customers, projects, tasks and subtasks into Timix; with `apply`, writes them. "
    "Undoes an import with `roll_back`. See docs/imports.md.",
    tags={JOB: "import_structure"},
)

JOBS = [
    refresh_everything,
    refresh_recent,
    close_month,
    refresh_changed,
    compact_lake,
    import_time_entries,
    import_structure,
]
