"""What the contract is written in: endpoints, columns, and the Polars type of each kind of value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

AMOUNT = pl.Decimal(38, 10)
"""Hours, rates and money: exact, ten places, never a binary float."""

_SEPARATORS = re.compile(r"[\s_\-./]+")

MONTH = "month"
RESCUED = "_rescued_data"


class Type(StrEnum):
    """What a value means. `DTYPES` says how it is stored, `UNITS` in which unit."""

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
    """One column of a table, and the JSON field that fills it.

    Attributes:
        name: The column, in snake_case.
        type: What the values mean; decides the Polars type and the unit.
        description: For people, with a full stop.
        source: The JSON field; camelCase of `name` unless given.
        aliases: Other JSON fields, tried in order where `source` is absent.
        values: The known values of an enum, as they are stored.
        spellings: Value of an enum -> other words that workspaces use for it; they are stored as that value.
        required: A row without a readable value goes to quarantine.
        fields: The members of an OBJECT.
        is_list: The value is a list of this type.
        documented: The vendor's page that states the meaning; empty for our assumptions. No field *name* is documented.
        personal: It tells something about a person: who, when, what they did, what they cost.
        expression: A Polars SQL expression over the record, from an override; replaces `source` and `aliases`.

    Raises:
        ValueError: A spelling of no value, or of two.
    """

    name: str
    type: Type
    description: str
    source: str = ""
    aliases: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    required: bool = False
    fields: tuple["Column", ...] = ()
    is_list: bool = False
    documented: str = ""
    personal: bool = False
    expression: str | None = None
    _values_by_word: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.source:
            object.__setattr__(self, "source", camel_case(self.name))
        words = [(word, value) for value in self.values for word in (value, *self.spellings.get(value, ()))]
        by_word = {normalized(word): value for word, value in words}
        if len(by_word) < len(words) or not self.spellings.keys() <= set(self.values):
            raise ValueError(f"{self.name}: every spelling must be of one of the values, and of one only.")
        object.__setattr__(self, "_values_by_word", by_word)

    @property
    def json_names(self) -> tuple[str, ...]:
        """The JSON fields that may fill this column, the preferred one first."""
        return (self.source, *self.aliases)

    def value_of(self, word: str) -> str | None:
        """The declared value of an enum that a word means, however it is written; None when there is none."""
        return self._values_by_word.get(normalized(word))

    @property
    def unit(self) -> str | None:
        """The unit of the values, for people; None when they have none."""
        return UNITS.get(self.type)

    @property
    def dtype(self) -> pl.DataType:
        """The Polars type of the stored column."""
        one = (
            pl.Struct([pl.Field(c.name, c.dtype) for c in self.fields])
            if self.type is Type.OBJECT
            else DTYPES[self.type]
        )
        return pl.List(one) if self.is_list else one


class Shape(StrEnum):
    """What an endpoint returns. LIST: pages. OBJECT: one object. REPORT: an object, a list or an envelope."""

    LIST = "list"
    OBJECT = "object"
    REPORT = "report"


class Window(StrEnum):
    """Which dates an endpoint is asked for.

    NONE: none. RANGE: one listing for a whole range of dates; the endpoint declares its `date_column`. MONTH: an
    aggregate of one month per request.
    """

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

    Attributes:
        name: The table, `timix/<name>`.
        path: Below the base URL.
        shape: What the endpoint returns.
        group: The asset group.
        description: For people, with a full stop.
        columns: The declared columns.
        key: The columns that identify a row.
        documented: The vendor's page that names the path; empty when the path is our assumption.
        fallback_paths: Tried in order after a 404.
        window: Which dates the endpoint is asked for.
        date_column: With Window.RANGE, the column that decides the month of a row.
        parameters: Our name of each query parameter -> the name that is sent (an override may change it).
        per_customer_on_422: A 422 means that the report must be requested for each customer.
        csv_path: The official CSV export, where there is one.
        writable: Records can be created, updated and deleted.
        skip_forbidden: By an override, a 403 skips the table instead of failing it.
        end_exclusive: By an override, the server excludes the day of endDate, which is taken as included.
        changes_during_day: It changes as people work, so the hourly refresh reads it.
        implies: Endpoints that have changed too when this one has.
        volatile_columns: Columns that change as days pass although nobody changed anything.

    Raises:
        ValueError: A Window.RANGE endpoint without a `date_column` among its columns.
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
    date_column: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    per_customer_on_422: bool = False
    csv_path: str | None = None
    writable: bool = False
    skip_forbidden: bool = False
    end_exclusive: bool = False
    changes_during_day: bool = False
    implies: tuple[str, ...] = ()
    volatile_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        is_declared = self.date_column in {column.name for column in self.columns if column.type is Type.DAY}
        if is_declared is not (self.window is Window.RANGE):
            raise ValueError(f"{self.name}: exactly the endpoints of Window.RANGE have a date_column, one of type DAY.")

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The columns that every row must have: those of the key, then the other required ones."""
        return tuple(dict.fromkeys([*self.key, *(column.name for column in self.columns if column.required)]))

    @property
    def has_moving_rows(self) -> bool:
        """Whether a row can move to another month, so that the months of the table may share a key."""
        return self.window is not Window.NONE and MONTH not in self.key

    @property
    def table_columns(self) -> tuple[Column, ...]:
        """Every column of the stored table: the declared ones, the month of a dated table, and `_rescued_data`."""
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


def normalized(value: str) -> str:
    """Text for a comparison without case, spaces, hyphens, underscores, dots and slashes; `&` is `and`."""
    return _SEPARATORS.sub("", value).replace("&", "and").casefold()
