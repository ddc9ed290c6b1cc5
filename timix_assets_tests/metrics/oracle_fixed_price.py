"""What fixed-price projects have earned, hours to hours (docs/metrics.md, § 4, fixed_price_progress)."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from timix_assets_tests.metrics.oracle_arithmetic import ZERO, Row, as_float, difference, quotient, ratio, rounded
from timix_assets_tests.metrics.oracle_budgets import Budget
from timix_assets_tests.metrics.oracle_entries import Entry, Ledger, hours_of, of_type
from timix_assets_tests.metrics.oracle_forecast import Forecast


@dataclass(frozen=True, slots=True)
class FixedPrice:
    """A project with a contract amount: the forecast of its Fix budget, and its contract budget."""

    fix: Forecast
    contract: Budget

    @property
    def amount(self) -> Decimal:
        return self.contract.cap or ZERO

    @property
    def currency(self) -> str | None:
        return self.contract.currency

    @property
    def planned_hours(self) -> Decimal | None:
        return self.fix.budget.cap

    @property
    def used_hours(self) -> Decimal:
        return self.fix.used or ZERO

    @property
    def is_completed(self) -> bool:
        return self.contract.project.get("status") == "Completed"

    @property
    def estimated_hours(self) -> Fraction | None:
        """§ 4: the largest of planned, used and projected hours; null without a plan; a Completed project: used hours."""
        used = Fraction(self.used_hours)
        if self.is_completed:
            return used
        if self.planned_hours is None:
            return None
        return max(Fraction(self.planned_hours), used, self.fix.projected_final or used)

    @property
    def percent_complete(self) -> Fraction | None:
        """§ 4: used ÷ estimated hours: 1 for a Completed project, null for one without Fix hours."""
        return quotient(self.used_hours, self.estimated_hours)

    @property
    def earned_to_date(self) -> Decimal | None:
        return None if self.percent_complete is None else rounded(Fraction(self.amount) * self.percent_complete)

    def earned_by(self, hours: Decimal) -> Decimal | None:
        """§ 4, fixed_earned: contract_amount × Fix hours ÷ estimated_hours."""
        share = quotient(hours, self.estimated_hours)
        return None if share is None else rounded(Fraction(self.amount) * share)


def fixed_prices(ledger: Ledger, of_projects: list[Budget]) -> dict[str | None, FixedPrice]:
    """By project, those with a contract amount."""
    fix = {budget.project_id: budget for budget in of_projects if budget.scope == "Fix"}
    return {
        budget.project_id: FixedPrice(Forecast.of(fix[budget.project_id], ledger.params), budget)
        for budget in of_projects
        if budget.scope == "contract"
    }


def fixed_price_progress(ledger: Ledger, prices: dict[str | None, FixedPrice]) -> list[Row]:
    """§ 4: one row per project with a contract amount, as of the as-of date."""
    fix_entries = of_type(ledger.budgeted, "Fix")
    return [
        _progress(ledger, price, [entry for entry in fix_entries if entry.project_id == project_id])
        for project_id, price in prices.items()
    ]


def _progress(ledger: Ledger, price: FixedPrice, fix_entries: list[Entry]) -> Row:
    as_of, project = ledger.params.as_of, price.contract.project
    cost, earned, complete = price.contract.used(as_of), price.earned_to_date, price.percent_complete
    # § 4: Fix hours without a known cost in the project's currency.
    uncosted = hours_of(entry for entry in fix_entries if entry.cost is None or entry.currency != price.currency)
    known = uncosted <= ledger.params.firm.money_policy.uncosted_tolerance * price.used_hours
    margin = ratio(difference(earned, cost), earned)
    cost_at_the_end = None if cost is None or complete is None else quotient(cost, complete * Fraction(price.amount))
    return {
        "project_id": project["id"],
        "customer_id": project.get("customer_id"),
        "currency": price.currency,
        "contract_amount": price.amount,
        "planned_hours": price.planned_hours,
        "used_hours": price.used_hours,
        "estimated_hours": as_float(price.estimated_hours),
        "percent_complete": as_float(complete),
        "earned_to_date": earned,
        "cost_to_date": cost,
        "earned_margin": margin if known else None,
        "expected_margin": None if cost_at_the_end is None or not known else float(1 - cost_at_the_end),
        "history_complete": ledger.history_complete(project),
        "as_of": as_of,
    }
