"""A firm small enough to read on the screen: a few records, and every rollup that follows from them."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.schema import MONTH
from timix_assets.metrics import FORMULAS, PRE_AGGREGATES, Formula
from timix_assets.metrics.entries import first_counted_day
from timix_assets.metrics.inputs import evaluate, inputs_of
from timix_assets.metrics.names import NAMES
from timix_assets.metrics.params import RollupParams
from timix_assets.metrics.restatements import CLOSED_MONTHS, month_figures
from timix_assets.settings.firm import BudgetPolicy, FirmConfig, Targets, WorkCalendar

Row = dict[str, Any]

D = Decimal

TABLES = (
    "me",
    "organization",
    "org_users",
    "holiday_profiles",
    "customers",
    "projects",
    "tasks",
    "subtasks",
    "time_reports",
    "invoices",
    "budget_health_report",
)
"""The raw tables that the formulas and the oracle read."""

MONDAY = date(2026, 3, 2)
"""The first Monday of March 2026; the month begins on a Sunday."""


def day(text: str | date) -> date:
    return text if isinstance(text, date) else date.fromisoformat(text)


@dataclass
class SmallFirm:
    """Ann works 40 hours from Monday to Friday at Acme's project `site`, whose task `build` has the subtasks tm, fix, ovh.

    unread: Months such as 2026-02 that were never read, of those from first_month to as_of.
    """

    as_of: str | date = "2026-03-31"
    first_month: str | date = "2026-03-01"
    calendar: WorkCalendar = field(default_factory=WorkCalendar)
    budgets: BudgetPolicy = field(default_factory=BudgetPolicy)
    targets: Targets = field(default_factory=Targets)
    unread: tuple[str, ...] = ()
    records: dict[str, list[Row]] = field(
        default_factory=lambda: {
            "organization": [{"id": "org", "currency": "USD"}],
            "org_users": [{"id": "ann", "status": "Active"}],
            "customers": [{"id": "acme", "currency": "USD"}],
            "projects": [{"id": "site", "customer_id": "acme", "currency": "USD"}],
            "tasks": [{"id": "build", "project_id": "site"}],
            "subtasks": [
                {"id": "tm", "task_id": "build", "billing_type": "TM"},
                {"id": "fix", "task_id": "build", "billing_type": "Fix"},
                {"id": "ovh", "task_id": "build", "billing_type": "OVH"},
            ],
        }
    )
    made: dict[str, pl.LazyFrame] = field(default_factory=dict)

    @property
    def params(self) -> RollupParams:
        as_of = day(self.as_of)
        firm = FirmConfig(work_calendar=self.calendar, budget_policy=self.budgets, targets=self.targets)
        known = pl.date_range(day(self.first_month), as_of, "1mo", eager=True)
        months = tuple(month for month in known if f"{month:%Y-%m}" not in self.unread)
        return RollupParams(as_of, months, first_counted_day(self.raw("time_reports"), as_of, firm), firm)

    def having(self, table: str, **columns: Any) -> "SmallFirm":
        """Adds a record, or changes the one with the same id."""
        rows = self.records.setdefault(table, [])
        known = next((row for row in rows if row.get("id") == columns.get("id") is not None), None)
        if known is None:
            rows.append(columns)
        else:
            known.update(columns)
        return self

    def user(self, **columns: Any) -> "SmallFirm":
        return self.having("org_users", **{"id": "ann", **columns})

    def project(self, **columns: Any) -> "SmallFirm":
        return self.having("projects", **{"id": "site", **columns})

    def entry(self, on: str | date = MONDAY, hours: str | int | None = 1, **columns: Any) -> "SmallFirm":
        """An approved entry of Ann's on the subtask tm, at 100 an hour that costs 40."""
        rows = self.records.setdefault("time_reports", [])
        given = {
            "id": f"entry {len(rows)}",
            "user_id": "ann",
            "subtask_id": "tm",
            "status": "Approved",
            "customer_rate": 100,
            "cost_rate": 40,
            **columns,
        }
        rows.append({**given, "date": day(on), "hours": hours})
        return self

    def entries(self, first: str | date, count: int, hours: str | int, **columns: Any) -> "SmallFirm":
        """`count` entries on consecutive working days, Monday to Friday."""
        on = day(first)
        while count:
            if on.weekday() < 5:
                self.entry(on, hours, **columns)
                count -= 1
            on += timedelta(days=1)
        return self

    def without(self, *tables: str) -> "SmallFirm":
        return replace(self, records={t: rows for t, rows in self.records.items() if t not in tables}, made={})

    def raw(self, table: str) -> pl.LazyFrame:
        """The records under the contract's schema, an entry in its month."""
        schema = BY_NAME[table].schema
        rows = [
            {name: exact(row.get(name), dtype) for name, dtype in schema.items()} for row in self.records.get(table, [])
        ]
        for row in self.records.get(table, []):
            assert row.keys() <= schema.keys(), f"{table} has no column {row.keys() - schema.keys()}"
        raw = pl.LazyFrame(rows, schema)
        return raw.with_columns(pl.col("date").dt.month_start().alias(MONTH)) if table == "time_reports" else raw

    def lazy(self, table: str) -> pl.LazyFrame:
        """A raw, prepared or derived table; every one is computed once, from inputs wired by name."""
        if table in BY_NAME:
            return self.raw(table)
        if table == CLOSED_MONTHS.name:
            return self.made.get(table, CLOSED_MONTHS.schema.to_frame().lazy())
        if table not in self.made:
            formula = {**PRE_AGGREGATES, **FORMULAS}[table]
            read = {name: self.lazy(name) for name in inputs_of(formula)}
            self.made[table] = evaluate(formula, read, self.params).lazy()
        return self.made[table]

    def close(self, month: date, as_it_was: "SmallFirm | None" = None) -> "SmallFirm":
        """Closes a month with its figures of now, or those of an earlier state of the firm."""
        then = as_it_was or self
        figures = month_figures(then.lazy("person_months"), then.raw("invoices")).filter(pl.col("month") == month)
        named = {NAMES[column].table: then.raw(NAMES[column].table) for column in CLOSED_MONTHS.ids}
        closed = figures.with_columns(pl.lit(day(then.as_of)).alias("closed_on"))
        self.made[CLOSED_MONTHS.name] = CLOSED_MONTHS.shaped(closed, named)
        return self

    def inputs(self, formula: Formula) -> dict[str, Any]:
        """What a formula reads, wired by the names of its parameters."""
        names = inspect.signature(formula).parameters
        return {name: self.params if name == "params" else self.lazy(name) for name in names}

    def table(self, name: str) -> pl.DataFrame:
        return self.lazy(name).collect()

    def rows(self, table: str, **where: Any) -> list[Row]:
        """The rows whose columns have these values; a text is read as a date where the column is one."""
        frame = self.table(table)
        for column, value in where.items():
            wanted = day(value) if frame.schema[column] == pl.Date and value is not None else value
            frame = frame.filter(pl.col(column).eq_missing(pl.lit(wanted)))
        return frame.to_dicts()

    def row(self, table: str, **where: Any) -> Row:
        """The one row with these values."""
        rows = self.rows(table, **where)
        assert len(rows) == 1, f"{len(rows)} rows of {table} have {where}:\n{self.table(table)}"
        return rows[0]


def exact(value: Any, dtype: pl.DataType) -> Any:
    """Numbers as decimals, dates from text, also inside lists and structs."""
    if value is None:
        return None
    if isinstance(dtype, pl.Decimal):
        return Decimal(str(value))
    if isinstance(dtype, pl.Date):
        return day(value)
    if isinstance(dtype, pl.List):
        return [exact(one, dtype.inner) for one in value]  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct) and isinstance(value, Mapping):
        return {f.name: exact(value.get(f.name), f.dtype) for f in dtype.fields}  # type: ignore[arg-type]
    return value


def week_of(start: str, end: str, days: int = 5) -> dict[str, dict[str, str] | None]:
    """A work schedule with the same hours on the first `days` days of the week."""
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    return {name: {"start": start, "end": end} if n < days else None for n, name in enumerate(names)}
