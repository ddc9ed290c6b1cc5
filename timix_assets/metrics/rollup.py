"""What a rollup declares beside its formula, and the register of all rollups.

    CAPACITY_DAILY = Rollup("capacity_daily", group=…, key=…, description=…, columns=(…))

    @rollup(CAPACITY_DAILY)
    def capacity_daily(*, org_users: pl.LazyFrame, …, params: RollupParams) -> pl.LazyFrame: …

Dagster's assets, the column tables of docs/metrics.md and the column lineage come from the declaration.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature

import polars as pl

from .names import NAMES

Formula = Callable[..., pl.LazyFrame]
"""Keyword arguments: LazyFrames named after the tables that it reads, and `params`. Returns a LazyFrame."""

Lineage = tuple[tuple[str, str], ...]
"""Pairs of asset and column, for example ("timix/time_reports", "hours")."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a rollup.

    Args:
        unit: In words; None for text and flags.
        lineage: The columns of raw tables and rollups that decide its value.
    """

    name: str
    dtype: pl.DataType
    description: str
    lineage: Lineage
    unit: str | None = None

    def __post_init__(self) -> None:
        # Lineage is put together from named groups, which overlap.
        object.__setattr__(self, "lineage", tuple(dict.fromkeys(self.lineage)))


@dataclass(frozen=True, slots=True)
class Preview:
    """The rows and columns of a rollup that are worth seeing first.

    Args:
        sort: Columns, the most important first; a minus in front sorts downwards. Null comes last.
        columns: What is shown.
    """

    sort: tuple[str, ...]
    columns: tuple[str, ...]

    def first_rows(self, rows: pl.DataFrame, count: int) -> pl.DataFrame:
        """At most `count` rows, in order."""
        names = [name.removeprefix("-") for name in self.sort]
        downwards = [name.startswith("-") for name in self.sort]
        # The positions first: sorting whole rows of a large table costs more than all of its formula.
        places = rows.select(pl.col(names), pl.int_range(pl.len()).alias("_place"))
        first = (
            places.lazy().sort(names, descending=downwards, nulls_last=True, maintain_order=True).head(count).collect()
        )
        return rows[first["_place"]].select(self.columns)


@dataclass(frozen=True, slots=True)
class Rollup:
    """One derived table, `rollups/<name>`.

    Args:
        group: The asset group in the Dagster UI.
        key: The columns that identify a row; rows are sorted by them.
        columns: Those that the formula computes; the names of `names.py` are added beside the ids.
        preview: What the asset's page shows of it.
        revision: Of the formula; raise it when the same inputs give other figures, so that the UI asks for a refresh.
    """

    name: str
    group: str
    key: tuple[str, ...]
    description: str
    columns: tuple[Column, ...]
    preview: Preview
    revision: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(_with_names(self.columns)))

    @property
    def schema(self) -> pl.Schema:
        return pl.Schema({c.name: c.dtype for c in self.columns})

    @property
    def ids(self) -> tuple[str, ...]:
        """The id columns that have a name beside them."""
        return tuple(column.name for column in self.columns if column.name in NAMES)

    def shaped(self, frame: pl.LazyFrame, named: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
        """Exactly the declared columns, types and order, sorted by key: the same rows give the same table.

        named: the raw tables that the names come from.
        """
        names = [NAMES[column].beside(column, named[NAMES[column].table]) for column in self.ids]
        return frame.with_columns(names).select(pl.col(c.name).cast(c.dtype) for c in self.columns).sort(self.key)


def _with_names(columns: tuple[Column, ...]) -> Iterator[Column]:
    for column in columns:
        yield column
        if name := NAMES.get(column.name):
            lineage = column.lineage + tuple((f"timix/{name.table}", source) for source in name.sources)
            yield Column(name.column, pl.String(), name.description, lineage)


FORMULAS: dict[str, Formula] = {}
"""The formula of each rollup, by the rollup's name; a formula comes after the rollups that it reads."""

BY_NAME: dict[str, Rollup] = {}

PRE_AGGREGATES: dict[str, Formula] = {}
"""Small tables made of the raw entries, once a run, that several rollups start from. They are not in the lake."""


def rollup(table: Rollup) -> Callable[[Formula], Formula]:
    """Registers a function as the formula of `table`, and gives its result exactly the declared columns.

    The registered formula also takes the tables that its names come from.
    """

    def register(formula: Formula) -> Formula:
        own = signature(formula)
        named = {NAMES[column].table for column in table.ids}
        more = [Parameter(name, Parameter.KEYWORD_ONLY) for name in sorted(named - set(own.parameters))]

        @wraps(formula)
        def compute(**inputs: pl.LazyFrame) -> pl.LazyFrame:
            rows = formula(**{name: value for name, value in inputs.items() if name in own.parameters})
            return table.shaped(rows, inputs)

        compute.__signature__ = own.replace(parameters=[*own.parameters.values(), *more])  # type: ignore[attr-defined]
        BY_NAME[table.name] = table
        FORMULAS[table.name] = compute
        return compute

    return register


def pre_aggregate(formula: Formula) -> Formula:
    """Registers a function as a pre-aggregate under its own name."""
    PRE_AGGREGATES[formula.__name__] = formula
    return formula
