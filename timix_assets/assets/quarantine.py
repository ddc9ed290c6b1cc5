"""The quarantine tables in the catalog: Dagster computes none of them; the run that reads a raw table observes its rows."""

from functools import cache

from dagster import AssetObservation, AssetSpec, MetadataValue, TableColumn, TableSchema

from timix_assets.assets.preview import preview
from timix_assets.assets.table_schema import PERSONAL_DATA
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.contract.schema import Endpoint
from timix_assets.lake.quarantine import DESCRIPTIONS
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.resources import LakeResource
from timix_assets.text.printable import markdown, printable
from timix_assets.text.wording import count_noun

TYPES = {"seen_at": "timestamp, UTC", "first_month": "date", "last_month": "date", "number": "int64"}
"""Of the columns that are not strings."""

SENT = ("value", "record")
"""The columns that hold what Timix sent."""

SHOWN = ["reason", "column", "value", "first_month", "last_month"]
ROWS_SHOWN = 10
REASONS_SHOWN = 20


def quarantine_asset(endpoint: Endpoint, names: Namespace = PROJECT) -> AssetSpec:
    """Outside the graph of computations, so that no job selects it."""
    table = f"quarantine/{endpoint.name}"
    return AssetSpec(
        names.key(table),
        description=f"Rows of timix/{endpoint.name} that could not be read, with the reason and the whole record. The "
        "table appears with the first such row; each read replaces its rows. Correct them in Timix, or fix the column by an "
        "override (TIMIX_OVERRIDES), and read the same months again (docs/operations.md).",
        group_name="quarantine",
        kinds={"deltalake"},
        metadata={
            "dagster/column_schema": _columns(personal=any(column.personal for column in endpoint.columns)),
            "dagster/table_name": table,
        },
    )


@cache
def _columns(*, personal: bool) -> TableSchema:
    tags = PERSONAL_DATA if personal else None
    return TableSchema(
        [
            TableColumn(name, TYPES.get(name, "string"), text, tags=tags if name in SENT else None)
            for name, text in DESCRIPTIONS.items()
        ]
    )


def observation(endpoint: Endpoint, lake: LakeResource) -> AssetObservation:
    """What the quarantine of an endpoint holds now; the table exists."""
    table = f"quarantine/{endpoint.name}"
    rows = lake.store.scan(table)
    reasons = rows.group_by("reason").len().sort("len", "reason", descending=[True, False]).collect()
    latest = (
        rows.select(*SHOWN, "seen_at", "number").sort("seen_at", "number", descending=[True, False]).head(ROWS_SHOWN)
    )
    lines = [
        f"- {markdown(printable(reason))}: {count_noun(count, 'row')}"
        for reason, count in reasons.head(REASONS_SHOWN).iter_rows()
    ]
    if reasons.height > REASONS_SHOWN:
        lines.append(f"- … and {count_noun(reasons.height - REASONS_SHOWN, 'reason')} more")
    return AssetObservation(
        lake.names.key(table),
        metadata={
            "dagster/row_count": MetadataValue.int(int(reasons["len"].sum())),
            "reasons": MetadataValue.md("\n".join(lines) or "*none*"),
            "preview": MetadataValue.md(preview(latest.select(SHOWN).collect())),
        },
    )


def quarantine_assets(names: Namespace = PROJECT) -> list[AssetSpec]:
    """The quarantine of every endpoint."""
    return [quarantine_asset(endpoint, names) for endpoint in ENDPOINTS]
