import inspect
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import partial

import polars as pl
import pytest

from timix_assets.charts import CHARTS, palette
from timix_assets.charts.aging import receivable_bars, unbilled_bars
from timix_assets.charts.budgets import budget_bars, budget_curves
from timix_assets.charts.fixed_price import earned_and_cost_bars
from timix_assets.charts.lockup import lockup_lines
from timix_assets.charts.money import revenue_and_margin
from timix_assets.charts.organization import utilization_lines
from timix_assets.charts.projects import margin_bars
from timix_assets.charts.realization import realization_bars
from timix_assets.charts.timesheets import timesheet_map
from timix_assets.charts.utilization import monthly_heat_map, utilization_heat_map
from timix_assets.metrics import BY_NAME
from timix_assets.metrics.lockup import LOCKUP_MONTHS

from . import tables as t
from .shapes import area, elements, size, words

MAX_BYTES = 60_000
MAX_WIDTH, MAX_HEIGHT = 1000, 1100
CELL = 19 * 14

heat_map = partial(utilization_heat_map, params=t.PARAMS)
timesheets = partial(timesheet_map, params=t.PARAMS)
bars = partial(budget_bars, organization=t.organization(), projects=t.projects(), params=t.PARAMS)
curves = partial(budget_curves, projects=t.projects(), params=t.PARAMS)
aging = partial(unbilled_bars, params=t.PARAMS)
receivables = partial(receivable_bars, params=t.PARAMS)
realization = partial(realization_bars, params=t.PARAMS)
fixed_price = partial(earned_and_cost_bars, projects=t.projects(), params=t.PARAMS)
earnings = partial(revenue_and_margin, params=t.PARAMS)
lines = partial(utilization_lines, params=t.PARAMS)
margins = partial(margin_bars, params=t.PARAMS)
monthly_map = partial(monthly_heat_map, params=t.PARAMS)


def drawn(svg: str | None) -> str:
    assert svg is not None
    return svg


def one_week(name: str | None = "Ann", **columns: int) -> str:
    return drawn(heat_map(utilization_weekly=t.table("utilization_weekly", [t.week(**columns, user_name=name)])))


def lockup(now: Iterable[t.Row] = (), past: Iterable[t.Row] = ()) -> str | None:
    past_days = pl.DataFrame(list(past), LOCKUP_MONTHS)
    return lockup_lines(working_capital=t.table("working_capital", now), lockup_months=past_days, params=t.PARAMS)


def one_bar(**columns: int) -> str:
    return drawn(bars(budget_health=t.table("budget_health", [t.budget(**columns)])))


def ten_thousand_weeks() -> str | None:
    weeks = [t.MONDAY - timedelta(weeks=back) for back in range(100)]
    rows = (
        t.week(user, start, (user * 7 + i * 13) % 60, (40, 40, 32, 0)[(user + i) % 4], t.name(user))
        for user in range(100)
        for i, start in enumerate(weeks)
    )
    return heat_map(utilization_weekly=t.table("utilization_weekly", rows))


def ten_thousand_timesheets() -> str | None:
    statuses = ("missing", "unsubmitted", "awaiting_approval", "complete", "not_due")
    rows = (
        t.timesheet(user, t.MONDAY - timedelta(weeks=back), statuses[(user * 3 + back) % 5], (user * 7 + back) % 41)
        for user in range(200)
        for back in range(50)
    )
    return timesheets(timesheet_compliance=t.table("timesheet_compliance", rows))


def ten_thousand_budgets() -> pl.DataFrame:
    return t.table(
        "budget_health",
        (
            t.budget(i // 5, scope, used=(i * 37) % 30_000 - 1, cap=(1, 100, 10**9)[i % 3], customer=i % 7)
            for i, scope in enumerate(("TM", "Fix", "OVH", "amount", "contract") * 2000)
        ),
    )


def ten_thousand_bars() -> str | None:
    return bars(budget_health=ten_thousand_budgets())


def ten_thousand_burns() -> str | None:
    worst = ten_thousand_budgets().sort("burn", "project_id", "scope", descending=[True, False, False]).head(200)
    burn = t.table(
        "budget_burn",
        (
            t.burnt(int(p[1:]), scope, month=month, used=(i * 7) % 90, cumulative=i * 40)
            for p, scope in worst.select("project_id", "scope").iter_rows()
            for i, month in enumerate(t.months(50))
        ),
    )
    return curves(budget_burn=burn, budget_health=ten_thousand_budgets())


def ten_thousand_unbilled() -> str | None:
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


def ten_thousand_receivables() -> str | None:
    buckets = ("not_due", "1-30", "31-60", "61-90", "91+")
    currencies = ("USD", "ILS", "EUR", "GBP", "CHF", None)
    rows = (
        t.receivable(i % 50, buckets[i % 5], currencies[i % 6], (i * 999 - 10_000, None)[i % 11 == 0])
        for i in range(10_000)
    )
    return receivables(receivables_aging=t.table("receivables_aging", rows))


def ten_thousand_currencies() -> str | None:
    odd = (t.LONG, t.HEBREW, t.HOSTILE, None)
    names = [odd[i] if i < len(odd) else f"C{i}" for i in range(400)]
    past = (
        t.lockup(month, name, i % 500, (i % 7, None)[i % 5 == 0]) for name in names for i, month in enumerate(t.MONTHS)
    )
    return lockup([t.capital(name, i % 400) for i, name in enumerate(names)], past)


def ten_thousand_economics() -> str | None:
    currencies = ("USD", "ILS", "EUR", None)
    rows = (
        t.economics(user, month, 10**6 * (user % 3) + 5000, (user * 977) % 5000, currencies[user % 4])
        for user in range(500)
        for month in t.months(20)
    )
    return realization(person_economics=t.table("person_economics", rows))


def ten_thousand_fixed_prices() -> str | None:
    rows = (
        t.progress(i, (i * 37 % 2000, None)[i % 13 == 0], (i * 91 % 4000, None)[i % 17 == 0], (2000, 10**9)[i % 9 == 0])
        for i in range(10_000)
    )
    return fixed_price(fixed_price_progress=t.table("fixed_price_progress", rows))


def ten_thousand_months() -> str | None:
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


def ten_thousand_margins() -> str | None:
    rows = (
        t.profitability(project, (project * 37) % 900, (None, 400, 2000)[(project + i) % 3], month)
        for project in range(500)
        for i, month in enumerate(t.months(20))
    )
    return margins(project_profitability=t.table("project_profitability", rows))


def ten_thousand_person_months() -> str | None:
    rows = (
        t.person_month(user, month, (user * 7 + i * 13) % 200, (160, 120, 0)[(user + i) % 3])
        for user in range(200)
        for i, month in enumerate(t.months(50))
    )
    return monthly_map(utilization_monthly=t.table("utilization_monthly", rows))


def two_hundred_kpis() -> str | None:
    return lines(
        organization_kpis=t.table(
            "organization_kpis",
            (t.kpis(month, None if i % 9 == 0 else (i * 37) % 160 / 100, 1.7) for i, month in enumerate(t.months(200))),
        )
    )


@pytest.mark.parametrize(
    "chart",
    [
        ten_thousand_weeks,
        ten_thousand_timesheets,
        ten_thousand_receivables,
        ten_thousand_currencies,
        ten_thousand_economics,
        ten_thousand_margins,
        ten_thousand_person_months,
        ten_thousand_fixed_prices,
        ten_thousand_bars,
        ten_thousand_burns,
        ten_thousand_unbilled,
        ten_thousand_months,
        two_hundred_kpis,
    ],
)
def test_many_rows_and_hard_names_make_one_small_chart(chart: Callable[[], str | None]) -> None:
    svg = drawn(chart())

    width, height = size(svg)
    assert len(svg.encode()) <= MAX_BYTES
    assert 400 < width <= MAX_WIDTH
    assert 200 < height <= MAX_HEIGHT


@pytest.mark.parametrize("name", CHARTS)
def test_empty_table_makes_no_chart(name: str) -> None:
    names = {"projects": t.projects(), "organization": t.organization()}
    empty = {rollup: pl.DataFrame(schema=table.schema) for rollup, table in BY_NAME.items()}
    empty["lockup_months"] = pl.DataFrame(schema=LOCKUP_MONTHS)
    tables = [p for p in inspect.signature(CHARTS[name]).parameters if p != "params"]

    assert name in tables
    assert CHARTS[name](params=t.PARAMS, **{p: (names | empty)[p] for p in tables}) is None


def test_one_row_makes_a_chart() -> None:
    month = date(2026, 11, 1)
    health = t.table("budget_health", [t.budget(used=120)])
    burn = t.table("budget_burn", [t.burnt(month=month, used=120, cumulative=120)])

    charts = [
        one_week(),
        one_bar(),
        drawn(curves(budget_burn=burn, budget_health=health)),
        drawn(aging(unbilled_aging=t.table("unbilled_aging", [t.unbilled()]))),
        drawn(timesheets(timesheet_compliance=t.table("timesheet_compliance", [t.timesheet()]))),
        drawn(receivables(receivables_aging=t.table("receivables_aging", [t.receivable()]))),
        drawn(lockup([t.capital()])),
        drawn(lockup([], [t.lockup(t.MONTHS[-2])])),
        drawn(realization(person_economics=t.table("person_economics", [t.economics()]))),
        drawn(fixed_price(fixed_price_progress=t.table("fixed_price_progress", [t.progress()]))),
        drawn(margins(project_profitability=t.table("project_profitability", [t.profitability()]))),
        drawn(monthly_map(utilization_monthly=t.table("utilization_monthly", [t.person_month()]))),
        drawn(earnings(organization_money=t.table("organization_money", [t.money(month, 100)]))),
        drawn(lines(organization_kpis=t.table("organization_kpis", [t.kpis(month, 0.7)]))),
    ]

    assert all(size(svg) <= (MAX_WIDTH, MAX_HEIGHT) for svg in charts)


@pytest.mark.parametrize("name", ["שלומית כהן", "ליאור (Acme 2026)"])
def test_hebrew_name_is_one_isolated_text(name: str) -> None:
    # In pieces, or without the isolate, a browser would order its words and digits from left to right.
    assert f"\u2067{name}\u2069" in words(one_week(name))


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "</text><image/>&", "&lt;\"'>", "a\x00b"])
def test_name_remains_text(name: str) -> None:
    svg = one_week(name)

    assert elements(svg) == elements(one_week())
    assert name.replace("\x00", "") in words(svg)


def test_currency_remains_text() -> None:
    svg = drawn(
        earnings(organization_money=t.table("organization_money", [t.money(t.months(1)[0], 1, currency="<b>\x00")]))
    )

    assert "<b> 1" in words(svg)


def test_week_without_capacity_has_no_colour() -> None:
    lowest = area(one_week(billable=0), palette.BELOW_TARGET)
    without = area(one_week(billable=0, capacity=0), palette.BELOW_TARGET)

    assert lowest - without >= CELL


def test_work_without_capacity_differs_from_a_holiday() -> None:
    assert one_week(billable=6, capacity=0) != one_week(billable=0, capacity=0)


def test_people_of_the_same_name_have_a_row_each() -> None:
    rows = t.table("utilization_weekly", [t.week(0), t.week(1)])

    both = drawn(heat_map(utilization_weekly=rows))

    assert area(both, palette.AT_TARGET) - area(one_week(), palette.AT_TARGET) >= CELL


@pytest.mark.parametrize(
    ("used", "status"),
    [(79, "on_track"), (80, "at_risk"), (99, "at_risk"), (100, "over_budget"), (5000, "over_budget")],
)
def test_bar_has_the_colour_of_its_status(used: int, status: str) -> None:
    svg = one_bar(used=used)

    largest = max(palette.STATUS, key=lambda s: area(svg, palette.STATUS[s]))
    assert largest == status


def test_uncapped_and_closed_budgets_are_not_drawn() -> None:
    closed = t.projects(status="Completed")

    assert bars(budget_health=t.table("budget_health", [t.budget(cap=None)])) is None
    assert bars(budget_health=t.table("budget_health", [t.budget()]), projects=closed) is None


def test_budget_on_track_has_no_curve() -> None:
    burn = t.table("budget_burn", [t.burnt(month=date(2026, 11, 1), used=50, cumulative=50)])

    assert curves(budget_burn=burn, budget_health=t.table("budget_health", [t.budget()])) is None


def test_currencies_have_a_panel_each() -> None:
    one = drawn(aging(unbilled_aging=t.table("unbilled_aging", [t.unbilled(), t.unbilled()])))
    two = drawn(aging(unbilled_aging=t.table("unbilled_aging", [t.unbilled(), t.unbilled(currency="EUR")])))

    assert size(two)[1] > size(one)[1]


def test_unbilled_work_without_a_rate_makes_no_chart() -> None:
    assert aging(unbilled_aging=t.table("unbilled_aging", [t.unbilled(amount=None)])) is None


def one_timesheet(status: str) -> str | None:
    return timesheets(timesheet_compliance=t.table("timesheet_compliance", [t.timesheet(status=status)]))


@pytest.mark.parametrize("status", ["complete", "not_due"])
def test_timesheets_with_nothing_open_make_no_chart(status: str) -> None:
    assert one_timesheet(status) is None


@pytest.mark.parametrize("status", ["missing", "unsubmitted", "awaiting_approval"])
def test_week_has_the_colour_of_its_timesheet(status: str) -> None:
    svg = drawn(one_timesheet(status))

    assert max(palette.TIMESHEET, key=lambda s: area(svg, palette.TIMESHEET[s])) == status


def test_missing_hours_of_a_week_that_is_not_due_are_not_owed() -> None:
    def chart(missing: int) -> str:
        rows = [t.timesheet(), t.timesheet(start=t.MONDAY + timedelta(weeks=1), status="not_due", missing=missing)]
        return drawn(timesheets(timesheet_compliance=t.table("timesheet_compliance", rows)))

    assert chart(0) == chart(30)


def test_receivables_of_unknown_total_make_no_chart() -> None:
    rows = t.table("receivables_aging", [t.receivable(outstanding=None)])

    assert receivables(receivables_aging=rows) is None


def test_unknown_debtor_days_are_a_gap_and_not_0() -> None:
    def debtors(middle: float | None) -> float:
        past = [t.lockup(month, debtors=days) for month, days in zip(t.MONTHS[-4:-1], (45, middle, 45), strict=True)]
        return area(drawn(lockup([t.capital()], past)), palette.WAITING_FOR_PAYMENT)

    assert debtors(None) < debtors(45) < debtors(0)


def test_month_without_a_row_is_a_gap() -> None:
    def wip(*months: date) -> int:
        return area(drawn(lockup([], map(t.lockup, months))), palette.WAITING_FOR_INVOICE)

    assert wip(t.MONTHS[0], t.MONTHS[2]) < wip(*t.MONTHS[:3]) / 2


def test_lockup_is_drawn_over_time() -> None:
    assert lockup([t.capital()], [t.lockup(t.MONTHS[-2])]) != lockup([t.capital()], [t.lockup(t.MONTHS[-2], wip=60)])


def test_unknown_days_make_no_chart() -> None:
    unknown = t.lockup(t.MONTHS[-2], wip=None, debtors=None)
    assert lockup([t.capital(wip=None, debtors=None)], [unknown]) is None


def test_realization_is_a_ratio_of_sums() -> None:
    def chart(*rows: t.Row) -> str:
        return drawn(realization(person_economics=t.table("person_economics", rows)))

    october, november = t.economics(month=date(2026, 10, 1), value=1000, billed=0), t.economics(value=3000, billed=3000)

    assert area(chart(october, november), palette.BILLED_SHARE) == area(
        chart(t.economics(value=4, billed=3)), palette.BILLED_SHARE
    )


@pytest.mark.parametrize("value", [0, 2000])
def test_work_on_no_invoice_or_billed_in_full_makes_no_chart(value: int) -> None:
    assert realization(person_economics=t.table("person_economics", [t.economics(value=value, billed=value)])) is None


def test_unknown_cost_has_no_bar() -> None:
    def cost(row: t.Row) -> int:
        rows = t.table("fixed_price_progress", [row, t.progress(1)])
        return area(drawn(fixed_price(fixed_price_progress=rows)), palette.COST)

    assert cost(t.progress()) > 1.5 * cost(t.progress(cost=None))
    assert cost(t.progress() | {"earned_margin": None}) == cost(t.progress(cost=None))


def test_closed_fixed_price_projects_are_not_drawn() -> None:
    rows = t.table("fixed_price_progress", [t.progress()])

    assert fixed_price(fixed_price_progress=rows, projects=t.projects(status="Completed")) is None


def test_month_without_a_margin_is_a_gap_in_the_line() -> None:
    def line(middle_cost: int | None) -> int:
        costs = (60, middle_cost, 60)
        rows = [t.money(month, 100, cost) for month, cost in zip(t.months(3), costs, strict=True)]
        return area(drawn(earnings(organization_money=t.table("organization_money", rows))), palette.MARGIN)

    assert line(None) < line(60) / 4


def test_margin_of_a_project_is_a_ratio_of_sums_of_known_months() -> None:
    def bar(*rows: t.Row) -> float:
        return area(drawn(margins(project_profitability=t.table("project_profitability", rows))), palette.MARGIN)

    september, october, november = t.months(3)
    sums = bar(
        t.profitability(earned=100, cost=100, month=september), t.profitability(earned=300, cost=100, month=october)
    )
    assert sums == bar(t.profitability(earned=400, cost=200))
    assert sums == bar(t.profitability(earned=400, cost=200), t.profitability(earned=400, cost=None, month=november))
    assert margins(project_profitability=t.table("project_profitability", [t.profitability(cost=None)])) is None


def test_project_that_costs_more_than_it_earned_is_drawn_as_a_loss() -> None:
    svg = drawn(
        margins(project_profitability=t.table("project_profitability", [t.profitability(earned=100, cost=150)]))
    )
    assert area(svg, palette.LOSS) > 0
    assert area(svg, palette.MARGIN) == 0
    assert "1 of 1 projects earned no more than they cost" in words(svg)


def test_hidden_cost_draws_revenue_without_a_margin() -> None:
    rows = [t.money(month, 100, None) for month in t.months(3)]

    svg = drawn(earnings(organization_money=t.table("organization_money", rows)))

    assert area(svg, palette.REVENUE) > 1000
    assert area(svg, palette.MARGIN) == 0


def test_current_month_is_paler() -> None:
    rows = [t.money(month, 100) for month in t.months(2)]

    svg = drawn(earnings(organization_money=t.table("organization_money", rows)))

    assert area(svg, palette.REVENUE_SO_FAR) == pytest.approx(area(svg, palette.REVENUE), rel=0.1)


def test_month_without_capacity_is_a_gap_in_the_line() -> None:
    def line(middle: float | None) -> int:
        rows = [t.kpis(month, b) for month, b in zip(t.months(3), (0.7, middle, 0.7), strict=True)]
        return area(drawn(lines(organization_kpis=t.table("organization_kpis", rows))), palette.BILLABLE)

    assert line(None) < line(0.7) / 2
    assert line(None) < line(0.0)


def test_months_without_capacity_alone_in_the_latest_24_are_all_gaps() -> None:
    rows = [t.kpis(month, 0.7 if i == 0 else None) for i, month in enumerate(t.months(30))]

    assert area(drawn(lines(organization_kpis=t.table("organization_kpis", rows))), palette.BILLABLE) == 0


def test_same_tables_make_the_same_chart() -> None:
    assert one_bar(used=90) == one_bar(used=90)
    assert one_week("Ann") == one_week("Ann")
