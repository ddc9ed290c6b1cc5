"""The vocabulary of the contract: what an endpoint is, what a column is, and which Polars type holds it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import polars as pl

AMOUNT = pl.Decimal(38, 10)
"""Hours, rates and money: exact, ten places, never a binary float."""

MONTH = "month"
RESCUED = "_rescued_data"


class Type(StrEnum):
    """What a value means; `DTYPES` says how it is stored."""

    ID = "id"
    TEXT = "text"
    ENUM = "enum"
    TIME = "time"
    HOURS = "hours"
    MONEY = "money"
    RATE = "rate"
    PERCENT = "percent"
    INTEGER = "integer"
    FLAG = "flag"
    DAY = "day"
    INSTANT = "instant"
    OBJECT = "object"


DTYPES: Mapping[Type, pl.DataType] = {
    Type.ID: pl.String(),
    Type.TEXT: pl.String(),
    Type.ENUM: pl.String(),
    Type.TIME: pl.String(),
    Type.HOURS: AMOUNT,
    Type.MONEY: AMOUNT,
    Type.RATE: AMOUNT,
    Type.PERCENT: AMOUNT,
    Type.INTEGER: pl.Int64(),
    Type.FLAG: pl.Boolean(),
    Type.DAY: pl.Date(),
    Type.INSTANT: pl.Datetime("us", "UTC"),
}

UNITS: Mapping[Type, str] = {
    Type.HOURS: "hours",
    Type.MONEY: "money, in the row's currency",
    Type.RATE: "money per hour, in the row's currency",
    Type.PERCENT: "percent, 80 means 80 %",
    Type.DAY: "calendar date",
    Type.INSTANT: "instant, UTC",
    Type.TIME: "time of day, as sent",
}


def camel_case(name: str) -> str:
    """`cost_rate_currency` -> `costRateCurrency`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, and the field of the API's record that fills it.

    source: the field's name in JSON; camelCase of `name` unless given.
    aliases: further spellings, tried in order when `source` is absent.
    values: the known values of an enum, in the spelling that we store.
    required: a row without a readable value goes to quarantine.
    fields: the parts of an OBJECT; many: the value is a list of this type.
    documented: the vendor's page that states the field's meaning; empty when it is our assumption. No field *name* is documented.
    expression: a Polars SQL expression over the record, from an override; it replaces `source` and `aliases`.
    """

    name: str
    type: Type
    description: str
    source: str = ""
    aliases: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    required: bool = False
    fields: tuple["Column", ...] = ()
    many: bool = False
    documented: str = ""
    expression: str | None = None

    def __post_init__(self) -> None:
        if not self.source:
            object.__setattr__(self, "source", camel_case(self.name))

    @property
    def spellings(self) -> tuple[str, ...]:
        """The JSON names that may carry this column, the preferred one first."""
        return (self.source, *self.aliases)

    @property
    def unit(self) -> str | None:
        return UNITS.get(self.type)

    @property
    def dtype(self) -> pl.DataType:
        one = (
            pl.Struct([pl.Field(c.name, c.dtype) for c in self.fields])
            if self.type is Type.OBJECT
            else DTYPES[self.type]
        )
        return pl.List(one) if self.many else one


class Shape(StrEnum):
    """How an endpoint answers. LIST is paged; OBJECT is one bare object; REPORT is an object, a list or an envelope."""

    LIST = "list"
    OBJECT = "object"
    REPORT = "report"


class Window(StrEnum):
    """How an endpoint is asked for dates. RANGE: one listing for a whole range; MONTH: an aggregate, asked month by month."""

    NONE = "none"
    RANGE = "range"
    MONTH = "month"


MONTH_COLUMN = Column(
    MONTH, Type.DAY, "First day of the month that the row belongs to; the table is partitioned by it."
)
RESCUED_COLUMN = Column(
    RESCUED,
    Type.TEXT,
    "JSON object with every field that has no column of its own, and every value that could not be read, "
    "under the names the API sent; null when there is none.",
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One resource or report of the Integration API, and the table that it becomes.

    name: the table, `timix/<name>`. path: below the base URL; fallback_paths are tried in order on 404 only.
    parameters: our name of each query parameter -> the name that is sent (an override may rename it).
    key: the columns that identify a row. csv_path: the official CSV export, where there is one.
    skip_forbidden: an override's word that a 403 skips the table instead of failing it.
    end_exclusive: an override's word that the server leaves out the day of endDate, which we take to be included.
    documented: the vendor's page that names the path; empty when the path is our assumption.
    """

    name: str
    path: str
    shape: Shape
    group: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("id",)
    documented: str = ""
    fallback_paths: tuple[str, ...] = ()
    window: Window = Window.NONE
    parameters: Mapping[str, str] = field(default_factory=dict)
    per_customer_on_422: bool = False
    csv_path: str | None = None
    writable: bool = False
    skip_forbidden: bool = False
    end_exclusive: bool = False

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that a row cannot do without: those of its key, then the other required ones."""
        return tuple(dict.fromkeys([*self.key, *(column.name for column in self.columns if column.required)]))

    @property
    def table_columns(self) -> tuple[Column, ...]:
        """Every column of the stored table: the declared ones, the month of a dated table, and the rescued data."""
        month = (MONTH_COLUMN,) if self.window is not Window.NONE else ()
        return (*self.columns, *month, RESCUED_COLUMN)

    @property
    def schema(self) -> pl.Schema:
        """The stored table's Polars schema."""
        return pl.Schema({c.name: c.dtype for c in self.table_columns})

    def column(self, name: str) -> Column:
        """The declared column of that name; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def with_columns(self, changed: Mapping[str, Column]) -> "Endpoint":
        return replace(self, columns=tuple(changed.get(c.name, c) for c in self.columns))


def folded(value: str) -> str:
    """An enum value as it is compared: without case, spaces, hyphens or underscores."""
    return re.sub(r"[\s_\-]+", "", value).casefold()
