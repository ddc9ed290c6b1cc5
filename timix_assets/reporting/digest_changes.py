"""What changed since the digest of an earlier week, from the versions of the tables that it read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from timix_assets.lake.tables import Lake
from timix_assets.metrics.budget_policy import NEEDS_ATTENTION, NO_BUDGET, ON_TRACK, WORST_FIRST

from .digest_record import EarlierDigest
from .summary import BUDGETS, CAPITAL, KPIS, Budget, Money, read_budgets

COMPARED = (KPIS, BUDGETS, CAPITAL)
"""The tables whose earlier versions are read; timix/projects is read as it is now."""

BALANCES = ("unbilled", "outstanding", "overdue")


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """A budget that got better or worse. before: None where there was none."""

    budget: Budget
    before: str | None

    @property
    def is_worse(self) -> bool:
        return _rank(self.budget.status) < _rank(self.before)


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """One of BALANCES then and now, in one currency; None where it is unknown."""

    name: str
    currency: str | None
    before: Decimal | None
    now: Decimal | None


@dataclass(frozen=True, slots=True)
class MonthChange:
    """Hours of a month that was over at the earlier digest."""

    month: date
    before: Decimal
    now: Decimal


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since the digest as of `since`.

    Args:
        budgets: Those that got worse, then those that got better.
        unread: Tables whose earlier version can no longer be read, so that nothing of them is compared.
    """

    since: date
    budgets: list[BudgetChange]
    balances: list[BalanceChange]
    months: list[MonthChange]
    unread: list[str]

    @property
    def currencies(self) -> list[str | None]:
        """Those of the balances."""
        return list(dict.fromkeys(each.currency for each in self.balances))

    @property
    def balances_by_name(self) -> dict[str, list[BalanceChange | None]]:
        """Name -> a balance for each of `currencies`, None where it did not change."""
        found = {(each.name, each.currency): each for each in self.balances}
        names = dict.fromkeys(each.name for each in self.balances)
        return {name: [found.get((name, currency)) for currency in self.currencies] for name in names}


def changes_since(earlier: EarlierDigest, lake: Lake, money: Sequence[Money]) -> Changes:
    """Compares the earlier digest's tables with the lake as it is; money: the balances of now."""
    unread: list[str] = []

    def then(table: str, *columns: str) -> pl.DataFrame | None:
        snapshot = earlier.snapshots.get(table)
        # It did not exist then.
        if snapshot is None:
            return None
        rows = lake.read_at(table, snapshot, columns)
        if rows is None:
            unread.append(table)
        return rows

    budgets = then(BUDGETS, "level", "project_id", "scope", "status")
    balances = then(CAPITAL, "currency", *BALANCES)
    months = then(KPIS, "month", "total_hours")
    return Changes(
        earlier.as_of,
        [] if budgets is None else _budgets(budgets, read_budgets(lake)),
        [] if balances is None else _balances(balances, money),
        [] if months is None else _months(months, lake, earlier.as_of),
        unread,
    )


def _budgets(then: pl.DataFrame, now: Sequence[Budget]) -> list[BudgetChange]:
    of_projects = then.filter(pl.col("level") == "project").select("project_id", "scope", "status")
    before = {(project, scope): status for project, scope, status in of_projects.iter_rows()}
    changed = [
        BudgetChange(budget, before.get((budget.project_id, budget.scope)))
        for budget in now
        # A status that the key's role hides, now or then, has not changed.
        if budget.status is not None and before.get((budget.project_id, budget.scope), NO_BUDGET) is not None
    ]
    moved = [each for each in changed if _rank(each.budget.status) != _rank(each.before)]
    return sorted(moved, key=lambda each: not each.is_worse)


def _rank(status: str | None) -> int:
    """Of budgets that need no attention it does not matter which they are."""
    return WORST_FIRST.index(status) if status in NEEDS_ATTENTION else WORST_FIRST.index(ON_TRACK)


def _balances(then: pl.DataFrame, now: Sequence[Money]) -> list[BalanceChange]:
    before = {row["currency"]: row for row in then.iter_rows(named=True)}
    after = {money.currency: money for money in now}
    pairs = [
        BalanceChange(
            name,
            currency,
            before[currency][name] if currency in before else Decimal(0),
            getattr(after[currency], name) if currency in after else Decimal(0),
        )
        for name in BALANCES
        for currency in sorted({*before, *after}, key=lambda code: (code is None, code or ""))
    ]
    return [each for each in pairs if each.before != each.now]


def _months(then: pl.DataFrame, lake: Lake, as_of: date) -> list[MonthChange]:
    now = lake.scan(KPIS).select("month", "total_hours").collect()
    both = then.filter(pl.col("month") < as_of.replace(day=1)).join(now, on="month", suffix="_now").sort("month")
    changed = both.filter(pl.col("total_hours") != pl.col("total_hours_now"))
    return [MonthChange(*row) for row in changed.select("month", "total_hours", "total_hours_now").iter_rows()]
