"""The lock-up of past months: what working_capital would have said at their ends."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from timix_assets.metrics.lockup import lockup_months
from timix_assets.settings.firm import FirmConfig, MoneyPolicy
from timix_assets_tests.metrics.small_firm import Row, SmallFirm

MARCH = date(2026, 3, 1)


def firm(as_of: str = "2026-04-15", **columns: Any) -> SmallFirm:
    """9,000 of work in each month from January to March. January's is invoiced in it, February's in March; paid a month later."""
    firm = SmallFirm(first_month="2026-01-01", as_of=as_of)
    firm.having("invoices", id="jan", status="Paid", total=12000, issue_date="2026-01-30", paid_date="2026-02-27")
    firm.having("invoices", id="feb", total=12000, **{"status": "Sent", "issue_date": "2026-03-10", **columns})
    firm.entry("2026-01-05", 10, customer_rate=900, status="Invoiced", invoice_id="jan")
    firm.entry("2026-02-05", 10, customer_rate=900, status="Invoiced", invoice_id="feb")
    return firm.entry("2026-03-05", 10, customer_rate=900)


def days(firm: SmallFirm, month: int) -> tuple[float | None, float | None, float | None]:
    row: Row = firm.row("lockup_months", month=date(2026, month, 1))
    return row["wip_days"], row["debtor_days"], row["lockup_days"]


def test_work_waits_from_its_month_to_its_invoice_and_invoices_until_they_are_paid() -> None:
    assert days(firm(), 1) == (0, 31, 31)
    assert days(firm(), 2) == (29.5, 0, 29.5)
    assert days(firm(), 3) == (30, 45, 75)


def test_months_that_are_not_over_are_left_to_working_capital() -> None:
    assert [row["month"].month for row in firm().rows("lockup_months")] == [1, 2, 3]
    assert [row["month"].month for row in firm(as_of="2026-03-31").rows("lockup_months")] == [1, 2]


def test_month_end_is_what_working_capital_said_on_that_day() -> None:
    then = firm(as_of="2026-03-31").row("working_capital")
    assert days(firm(), 3) == (then["wip_days"], then["debtor_days"], then["lockup_days"])


@pytest.mark.parametrize("unknown", [{"issue_date": None}, {"status": "Void"}])
def test_work_billed_on_an_unknown_date_leaves_the_wip_of_its_window_unknown(unknown: dict[str, Any]) -> None:
    known = days(firm(**unknown), 1)
    wip, _, lockup = days(firm(**unknown), 2)
    assert known == (0, 31, 31)
    assert (wip, lockup) == (None, None)


def test_invoice_paid_on_an_unknown_date_leaves_the_debtors_of_its_window_unknown() -> None:
    assert days(firm(status="Paid"), 2)[1] == 0
    assert days(firm(status="Paid"), 3) == (30, None, None)


def test_month_that_was_never_read_has_no_lockup() -> None:
    gap = SmallFirm(first_month="2026-01-01", as_of="2026-04-15", unread=("2026-02",)).entry("2026-01-05", 10)
    assert [row["month"].month for row in gap.rows("lockup_months")] == [1, 3]
    assert days(gap, 3)[0] == 62


def test_window_is_as_many_months_as_the_setting_says() -> None:
    params = replace(firm().params, firm=FirmConfig(money_policy=MoneyPolicy(lockup_window_days=30)))
    rows = lockup_months(**firm().inputs(lockup_months) | {"params": params}).collect()
    assert rows["wip_days"].to_list() == [0, 28, 31]


def test_currencies_never_mix() -> None:
    both = firm().entry("2026-03-06", 10, customer_rate=900, currency="EUR")
    assert {row["currency"]: row["wip_days"] for row in both.rows("lockup_months", month=MARCH)} == {
        "USD": 30,
        "EUR": 31 + 28 + 31,
    }
