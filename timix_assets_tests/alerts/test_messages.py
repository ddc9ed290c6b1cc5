"""What messages say."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl

from timix_assets.alerts.crossings import Budget, Crossing
from timix_assets.alerts.expiry import Key
from timix_assets.alerts.messages import (
    MOST_FAILURES,
    FailedRun,
    budgets_crossed,
    key_expires,
    run_failed,
    weekly_summary,
)
from timix_assets.metrics.amounts import AMOUNT
from timix_assets.summary import CutHistory, IdleMonths, Period, Project, Summary

TODAY = date(2026, 11, 18)
LINK = "http://127.0.0.1:3000/assets/rollups/budget_health"
ASSET = "rollups/budget_health"
HEBREW_FIRM = "שמש בע״מ"
APOLLO = Budget(
    "prj-1", "TM", "Apollo", "Acme", "at_risk", Decimal("83.5"), Decimal("100"), None, TODAY + timedelta(days=9)
)


def test_one_crossing_is_named_in_the_title_and_told_with_burn_cap_date_and_link() -> None:
    message = budgets_crossed([Crossing(APOLLO, "on_track", worsened=True)], TODAY, TODAY, ASSET, LINK)
    assert message.title == "Apollo: time and materials at risk"
    assert message.text == (
        "• Apollo, customer Acme: time and materials budget at risk, was on track. Burn 83 %: 83.5 of a cap of 100 h. "
        f"At this rate used up on 27 Nov 2026.\n\nAs of 18 Nov 2026. {LINK}"
    )


def test_money_stands_with_its_currency_and_a_reached_cap_with_its_day() -> None:
    over = replace(
        APOLLO,
        scope="amount",
        status="over_budget",
        used=Decimal("12000.50"),
        cap=Decimal("12000"),
        currency="EUR",
        exhaustion_date=date(2026, 11, 17),
    )
    text = budgets_crossed([Crossing(over, "at_risk", worsened=True)], TODAY, TODAY, ASSET, LINK).text
    assert "amount budget over budget, was at risk. Burn 100 %: 12,000.5 of a cap of 12,000 EUR. Cap reached on" in text


def test_many_crossings_are_one_message_with_a_line_each() -> None:
    soon = Crossing(replace(APOLLO, status="on_track"), "on_track", worsened=False)
    message = budgets_crossed([soon, soon, soon], TODAY, TODAY, ASSET, LINK)
    assert message.title == "3 budgets need attention"
    assert message.text.count("• Apollo, customer Acme: time and materials budget soon used up.") == 3


def test_a_hebrew_name_is_isolated_so_that_figures_keep_their_order() -> None:
    named = replace(APOLLO, project="פרויקט תשתיות", customer="שמש בע״מ")
    message = budgets_crossed([Crossing(named, "on_track", worsened=True)], TODAY, TODAY, ASSET, LINK)
    assert message.title == "\u2067פרויקט תשתיות\u2069: time and materials at risk"
    assert "customer \u2067שמש בע״מ\u2069: time" in message.text


def test_a_failed_run_has_a_line_for_each_cause_and_says_how_many_more() -> None:
    sentences = [(f"timix/t{n}", f"Table {n} was refused;\n  make a new key.") for n in range(MOST_FAILURES + 2)]
    message = run_failed(FailedRun("close_month", "2026-08 to 2026-11", sentences), "http://ui/runs/x")
    assert message.title == "close_month failed (2026-08 to 2026-11)"
    assert "• timix/t0: Table 0 was refused; make a new key.\n" in message.text
    assert message.text.endswith("• and 2 more\n\nhttp://ui/runs/x")


def test_one_cause_is_one_line_whichever_assets_it_struck() -> None:
    sentences = [(f"timix/t{n}", "The key was refused.") for n in range(7)]
    message = run_failed(FailedRun("close_month", "", sentences), LINK)
    assert message.text == f"• timix/t0, timix/t1, timix/t2 and 4 more: The key was refused.\n\n{LINK}"


def test_a_run_without_a_job_is_called_what_it_is() -> None:
    message = run_failed(FailedRun("__ASSET_JOB", "2026-09", [("timix/me", "The key was refused.")]), LINK)
    assert message.title == "selected assets failed (2026-09)"


def test_a_page_long_error_is_cut() -> None:
    message = run_failed(FailedRun("close_month", "", [("timix/me", "x" * 9_000)]), "http://ui/runs/x")
    assert len(message.text) < 600
    assert "…" in message.text


def test_the_keys_end_is_told_in_days_and_as_a_moment() -> None:
    now = datetime(2026, 11, 18, 12, tzinfo=UTC)
    message = key_expires(Key("lake", now + timedelta(days=13, hours=5)), now, "timix/me", LINK)
    assert message.title == "The Timix API key lake expires in 13 days"
    assert "It expires on 1 Dec 2026, 17:00 UTC" in message.text
    assert (
        key_expires(Key("", now - timedelta(hours=1)), now, "timix/me", LINK).title == "The Timix API key has expired"
    )
    assert "in 1 day" in key_expires(Key("", now + timedelta(hours=3)), now, "timix/me", LINK).title


def test_the_weekly_summary_has_utilization_budgets_and_unbilled_work() -> None:
    unbilled = pl.DataFrame(
        {"currency": ["EUR"], "bucket": ["31-60"], "hours": [Decimal("12.5")], "amount": [Decimal("1234.50")]},
        schema_overrides={"hours": AMOUNT, "amount": AMOUNT},
    )
    summary = Summary(
        TODAY,
        TODAY + timedelta(days=1),
        HEBREW_FIRM,
        "lake",
        [
            Period("October 2026", Decimal(900), Decimal(1000), 0.75, 0.9),
            Period("none", Decimal(0), Decimal(0), None, None),
        ],
        [Project("Apollo", "Acme", "TM", "over_budget", 1.04, date(2026, 11, 2), None)],
        unbilled,
        IdleMonths(date(2026, 1, 1), date(2026, 1, 1), date(2026, 2, 1)),
        CutHistory(1, date(2026, 1, 1)),
    )
    message = weekly_summary(summary, "rollups/organization_kpis", LINK)
    assert message.title == f"\u2067{HEBREW_FIRM}\u2069 as of 18 Nov 2026"
    for line in (
        "Computed 1 day ago; refresh first.",
        "No work before February 2026 is in the lake, so the capacity of January 2026 lowers 2026 to date; if the firm "
        "began then, set TIMIX_START_MONTH to 2026-02 and refresh into a new lake.",
        "• October 2026: 75 % billable, 90 % in all (900 of 1,000 h)",
        "• Apollo, customer Acme: time and materials over budget, burn 104 %, cap reached 2 Nov 2026",
        "1 running project with a cap began before the first loaded month (2026-01), so its burn may be higher: set "
        "TIMIX_START_MONTH earlier.",
        "• 31-60 days old: 12.5 h, 1,234.5 EUR",
    ):
        assert line in message.text.splitlines()
    assert message.text.endswith(LINK)


def test_a_quiet_week_says_none() -> None:
    empty = pl.DataFrame(schema={"currency": pl.String, "bucket": pl.String, "hours": AMOUNT, "amount": AMOUNT})
    assert (
        weekly_summary(Summary(TODAY, TODAY, None, "lake", [], [], empty, None, None), "", LINK).text.count("• none")
        == 2
    )
