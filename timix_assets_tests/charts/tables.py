"""Small rollups and names for charts: rows on the screen, columns typed as the lake's."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import polars as pl

from timix_assets.contract.endpoints import ORGANIZATION, PROJECTS
from timix_assets.metrics import BY_NAME
from timix_assets.metrics.params import RollupParams

Row = dict[str, Any]

MONTHS = tuple(pl.date_range(date(2024, 12, 1), date(2026, 11, 1), "1mo", eager=True))
PARAMS = RollupParams(as_of=date(2026, 11, 24), months=MONTHS)
MONDAY = date(2026, 11, 16)
"""The first day of a week that is over."""

HEBREW = "שלומית בת־אברהם כהן־צדק, מהנדסת תוכנה בכירה (Acme 2026) צוות"
LONG = "Maximiliane Schwarzenbach-Großmann of Hohenstaufen, once more"
HOSTILE = "<b>&\"'\\ \x00\x08\u202e\n${datum} [x](y)"
NAMES = (HEBREW, LONG, HOSTILE, "Al", None)


def table(name: str, rows: Iterable[Row]) -> pl.DataFrame:
    """Rows of a rollup; columns left out are null."""
    return pl.DataFrame(list(rows), schema=BY_NAME[name].schema)


def organization(**columns: Any) -> pl.DataFrame:
    return pl.DataFrame([{"id": "org"} | columns], schema=ORGANIZATION.schema)


def projects(count: int = 1, status: str = "Active") -> pl.DataFrame:
    """Ids p0, p1, …"""
    return pl.DataFrame([{"id": f"p{i}", "status": status} for i in range(count)], schema=PROJECTS.schema)


def name(number: int) -> str | None:
    """One of the hard names: the same for the same number."""
    return NAMES[number % len(NAMES)]


def week(
    user: int = 0, start: date = MONDAY, billable: int = 30, capacity: int = 40, user_name: str | None = "Ann"
) -> Row:
    return {
        "user_id": f"u{user}",
        "user_name": user_name,
        "week_start": start,
        "capacity_hours": capacity,
        "logged_hours": billable,
        "billable_hours": billable,
        "billable_utilization": billable / capacity if capacity else None,
        "is_partial": start + timedelta(days=6) > PARAMS.as_of,
        "worked_at_zero_capacity": capacity == 0 and billable > 0,
    }


def person_month(user: int = 0, month: date = date(2026, 11, 1), billable: int = 100, capacity: int = 160) -> Row:
    row = week(user, month, billable, capacity, name(user))
    return {"month": month, **{column: value for column, value in row.items() if column != "week_start"}}


def budget(project: int = 0, scope: str = "TM", used: int = 50, cap: int | None = 100, customer: int = 0) -> Row:
    burn = used / cap if cap else None
    status = "no_budget" if burn is None else "over_budget" if burn >= 1 else "at_risk" if burn >= 0.8 else "on_track"
    return {
        "level": "project",
        "project_id": f"p{project}",
        "project_name": name(project),
        "customer_id": f"c{customer}",
        "customer_name": name(customer),
        "scope": scope,
        "cap": cap,
        "used": used,
        "burn": burn,
        "status": status,
        "currency": "USD" if scope in {"amount", "contract"} else None,
    }


def burnt(project: int = 0, scope: str = "TM", *, month: date, used: int, cumulative: int) -> Row:
    return {
        "project_id": f"p{project}",
        "scope": scope,
        "month": month,
        "used": used,
        "cumulative_used": cumulative,
        "cap": 100,
    }


def unbilled(customer: int = 0, bucket: str = "0-30", currency: str = "USD", amount: int | None = 1000) -> Row:
    return {
        "customer_id": f"c{customer}",
        "customer_name": name(customer),
        "project_id": "p0",
        "bucket": bucket,
        "currency": currency,
        "hours": 10,
        "amount": amount,
        "entry_count": 2,
    }


def receivable(
    customer: int = 0, bucket: str = "1-30", currency: str | None = "USD", outstanding: int | None = 1000
) -> Row:
    return {
        "customer_id": f"c{customer}",
        "customer_name": name(customer),
        "bucket": bucket,
        "currency": currency,
        "outstanding": outstanding,
        "invoice_count": 2,
    }


def timesheet(user: int = 0, start: date = MONDAY, status: str = "missing", missing: int = 8) -> Row:
    return {
        "user_id": f"u{user}",
        "user_name": name(user),
        "week_start": start,
        "missing_hours": missing,
        "status": status,
        "is_partial": start + timedelta(days=6) > PARAMS.as_of,
    }


def lockup(month: date, currency: str | None = "USD", wip: float | None = 30.0, debtors: float | None = 45.0) -> Row:
    """A month of the pre-aggregate `lockup_months`."""
    both = None if wip is None or debtors is None else wip + debtors
    return {"month": month, "currency": currency, "wip_days": wip, "debtor_days": debtors, "lockup_days": both}


def capital(currency: str | None = "USD", wip: float | None = 30.0, debtors: float | None = 45.0) -> Row:
    days = {name: value for name, value in lockup(PARAMS.as_of, currency, wip, debtors).items() if name != "month"}
    return {**days, "unbilled": 9000, "outstanding": 12_000, "window_days": 90}


def economics(
    user: int = 0, month: date = date(2026, 11, 1), value: int = 2000, billed: int = 1800, currency: str | None = "USD"
) -> Row:
    return {
        "user_id": f"u{user}",
        "user_name": name(user),
        "month": month,
        "currency": currency,
        "invoiced_value": value,
        "billed_value": billed,
    }


def progress(project: int = 0, earned: int | None = 1000, cost: int | None = 800, price: int = 2000) -> Row:
    return {
        "project_id": f"p{project}",
        "project_name": name(project),
        "customer_id": f"c{project % 7}",
        "customer_name": name(project % 7),
        "currency": "USD",
        "contract_amount": price,
        "earned_to_date": earned,
        "cost_to_date": cost,
        "earned_margin": None if not earned or cost is None else (earned - cost) / earned,
        "history_complete": project % 2 == 0,
    }


def money(month: date, revenue: int, cost: int | None = 60, currency: str = "USD") -> Row:
    margin = (revenue - cost) / revenue if revenue and cost is not None else None
    return {"month": month, "currency": currency, "revenue": revenue, "cost": cost, "margin": margin}


def profitability(
    project: int = 0,
    earned: int | None = 1000,
    cost: int | None = 600,
    month: date = date(2026, 11, 1),
    currency: str = "USD",
) -> Row:
    return {
        "project_id": f"p{project}",
        "project_name": name(project),
        "customer_id": f"c{project % 7}",
        "customer_name": name(project % 7),
        "month": month,
        "currency": currency,
        "earned_revenue": earned,
        "cost": cost,
        "earned_margin": None if not earned or cost is None else (earned - cost) / earned,
    }


def kpis(month: date, billable: float | None, total: float | None = 0.9) -> Row:
    return {
        "month": month,
        "billable_utilization": billable,
        "total_utilization": None if billable is None else total,
    }


def months(count: int, last: date = date(2026, 11, 1)) -> list[date]:
    """That many months to `last`, oldest first."""
    numbers = range(last.year * 12 + last.month - count, last.year * 12 + last.month)
    return [date(n // 12, n % 12 + 1, 1) for n in numbers]
