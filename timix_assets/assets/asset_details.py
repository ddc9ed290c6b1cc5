"""What every asset's page says besides its own declaration: who owns it, where its table is, and what kind of data it holds."""

from collections.abc import Callable

from dagster import AssetSpec, TableSchema, TableSchemaMetadataValue

from timix_assets.assets.table_schema import PERSONAL_DATA
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.settings import Settings

_CADENCE = "timix/cadence"
"""The tag that says how often a table is refreshed while the schedules are on."""

HOURLY, NIGHTLY, WEEKLY, MONTHLY = ({_CADENCE: often} for often in ("hourly", "nightly", "weekly", "monthly"))


def with_details(settings: Settings, names: Namespace = PROJECT) -> Callable[[AssetSpec], AssetSpec]:
    """Adds owners, the table's location, and the tags of its domain and of personal data."""
    owners = settings.owners.split()

    def detailed(spec: AssetSpec) -> AssetSpec:
        table = spec.metadata.get("dagster/table_name")
        place = (
            {
                "dagster/uri": f"{settings.lake}/{table}",
                "dagster/storage_kind": "deltalake",
                # The UI links assets of one table name, as if they were one table.
                "dagster/table_name": "/".join([*names.prefix, table]),
            }
            if table
            else {}
        )
        domain = {"timix/domain": str(spec.group_name).removeprefix("raw_").removeprefix("derived_")}
        personal = PERSONAL_DATA if _has_personal_data(spec) else {}
        return spec.merge_attributes(owners=owners, metadata=place, tags={**domain, **personal})

    return detailed


def _has_personal_data(spec: AssetSpec) -> bool:
    declared = spec.metadata.get("dagster/column_schema")
    schema = declared.value if isinstance(declared, TableSchemaMetadataValue) else declared
    columns = schema.columns if isinstance(schema, TableSchema) else ()
    return any(column.tags == PERSONAL_DATA for column in columns)
