"""Row 51: values as large as the raw tables hold, and dates at the ends of the calendar, all the way into rollups and charts."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from timix_assets.sandbox.faults import Fault
from timix_assets.settings.firm import FirmConfig, MoneyPolicy
from timix_assets_tests.conftest import TODAY
from timix_assets_tests.workspace import EVERYTHING, Workspace, failures, warnings

LARGEST = "9999999999999999999999999999.9999999999"

PRICES = ("customerRate", "costRate")
CAPS = ("tmHourLimit", "fixHourLimit", "ovhHourLimit", "amountLimit", "contractAmount")


@pytest.fixture(autouse=True)
def _as_of(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMIX_AS_OF", TODAY.isoformat())


def send(workspace: Workspace, path: str, **fields: str) -> None:
    """Makes the sandbox send these values, as JSON text, in the records of the first page."""
    workspace.sandbox.faults.add(
        *(Fault("raw_value", path=path, field=field, value=value, page=1) for field, value in fields.items())
    )


@pytest.mark.fault(51)
@pytest.mark.parametrize("price", ["1e20", LARGEST, f"-{LARGEST}"])
def test_a_price_beyond_the_limit_is_unknown(workspace: Workspace, price: str) -> None:
    send(workspace, "/time-reports", customerRate=price, costRate=price)
    result = workspace.refresh(EVERYTHING)

    assert failures(result) == {}
    said = warnings(result, "timix/time_reports")["values_within_limits"]
    assert "treat as unknown" in said
    entries = workspace.table("timix/time_reports")
    beyond = entries["customer_rate"].abs() > 10**9
    assert said.startswith(f"{beyond.sum():,} ")
    profitability = workspace.table("rollups/project_profitability")
    counts = (pl.col("status") != "Rejected") & (pl.col("date") <= TODAY)
    priced = entries.filter(~beyond, counts, billing_type="TM")
    assert profitability["revenue"].sum() == (priced["hours"] * priced["customer_rate"]).sum()


@pytest.mark.fault(51)
def test_a_cap_beyond_the_limit_counts_as_no_cap(workspace: Workspace) -> None:
    send(workspace, "/projects", **dict.fromkeys(CAPS, "1e25"))
    result = workspace.refresh(EVERYTHING)

    assert failures(result) == {}
    assert "treat as unknown" in warnings(result, "timix/projects")["values_within_limits"]
    projects = workspace.table("timix/projects").filter(pl.col("tm_hour_limit") > 10**15)
    budgets = workspace.table("rollups/budget_health").filter(pl.col("project_id").is_in(projects["id"].implode()))
    assert set(budgets.filter(level="project")["status"]) == {"no_budget"}


@pytest.mark.fault(51)
def test_no_extreme_value_stops_a_refresh(workspace: Workspace) -> None:
    send(workspace, "/time-reports", **dict.fromkeys(PRICES, LARGEST))
    send(workspace, "/projects", **dict.fromkeys(CAPS, LARGEST), startDate='"0001-01-01"', endDate='"9999-12-31"')
    send(workspace, "/tasks", tmHourLimit=LARGEST, ovhHourLimit="1000000")
    send(workspace, "/subtasks", hourLimit=LARGEST)
    send(workspace, "/invoices", total=LARGEST, subtotal=LARGEST, dueDate='"9999-12-31"')
    send(
        workspace,
        "/org-users",
        weeklyHours=LARGEST,
        workSchedule="null",
        startDate='"0001-01-01"',
        endDate='"9999-12-31"',
    )
    send(workspace, "/organization", budgetWarningThreshold=LARGEST, budgetCriticalThreshold=f"-{LARGEST}")
    send(workspace, "/financial-reports/revenue", revenue=LARGEST, cost=LARGEST)
    send(workspace, "/financial-reports/unbilled-time", totalHours=LARGEST, totalAmount=f"-{LARGEST}")
    send(workspace, "/financial-reports/budget-health", percentUsed=LARGEST, budgetAmount=LARGEST)
    result = workspace.refresh(EVERYTHING)

    assert failures(result) == {}
    for table in ("time_reports", "projects", "tasks", "subtasks", "invoices", "org_users", "organization"):
        assert "values_within_limits" in warnings(result, f"timix/{table}"), table


@pytest.mark.fault(51)
@pytest.mark.parametrize("day", [date.min, date.max])
def test_dates_at_both_ends_of_the_calendar_are_read(workspace: Workspace, day: date) -> None:
    send(workspace, "/projects", startDate=f'"{day}"', endDate=f'"{day}"')
    send(workspace, "/org-users", startDate=f'"{day}"')
    send(workspace, "/invoices", issueDate=f'"{day}"', dueDate=f'"{day}"', paidDate=f'"{day}"')
    assert failures(workspace.refresh(EVERYTHING)) == {}


@pytest.mark.fault(51)
def test_a_lower_limit_finds_a_mistyped_price(workspace: Workspace) -> None:
    workspace.firm = FirmConfig(money_policy=MoneyPolicy(max_rate=Decimal(5_000)))
    send(workspace, "/time-reports", customerRate="5000.01")
    result = workspace.refresh(EVERYTHING)
    assert "values_within_limits" in warnings(result, "timix/time_reports")
