"""When the weekly summary is due, and its message."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from timix_assets.alerts.weekly_summary import last_monday, weekly_summary_message
from timix_assets.contract.schema import AMOUNT
from timix_assets.reporting.summary import Budget, LateStart, LateTime, Money, Period, Summary

TODAY = date(2026, 11, 18)
LINK = "http://127.0.0.1:3000/assets/rollups/budget_health"
HEBREW_FIRM = "שמש בע״מ"


@pytest.mark.parametrize(
    ("now", "monday"),
    [
        (datetime(2026, 11, 16, 7, 59), date(2026, 11, 9)),
        (datetime(2026, 11, 16, 8, 0), date(2026, 11, 16)),
        (datetime(2026, 11, 18, 3, 0), date(2026, 11, 16)),
        (datetime(2026, 11, 22, 23, 0), date(2026, 11, 16)),
    ],
)
def test_weekly_summary_is_due_from_monday_morning(now: datetime, monday: date) -> None:
    assert last_monday(now) == monday


def test_message_has_utilization_budgets_and_unbilled_work() -> None:
    unbilled = pl.DataFrame(
        {
            "currency": ["EUR", "EUR"],
            "bucket": ["31-60", "future"],
            "hours": [Decimal("12.5"), Decimal(2)],
            "amount": [Decimal("1234.50"), Decimal(200)],
        },
        schema_overrides={"hours": AMOUNT, "amount": AMOUNT},
    )
    summary = Summary(
        TODAY,
        TODAY + timedelta(days=1),
        HEBREW_FIRM,
        "lake",
        [
            Period("October 2026", Decimal(900), Decimal(1000), 0.75, 0.9, target=0.7, before=0.76, year_before=0.75),
            Period("none", Decimal(0), Decimal(0), None, None),
        ],
        [Budget("p", "TM", "Apollo", "Acme", "over_budget", Decimal(104), Decimal(100), None, date(2026, 11, 2), 1.04)],
        unbilled,
        LateStart(3, 1, date(2026, 1, 1), [("EUR", Decimal(5000))]),
        [
            Money(
                currency="EUR",
                revenue=Decimal(850),
                margin=0.3,
                earned=Decimal(900),
                earned_margin=0.35,
                invoiced=Decimal(800),
                paid=None,
                unbilled=Decimal(70),
                outstanding=Decimal(60),
                overdue=Decimal(50),
                lockup_days=41.6,
            )
        ],
        LateTime(date(2026, 11, 9), [("Ann", Decimal("6.5"))], ["Bo", "Cy"]),
    )
    message = weekly_summary_message(summary, "rollups/organization_kpis", LINK)
    assert message.title == f"\u2067{HEBREW_FIRM}\u2069 as of 18 Nov 2026"
    for line in (
        "Computed 1 day ago; refresh first.",
        "• EUR: revenue 850, earned 900 at a margin of 35 %, invoiced 800, paid unknown in October 2026; unbilled 70, "
        "outstanding 60, of which overdue 50; "
        "lock-up 42 days",
        "Time not in, week of 9 Nov 2026",
        "• Ann: 6.5 h missing",
        "• not submitted: Bo, Cy",
        "• October 2026: 75 % billable, 5 points above the target of 70 %, 1 point below the month before, the same as the year "
        "before; 90 % total (900 of 1,000 h)",
        "• Apollo, customer Acme: time and materials budget over budget, burn 104 %, cap reached on 2 Nov 2026",
        "1 running project with a cap began before the first loaded month (2026-01), so its burn may be higher. Set "
        "TIMIX_START_MONTH to an earlier month.",
        "• 31-60 days old: 12.5 h, 1,234.5 EUR",
        "• dated in the future: 2 h, 200 EUR",
        "The lake begins with 2026-01 and 3 projects began earlier, so older unbilled work may be missing here: Timix reports "
        "5,000.00 EUR in all. Set TIMIX_START_MONTH to an earlier month.",
    ):
        assert line in message.text.splitlines()
    assert message.text.endswith(LINK)


def test_message_without_rows_says_none() -> None:
    empty = pl.DataFrame(schema={"currency": pl.String, "bucket": pl.String, "hours": AMOUNT, "amount": AMOUNT})
    summary = Summary(TODAY, TODAY, None, "lake", [], [], empty, None, [], LateTime(None, [], []))
    assert weekly_summary_message(summary, "", LINK).text.count("• none") == 3


def test_message_without_invoices_says_so_and_names_no_amount() -> None:
    period = Period("October 2026", Decimal(900), Decimal(1000), 0.75, 0.9)
    nothing = pl.DataFrame(schema={"currency": pl.String, "bucket": pl.String, "hours": AMOUNT, "amount": AMOUNT})
    late = LateTime(None, [], [])
    summary = Summary(TODAY, TODAY, "Firm", "lake", [period], [], nothing, None, [], late, has_invoices=False)
    text = weekly_summary_message(summary, "", LINK).text
    assert text.startswith("Invoices were never read")
    assert "Money" not in text
    assert "not invoiced yet" not in text
    assert "October 2026: 75 % billable" in text
