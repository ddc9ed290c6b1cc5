import inspect
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

import polars as pl
import pytest

from timix_assets.charts import CHARTS, palette
from timix_assets.charts.aging import unbilled_bars
from timix_assets.charts.budget_bars import budget_bars
from timix_assets.charts.budget_curves import budget_curves
from timix_assets.charts.money import revenue_and_margin
from timix_assets.charts.organization import utilization_lines
from timix_assets.charts.png import SIGNATURE, size
from timix_assets.charts.utilization import utilization_heat_map
from timix_assets.metrics.tables import BY_NAME

from . import tables as t
from .pixels import area

MOST_BYTES = 60_000
WIDEST, TALLEST = 1000, 1100
CELL = 19 * 14

heat_map = partial(utilization_heat_map, settings=t.SETTINGS)
bars = partial(budget_bars, organization=t.organization(), customers=t.customers(*t.NAMES), settings=t.SETTINGS)
curves = partial(budget_curves, customers=t.customers(*t.NAMES), settings=t.SETTINGS)
aging = partial(unbilled_bars, customers=t.customers(*t.NAMES), settings=t.SETTINGS)
earnings = partial(revenue_and_margin, settings=t.SETTINGS)
lines = partial(utilization_lines, settings=t.SETTINGS)


def drawn(png: bytes | None) -> bytes:
    assert png is not None
    return png


def one_week(name: str | None = "Ann", **columns: int) -> bytes:
    return drawn(
        heat_map(utilization_weekly=t.table("utilization_weekly", [t.week(**columns)]), org_users=t.people(name))
    )


def one_bar(**columns: int) -> bytes:
    return drawn(bars(budget_health=t.table("budget_health", [t.budget(**columns)]), projects=t.projects("Site")))


def ten_thousand_weeks() -> bytes | None:
    weeks = [t.MONDAY - timedelta(weeks=back) for back in range(100)]
    rows = (
        t.week(user, start, (user * 7 + i * 13) % 60, (40, 40, 32, 0)[(user + i) % 4])
        for user in range(100)
        for i, start in enumerate(weeks)
    )
    names = [t.NAMES[i % len(t.NAMES)] for i in range(100)]
    return heat_map(utilization_weekly=t.table("utilization_weekly", rows), org_users=t.people(*names))


def ten_thousand_budgets() -> pl.DataFrame:
    return t.table(
        "budget_health",
        (
            t.budget(i // 5, scope, used=(i * 37) % 30_000 - 1, cap=(1, 100, 10**9)[i % 3], customer=i % 7)
            for i, scope in enumerate(("TM", "Fix", "OVH", "amount", "contract") * 2000)
        ),
    )


def ten_thousand_bars() -> bytes | None:
    names = [t.NAMES[i % len(t.NAMES)] for i in range(2000)]
    return bars(budget_health=ten_thousand_budgets(), projects=t.projects(*names))


def ten_thousand_burns() -> bytes | None:
    names = [t.NAMES[i % len(t.NAMES)] for i in range(2000)]
    worst = ten_thousand_budgets().sort("burn", "project_id", "scope", descending=[True, False, False]).head(200)
    burn = t.table(
        "budget_burn",
        (
            t.burnt(int(p[1:]), scope, month=month, used=(i * 7) % 90, cumulative=i * 40)
            for p, scope in worst.select("project_id", "scope").iter_rows()
            for i, month in enumerate(t.months(50))
        ),
    )
    return curves(budget_burn=burn, budget_health=ten_thousand_budgets(), projects=t.projects(*names))


def ten_thousand_unbilled() -> bytes | None:
    buckets = ("future", "0-30", "31-60", "61-90", "91+")
    currencies = ("USD", "ILS", "EUR", "GBP", "CHF", "JPY", None)
    return aging(
        unbilled_aging=t.table(
            "unbilled_aging",
            (
                t.unbilled(i % 50, buckets[i % 5], currencies[i % 7], (i * 999 - 10_000, None)[i % 11 == 0])
                for i in range(10_000)
            ),
        )
    )


def ten_thousand_months() -> bytes | None:
    currencies = [f"C{i:02}" for i in range(50)]
    return earnings(
        organization_money=t.table(
            "organization_money",
            (
                t.money(month, (i * 77_777) % 10**9 - 1000, (None, 10**6)[i % 5 > 0], currency)
                for currency in currencies
                for i, month in enumerate(t.months(200))
            ),
        )
    )


def two_hundred_kpis() -> bytes | None:
    return lines(
        organization_kpis=t.table(
            "organization_kpis",
            (t.kpis(month, None if i % 9 == 0 else (i * 37) % 160 / 100, 1.7) for i, month in enumerate(t.months(200))),
        )
    )


@pytest.mark.parametrize(
    "picture",
    [
        ten_thousand_weeks,
        ten_thousand_bars,
        ten_thousand_burns,
        ten_thousand_unbilled,
        ten_thousand_months,
        two_hundred_kpis,
    ],
)
def test_many_rows_and_hard_names_still_make_one_small_picture(picture: Callable[[], bytes | None]) -> None:
    png = drawn(picture())

    width, height = size(png)
    assert png.startswith(SIGNATURE)
    assert len(png) <= MOST_BYTES
    assert 400 < width <= WIDEST
    assert 200 < height <= TALLEST


@pytest.mark.parametrize("name", CHARTS)
def test_an_empty_table_makes_no_picture(name: str) -> None:
    names = {
        "org_users": t.people(),
        "projects": t.projects(),
        "customers": t.customers(),
        "organization": t.organization(),
    }
    empty = {rollup: pl.DataFrame(schema=table.schema) for rollup, table in BY_NAME.items()}
    tables = [p for p in inspect.signature(CHARTS[name]).parameters if p != "settings"]

    assert name in tables
    assert CHARTS[name](settings=t.SETTINGS, **{p: (names | empty)[p] for p in tables}) is None


def test_one_row_is_enough_for_each_picture() -> None:
    month = date(2026, 11, 1)
    health = t.table("budget_health", [t.budget(used=120)])
    burn = t.table("budget_burn", [t.burnt(month=month, used=120, cumulative=120)])

    pictures = [
        one_week(),
        one_bar(),
        drawn(curves(budget_burn=burn, budget_health=health, projects=t.projects("Site"))),
        drawn(aging(unbilled_aging=t.table("unbilled_aging", [t.unbilled()]))),
        drawn(earnings(organization_money=t.table("organization_money", [t.money(month, 100)]))),
        drawn(lines(organization_kpis=t.table("organization_kpis", [t.kpis(month, 0.7)]))),
    ]

    assert all(size(png) <= (WIDEST, TALLEST) for png in pictures)


def test_hebrew_names_have_letters_not_boxes() -> None:
    # Boxes for missing letters would all look alike.
    assert one_week("אבגד") != one_week("השמת")


def test_a_week_without_capacity_has_no_colour_but_a_week_of_0_percent_has_the_lowest() -> None:
    lowest = area(one_week(billable=0), palette.BELOW_TARGET)
    without = area(one_week(billable=0, capacity=0), palette.BELOW_TARGET)

    assert lowest - without >= CELL


def test_work_without_capacity_is_told_from_a_holiday() -> None:
    assert one_week(billable=6, capacity=0) != one_week(billable=0, capacity=0)


def test_people_of_the_same_name_keep_a_row_each() -> None:
    rows = t.table("utilization_weekly", [t.week(0), t.week(1)])

    both = drawn(heat_map(utilization_weekly=rows, org_users=t.people("Ann", "Ann")))

    assert area(both, palette.AT_TARGET) - area(one_week(), palette.AT_TARGET) >= CELL


@pytest.mark.parametrize(
    ("used", "status"),
    [(79, "on_track"), (80, "at_risk"), (99, "at_risk"), (100, "over_budget"), (5000, "over_budget")],
)
def test_a_bar_has_the_colour_of_its_status(used: int, status: str) -> None:
    png = one_bar(used=used)

    largest = max(palette.STATUS, key=lambda s: area(png, palette.STATUS[s]))
    assert largest == status


def test_budgets_without_a_cap_and_of_closed_projects_are_not_drawn() -> None:
    open_projects, closed = t.projects("Site"), t.projects("Site", status="Completed")

    assert bars(budget_health=t.table("budget_health", [t.budget(cap=None)]), projects=open_projects) is None
    assert bars(budget_health=t.table("budget_health", [t.budget()]), projects=closed) is None


def test_a_budget_on_track_has_no_curve() -> None:
    burn = t.table("budget_burn", [t.burnt(month=date(2026, 11, 1), used=50, cumulative=50)])

    assert curves(budget_burn=burn, budget_health=t.table("budget_health", [t.budget()]), projects=t.projects()) is None


def test_currencies_have_a_panel_each() -> None:
    one = drawn(aging(unbilled_aging=t.table("unbilled_aging", [t.unbilled(), t.unbilled()])))
    two = drawn(aging(unbilled_aging=t.table("unbilled_aging", [t.unbilled(), t.unbilled(currency="EUR")])))

    assert size(two)[1] > size(one)[1]


def test_work_without_any_rate_is_no_unbilled_money() -> None:
    assert aging(unbilled_aging=t.table("unbilled_aging", [t.unbilled(amount=None)])) is None


def test_a_month_without_a_margin_is_a_gap_in_the_line() -> None:
    def line(middle_cost: int | None) -> int:
        costs = (60, middle_cost, 60)
        rows = [t.money(month, 100, cost) for month, cost in zip(t.months(3), costs, strict=True)]
        return area(drawn(earnings(organization_money=t.table("organization_money", rows))), palette.MARGIN)

    assert line(None) < line(60) / 4


def test_hidden_cost_leaves_revenue_and_no_line() -> None:
    rows = [t.money(month, 100, None) for month in t.months(3)]

    png = drawn(earnings(organization_money=t.table("organization_money", rows)))

    assert area(png, palette.REVENUE) > 1000
    assert area(png, palette.MARGIN) == 0


def test_the_running_month_is_paler() -> None:
    rows = [t.money(month, 100) for month in t.months(2)]

    png = drawn(earnings(organization_money=t.table("organization_money", rows)))

    assert area(png, palette.REVENUE_SO_FAR) == pytest.approx(area(png, palette.REVENUE), rel=0.1)


def test_a_month_without_capacity_is_a_gap_not_0_percent() -> None:
    def line(middle: float | None) -> int:
        rows = [t.kpis(month, b) for month, b in zip(t.months(3), (0.7, middle, 0.7), strict=True)]
        return area(drawn(lines(organization_kpis=t.table("organization_kpis", rows))), palette.BILLABLE)

    assert line(None) < line(0.7) / 2
    assert line(None) < line(0.0)


def test_the_same_tables_make_the_same_bytes() -> None:
    assert one_bar(used=90) == one_bar(used=90)
