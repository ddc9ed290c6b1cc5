"""docs/metrics.md, 9: the worked examples, computed by the product and by the oracle."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache

import pytest

from timix_assets.settings.firm import Targets

from .oracle import compute
from .small_firm import MONDAY, TABLES, D, Row, SmallFirm, week_of

TUESDAY, WEDNESDAY, FRIDAY = date(2026, 3, 3), date(2026, 3, 4), date(2026, 3, 6)
WEEK = {"user_id": "ann", "week_start": MONDAY}
AFTERNOON_OFF = {"full_day_off": False, "window_start": "13:00", "window_end": "18:00"}

Rows = Callable[[SmallFirm, str], list[Row]]


def holidays(firm: SmallFirm, *days: date, **holiday: object) -> SmallFirm:
    """Ann's own holiday profile."""
    of_profile = [{"date": day, "name": "Holiday", **holiday} for day in days]
    firm.user(holiday_profile_id="hers").having("holiday_profiles", id="hers", year=2026, holidays=of_profile)
    return firm


def four_day_week() -> SmallFirm:
    return SmallFirm().user(work_schedule=week_of("09:00", "18:00", days=4))


def nine_to_six() -> SmallFirm:
    return holidays(SmallFirm().user(work_schedule=week_of("09:00", "18:00")), WEDNESDAY, **AFTERNOON_OFF)


def two_people() -> SmallFirm:
    firm = SmallFirm().user(weekly_hours=40, start_date=MONDAY, end_date=FRIDAY)
    firm.user(id="bob", weekly_hours=10, start_date=MONDAY, end_date=FRIDAY)
    return firm.entries(MONDAY, 5, 4).entries(MONDAY, 5, 2, user_id="bob")


def week_of_holidays() -> SmallFirm:
    firm = holidays(SmallFirm(as_of="2026-03-08"), *(MONDAY + timedelta(days=n) for n in range(5))).entry(MONDAY, 6)
    return firm.user(id="bob", weekly_hours=40)


def used(hours: str, cap: int | None) -> SmallFirm:
    firm = SmallFirm().project(tm_hour_limit=cap).entries(MONDAY, 4, 19)
    return firm.entry(FRIDAY, str(D(hours) - 76))


def a_thousand_tenths() -> SmallFirm:
    firm = SmallFirm()
    for n in range(1000):
        firm.entry(MONDAY, "0.1", user_id=f"user {n % 50}")
    return firm


def two_currencies() -> SmallFirm:
    return (
        SmallFirm().entry(MONDAY, 10, customer_rate="120.00").entry(MONDAY, 5, customer_rate="100.00", currency="EUR")
    )


def waiting(status: str) -> SmallFirm:
    firm = SmallFirm(first_month="2026-01-01")
    return firm.entry(firm.params.as_of - timedelta(days=45), 2, customer_rate="90.00", status=status)


def invoiced(status: str) -> SmallFirm:
    firm = SmallFirm(first_month="2026-01-01").having("invoices", id="bill", customer_id="acme", status=status)
    return firm.entry(firm.params.as_of - timedelta(days=45), 2, customer_rate="90.00", invoice_id="bill")


def contract_at(cost: str) -> SmallFirm:
    firm = SmallFirm(targets=Targets(contract_margin=D("0.35"))).project(contract_amount=1000)
    return firm.entry(MONDAY, 1, subtask_id="fix", cost_rate=cost)


def fixed_price(*, uncosted: bool = False) -> SmallFirm:
    firm = SmallFirm().project(contract_amount=2000, fix_hour_limit=10)
    firm.entry(MONDAY, 10).entry(MONDAY, 5, subtask_id="fix", cost_rate=50)
    return firm.entry(MONDAY, 1, cost_rate=None) if uncosted else firm


def half_a_month() -> SmallFirm:
    """160 hours of capacity in February 2026, 80 of them by the 13th."""
    return SmallFirm(first_month="2026-02-01", as_of="2026-02-15").entries("2026-02-02", 10, 5)


def receivable(**invoice: object) -> SmallFirm:
    firm = SmallFirm(as_of="2026-03-31")
    return firm.having("invoices", **{"id": "bill", "customer_id": "acme", "status": "Sent", "total": 1000, **invoice})


def locked_up() -> SmallFirm:
    """Unbilled 9,000 of a revenue of 27,000 in 90 days; outstanding 12,000 of 24,000 invoiced."""
    firm = SmallFirm(first_month="2026-01-01", as_of="2026-03-31")
    firm.having("invoices", id="paid", customer_id="acme", status="Paid", total=12000, issue_date="2026-01-15")
    firm.having("invoices", id="sent", customer_id="acme", status="Sent", total=12000, issue_date="2026-02-15")
    firm.entry("2026-01-05", 10, customer_rate=900, status="Invoiced", invoice_id="paid")
    return firm.entry("2026-02-05", 10, customer_rate=900, status="Invoiced", invoice_id="sent").entry(
        MONDAY, 10, customer_rate=900
    )


def billed_net(net: int) -> SmallFirm:
    firm = SmallFirm().having("invoices", id="bill", customer_id="acme", status="Sent", subtotal=net)
    for user in ("ann", "bob"):
        firm.entry(MONDAY, 20, user_id=user, status="Invoiced", invoice_id="bill")
    return firm


def with_a_gap() -> SmallFirm:
    firm = SmallFirm(first_month="2025-10-01", as_of="2026-06-30", unread=("2026-03",))
    return firm.entry("2026-01-05", 8).entry("2026-06-01", 8, cost_rate_currency="ILS")


def completed(month: str) -> tuple[Callable[[], SmallFirm], str, Row]:
    def firm() -> SmallFirm:
        firm = SmallFirm(first_month="2026-02-01", as_of="2026-04-30").project(tm_hour_limit=10, status="Completed")
        return firm.entry("2026-02-03", 12).entry(MONDAY, 1)

    return firm, "organization_kpis", {"month": date.fromisoformat(month)}


def timesheet(*, as_of: str = "2026-03-10", first: str = "Draft", hours: str = "8") -> SmallFirm:
    """A week of 40 hours that ended on Sunday, 8 March."""
    firm = SmallFirm(as_of=as_of).entry(MONDAY, hours, status=first)
    return firm.entry(TUESDAY, 10, status="Submitted").entry(WEDNESDAY, 20)


TM = {"level": "project", "scope": "TM"}
CONTRACT = {"level": "project", "scope": "contract"}

EXAMPLES = [
    (
        "1",
        lambda: holidays(SmallFirm(), WEDNESDAY).entries(MONDAY, 3, 8).entry(FRIDAY, 4, subtask_id="ovh"),
        "utilization_weekly",
        WEEK,
        {
            "capacity_hours": 32,
            "logged_hours": 28,
            "billable_hours": 24,
            "overhead_hours": 4,
            "billable_utilization": 0.75,
            "total_utilization": 0.875,
        },
    ),
    ("2 Friday", lambda: holidays(four_day_week(), FRIDAY), "utilization_weekly", WEEK, {"capacity_hours": 32}),
    (
        "2 half a Monday",
        lambda: holidays(four_day_week(), MONDAY, full_day_off=False),
        "utilization_weekly",
        WEEK,
        {"capacity_hours": 28},
    ),
    (
        "3",
        lambda: SmallFirm().user(start_date=WEDNESDAY).entries(WEDNESDAY, 2, 10),
        "utilization_weekly",
        WEEK,
        {"capacity_hours": 24, "billable_utilization": 20 / 24},
    ),
    (
        "4",
        two_people,
        "organization_kpis",
        {},
        {"billable_hours": 30, "capacity_hours": 50, "billable_utilization": 0.60},
    ),
    (
        "5 person",
        week_of_holidays,
        "utilization_weekly",
        WEEK,
        {"billable_utilization": None, "total_utilization": None, "worked_at_zero_capacity": True},
    ),
    ("5 firm", week_of_holidays, "organization_kpis", {}, {"billable_hours": 6, "billable_utilization": 6 / 40}),
    (
        "6 unused",
        lambda: SmallFirm().project(tm_hour_limit=100),
        "budget_health",
        TM,
        {"used": 0, "status": "on_track"},
    ),
    ("6 on track", lambda: used("79.99", 100), "budget_health", TM, {"used": D("79.99"), "status": "on_track"}),
    ("6 at risk", lambda: used("80", 100), "budget_health", TM, {"used": 80, "status": "at_risk"}),
    ("6 below critical", lambda: used("99.99", 100), "budget_health", TM, {"status": "at_risk"}),
    ("6 over budget", lambda: used("100", 100), "budget_health", TM, {"used": 100, "status": "over_budget"}),
    ("6 cap of 0", lambda: used("100", 0), "budget_health", TM, {"cap": None, "burn": None, "status": "no_budget"}),
    ("6 no cap", lambda: used("100", None), "budget_health", TM, {"cap": None, "burn": None, "status": "no_budget"}),
    *(
        (f"7 {table} {currency}", two_currencies, table, {"currency": currency}, {"revenue": revenue})
        for table in ("project_profitability", "organization_money")
        for currency, revenue in (("USD", 1200), ("EUR", 500))
    ),
    ("8", a_thousand_tenths, "organization_kpis", {}, {"total_hours": 100}),
    (
        "9 approved",
        lambda: waiting("Approved"),
        "unbilled_aging",
        {},
        {
            "bucket": "31-60",
            "amount": 180,
            "hours": 2,
            "entry_count": 1,
            "oldest_date": date(2026, 2, 14),
            "unapproved_hours": 0,
        },
    ),
    (
        "9 submitted",
        lambda: waiting("Submitted"),
        "unbilled_aging",
        {},
        {"bucket": "31-60", "amount": 0, "hours": 0, "entry_count": 0, "oldest_date": None, "unapproved_hours": 2},
    ),
    (
        "10 day",
        nine_to_six,
        "capacity_daily",
        {"date": MONDAY},
        {"capacity_hours": 8, "capacity_source": "api_schedule"},
    ),
    ("10 full week", nine_to_six, "utilization_weekly", {"week_start": date(2026, 3, 9)}, {"capacity_hours": 40}),
    (
        "10 afternoon off",
        nine_to_six,
        "capacity_daily",
        {"date": WEDNESDAY},
        {"capacity_hours": D("3.5556"), "holiday_hours": D("4.4444"), "holiday_name": "Holiday"},
    ),
    ("10 week", nine_to_six, "utilization_weekly", WEEK, {"capacity_hours": D("35.5556")}),
    ("11 over", lambda: used("99", 100).entry(FRIDAY, 2), "budget_health", TM, {"outlook": "overrun_expected"}),
    ("11 within", lambda: used("99", 100), "budget_health", TM, {"outlook": None}),
    ("11 contract at risk", lambda: contract_at("650"), "budget_health", CONTRACT, {"status": "at_risk"}),
    ("11 contract on track", lambda: contract_at("649.99"), "budget_health", CONTRACT, {"status": "on_track"}),
    (
        "12 draft",
        lambda: invoiced("Draft"),
        "unbilled_aging",
        {},
        {"amount": 180, "on_draft_invoice_hours": 2, "on_draft_invoice_amount": 180},
    ),
    ("12 void", lambda: invoiced("Void"), "unbilled_aging", {}, {"amount": 180, "on_draft_invoice_amount": 0}),
    (
        "13",
        fixed_price,
        "project_profitability",
        {},
        {
            "revenue": 1000,
            "cost": 650,
            "tm_cost": 400,
            "fix_cost": 250,
            "margin": 0.35,
            "tm_margin": 0.60,
            "fixed_earned": 1000,
            "earned_revenue": 2000,
            "earned_margin": 0.675,
        },
    ),
    (
        "13 progress",
        fixed_price,
        "fixed_price_progress",
        {},
        {"percent_complete": 0.5, "earned_to_date": 1000, "earned_margin": 0.75, "expected_margin": 0.75},
    ),
    (
        "13 uncosted",
        lambda: fixed_price(uncosted=True),
        "project_profitability",
        {},
        {"revenue": 1100, "uncosted_hours": 1, "logged_hours": 16, "margin": None},
    ),
    (
        "14",
        half_a_month,
        "utilization_monthly",
        {},
        {"needed_hours": 70, "needed_utilization": 0.875, "needed_hours_per_day": 7.0},
    ),
    (
        "15 part payment",
        lambda: receivable(amount_paid=250, due_date="2026-02-19"),
        "receivables_aging",
        {},
        {"bucket": "31-60", "outstanding": 750, "invoice_count": 1},
    ),
    (
        "15 paid later",
        lambda: receivable(status="Paid", paid_date="2026-04-02", due_date="2026-02-19"),
        "receivables_aging",
        {},
        {"bucket": "31-60", "outstanding": 1000},
    ),
    (
        "16",
        locked_up,
        "working_capital",
        {},
        {
            "unbilled": 9000,
            "revenue_in_window": 27000,
            "outstanding": 12000,
            "invoiced_in_window": 24000,
            "window_days": 90,
            "wip_days": 30.0,
            "debtor_days": 45.0,
            "lockup_days": 75.0,
        },
    ),
    (
        "17",
        lambda: billed_net(3600),
        "person_economics",
        {"user_id": "bob"},
        {"invoiced_value": 2000, "billed_value": 1800, "realization": 0.90},
    ),
    ("17 above", lambda: billed_net(5000), "person_economics", {"user_id": "bob"}, {"realization": 1.0}),
    (
        "18 week",
        with_a_gap,
        "utilization_weekly",
        {"week_start": date(2026, 2, 23)},
        {"is_partial": True, "capacity_full_hours": 40},
    ),
    (
        "18 cost",
        with_a_gap,
        "project_profitability",
        {"month": date(2026, 6, 1)},
        {"cost": None, "uncosted_hours": 8},
    ),
    ("19 March", *completed("2026-03-01"), {"projects_over_budget": 1}),
    ("19 April", *completed("2026-04-01"), {"projects_over_budget": 0}),
    ("20 missing", timesheet, "timesheet_compliance", WEEK, {"missing_hours": 2, "status": "missing"}),
    ("20 unsubmitted", lambda: timesheet(hours="9.5"), "timesheet_compliance", WEEK, {"status": "unsubmitted"}),
    ("20 not due", lambda: timesheet(as_of="2026-03-09"), "timesheet_compliance", WEEK, {"status": "not_due"}),
    (
        "20 approved",
        lambda: timesheet(first="Approved", hours="9.5"),
        "timesheet_compliance",
        WEEK,
        {"status": "awaiting_approval"},
    ),
]
"""Number, firm, table, the row's key, and what the row says."""


def by_product(firm: SmallFirm, table: str) -> list[Row]:
    return firm.table(table).to_dicts()


def by_oracle(firm: SmallFirm, table: str) -> list[Row]:
    return compute({name: firm.raw(name).collect().to_dicts() for name in TABLES}, firm.params)[table]


made = cache(lambda firm: firm())


@pytest.mark.parametrize("rows", [by_product, by_oracle])
@pytest.mark.parametrize(
    ("firm", "table", "key", "figures"), [example[1:] for example in EXAMPLES], ids=[example[0] for example in EXAMPLES]
)
def test_worked_example(rows: Rows, firm: Callable[[], SmallFirm], table: str, key: Row, figures: Row):
    (row,) = (row for row in rows(made(firm), table) if row.items() >= key.items())
    assert {name: row[name] for name in figures} == {
        name: pytest.approx(value, rel=1e-15) if isinstance(value, float) else value for name, value in figures.items()
    }


@pytest.mark.parametrize("rows", [by_product, by_oracle])
def test_months_never_read_and_before_the_first_entry_have_no_row(rows: Rows):
    firm = with_a_gap()
    assert [row["month"].month for row in rows(firm, "organization_kpis")] == [1, 2, 4, 5, 6]


@pytest.mark.parametrize("rows", [by_product, by_oracle])
def test_work_on_a_sent_invoice_is_not_unbilled(rows: Rows):
    assert rows(invoiced("Sent"), "unbilled_aging") == []


def test_currencies_are_never_summed():
    firm = two_currencies()
    for rows in (by_product, by_oracle):
        for table in ("project_profitability", "organization_money"):
            assert len(rows(firm, table)) == 2
