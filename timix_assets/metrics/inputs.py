"""How a formula gets its inputs: the names of its parameters choose them."""

import inspect
from collections.abc import Mapping
from typing import Any

import polars as pl

from .limits import within_limits
from .params import RollupParams
from .rollup import PRE_AGGREGATES, Formula

_PARAMS = "params"
_LARGE = "time_reports"


def inputs_of(formula: Formula) -> list[str]:
    """The raw tables, rollups and pre-aggregates that a formula reads."""
    return [name for name in inspect.signature(formula).parameters if name != _PARAMS]


def tables_of(formula: Formula) -> set[str]:
    """The raw tables and rollups that a formula reads, itself or through pre-aggregates."""
    names = set(inputs_of(formula))
    through = names & set(PRE_AGGREGATES)
    return (names - through).union(*(tables_of(PRE_AGGREGATES[name]) for name in through))


def evaluate(formula: Formula, tables: Mapping[str, pl.LazyFrame], params: RollupParams) -> pl.DataFrame:
    """The table that a formula computes.

    Args:
        formula: A rollup's formula, or a pre-aggregate.
        tables: Its inputs by name. Values beyond the limits (`limits.py`) count as null.
        params: Passed on to the formulas that take them.
    """
    limited = {name: within_limits(name, table, params.firm.money_policy) for name, table in tables.items()}
    inputs: dict[str, Any] = {
        # A formula joins its small tables in many places, and each would read the files again.
        name: table if name == _LARGE else table.collect().lazy()
        for name, table in limited.items()
    }
    if _PARAMS in inspect.signature(formula).parameters:
        inputs[_PARAMS] = params
    return formula(**inputs).collect(engine="streaming")
