"""What the columns of every declared table mean, for people and for tools."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.contract.schema import Window
from timix_assets.lake import metadata, quarantine
from timix_assets.metrics import ROLLUPS
from timix_assets.metrics.restatements import CLOSED_MONTHS
from timix_assets.metrics.rollup import Rollup

from . import digest_record


@dataclass(frozen=True, slots=True)
class Definition:
    """What a column means. unit: empty for text and flags."""

    meaning: str
    unit: str = ""

    @property
    def is_money(self) -> bool:
        """Whether the values can be money, in the currency of the row."""
        return "money" in self.unit

    @property
    def is_ratio(self) -> bool:
        return self.unit.startswith("ratio")


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """What a table holds. meaning: empty where it is not declared, as for tables of your own in the lake."""

    meaning: str
    columns: Mapping[str, Definition]


def _raw() -> dict[str, TableDefinition]:
    return {
        f"timix/{endpoint.name}": TableDefinition(
            endpoint.description,
            {column.name: Definition(column.description, column.unit or "") for column in endpoint.table_columns},
        )
        for endpoint in ENDPOINTS
    }


def _derived(table: Rollup) -> TableDefinition:
    columns = {column.name: Definition(column.description, column.unit or "") for column in table.columns}
    return TableDefinition(table.description, columns)


def _without_units(meaning: str, columns: Mapping[str, str]) -> TableDefinition:
    return TableDefinition(meaning, {name: Definition(text) for name, text in columns.items()})


MONTHLY_TABLES = frozenset(f"timix/{endpoint.name}" for endpoint in ENDPOINTS if endpoint.window is not Window.NONE)
"""Those that are read and stored by month."""

ROLLUP_TABLES = tuple(f"rollups/{rollup.name}" for rollup in ROLLUPS)

DECLARED: Mapping[str, TableDefinition] = MappingProxyType(
    {
        **{f"rollups/{rollup.name}": _derived(rollup) for rollup in ROLLUPS},
        **_raw(),
        f"meta/{CLOSED_MONTHS.name}": _derived(CLOSED_MONTHS),
        metadata.ORGANIZATION: _without_units(
            "The organization that the lake belongs to.", metadata.DESCRIPTIONS[metadata.ORGANIZATION]
        ),
        metadata.MONTHS_READ: _without_units(
            "The months of each table that were read.", metadata.DESCRIPTIONS[metadata.MONTHS_READ]
        ),
        digest_record.DIGESTS: _without_units(
            "The versions of tables that each week's first digest read.",
            digest_record.DESCRIPTIONS[digest_record.DIGESTS],
        ),
        digest_record.FAILED_CHECKS: _without_units(
            "The checks that failed when the digest was last written by a run.",
            digest_record.DESCRIPTIONS[digest_record.FAILED_CHECKS],
        ),
    }
)
"""Table -> its definition: rollups first, then raw tables, then metadata."""

_QUARANTINE = _without_units("Rows that could not be decoded, as the latest read left them.", quarantine.DESCRIPTIONS)
_UNKNOWN = TableDefinition("", MappingProxyType({}))


def definition_of(table: str) -> TableDefinition:
    """The definition of a table such as `rollups/budget_health`; empty for one that is not declared."""
    if table.startswith("quarantine/"):
        return _QUARANTINE
    return DECLARED.get(table, _UNKNOWN)


def in_order(tables: list[str]) -> list[str]:
    """The tables in the order of their declaration, those without one last."""
    place = {table: number for number, table in enumerate(DECLARED)}
    return sorted(tables, key=lambda table: (place.get(table, len(place)), table))


def dotted(table: str) -> str:
    """`rollups/budget_health` as SQL, files and sheets name it: `rollups.budget_health`."""
    return table.replace("/", ".")
