"""Small rollups and names for charts: rows on the screen, columns typed as the lake's."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import polars as pl

from timix_assets.contract.endpoints import CUSTOMERS, ORG_USERS, ORGANIZATION, PROJECTS
from timix_assets.metrics.settings import Settings
from timix_assets.metrics.tables import BY_NAME

Row = dict[str, Any]

SETTINGS = Settings(as_of=date(2026, 11, 24), first_month=date(2024, 12, 1))
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


def customers(*names: str | None) -> pl.DataFrame:
    """Ids c0, c1, …"""
    return pl.DataFrame([{"id": f"c{i}", "name": n} for i, n in enumerate(names)], schema=CUSTOMERS.schema)


def projects(*names: str | None, status: str = "Active") -> pl.DataFrame:
    """Ids p0, p1, …"""
    rows = [{"id": f"p{i}", "name": n, "status": status} for i, n in enumerate(names)]
    return pl.DataFrame(rows, schema=PROJECTS.schema)


def people(*names: str | None) -> pl.DataFrame:
    """Ids u0, u1, …"""
    return pl.DataFrame([{"id": f"u{i}", "name": n} for i, n in enumerate(names)], schema=ORG_USERS.schema)


def week(user: int = 0, start: date = MONDAY, billable: int = 30, capacity: int = 40) -> Row:
    return {
        "user_id": f"u{user}",
        "week_start": start,
        "capacity_hours": capacity,
        "logged_hours": billable,
        "billable_hours": billable,
        "billable_utilization": billable / capacity if capacity else None,
        "is_partial": start + timedelta(days=6) > SETTINGS.as_of,
        "worked_at_zero_capacity": capacity == 0 and billable > 0,
    }


def budget(project: int = 0, scope: str = "TM", used: int = 50, cap: int | None = 100, customer: int = 0) -> Row:
    burn = used / cap if cap else None
    status = "no_budget" if burn is None else "over_budget" if burn >= 1 else "at_risk" if burn >= 0.8 else "on_track"
    return {
        "level": "project",
        "project_id": f"p{project}",
        "customer_id": f"c{customer}",
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
        "project_id": "p0",
        "bucket": bucket,
        "currency": currency,
        "hours": 10,
        "amount": amount,
        "entry_count": 2,
    }


def money(month: date, revenue: int, cost: int | None = 60, currency: str = "USD") -> Row:
    margin = (revenue - cost) / revenue if revenue and cost is not None else None
    return {"month": month, "currency": currency, "revenue": revenue, "cost": cost, "margin": margin}


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
