"""Words of real workspaces: further spellings are stored as the documented value, and counted."""

from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest

from timix_assets.contract.decode_report import DecodeReport
from timix_assets.contract.endpoints import BY_NAME, INVOICES, ORG_USERS, PROJECTS, SUBTASKS, TIME_REPORTS
from timix_assets.contract.records import decode

from .sent import ENTRY, entry, stored

WORK = {"Active": "Enabled", "Inactive": "Archived, Disabled, Deactivated", "Completed": "Complete, Done, Closed"}
PEOPLE = {"Active": "Enabled", "Inactive": "Archived, Disabled, Deactivated"}
BILLING = {
    "TM": "TandM, TimeAndMaterial, TimeAndMaterials, TimeMaterials, Hourly",
    "Fix": "Fixed, FixedPrice, FixedFee",
    "OVH": "Overhead, NonBillable, Internal",
}
SPELLINGS = {
    ("time_reports", "billing_type"): BILLING,
    ("subtasks", "billing_type"): BILLING,
    ("projects", "billing_types"): BILLING,
    ("time_reports", "status"): {"Submitted": "Pending, PendingApproval", "Invoiced": "Billed", "Rejected": "Declined"},
    ("projects", "status"): {
        "OnHold": "Paused",
        "Completed": "Complete, Done, Closed, Finished",
        "Cancelled": "Canceled",
    },
    ("tasks", "status"): WORK,
    ("subtasks", "status"): WORK,
    ("customers", "status"): PEOPLE,
    ("org_users", "status"): PEOPLE,
    ("invoices", "status"): {
        "Issued": "Finalized",
        "Sent": "Viewed, Overdue, PartiallyPaid",
        "Void": "Voided, Cancelled, Canceled",
    },
    ("budget_health_report", "status"): {"on-track": "OK", "warning": "AtRisk", "critical": "OverBudget"},
}
EVERY_SPELLING = [
    (*where, value, spelling)
    for where, values in SPELLINGS.items()
    for value, spellings in values.items()
    for spelling in spellings.split(", ")
]


def read(table: str, column: str, word: object) -> object:
    """What a word becomes in a table's column."""
    endpoint = BY_NAME[table]
    record = {**(ENTRY if table == "time_reports" else {"id": 1, "projectId": 1})}
    value = stored(endpoint, {**record, endpoint.column(column).source: word}, column)
    return value.item() if isinstance(value, pl.Series) else value


@pytest.mark.parametrize(("table", "column", "value", "spelling"), EVERY_SPELLING)
def test_a_further_spelling_is_stored_as_the_documented_value(table, column, value, spelling):
    assert read(table, column, spelling) == value
    assert read(table, column, f" {spelling.upper()}") == value


def test_the_contract_declares_no_other_spellings():
    declared = {
        (endpoint.name, column.name, value, spelling)
        for endpoint in BY_NAME.values()
        for column in endpoint.columns
        for value, spellings in column.spellings.items()
        for spelling in spellings
        if spelling not in ("true", "false")
    }
    assert declared == set(EVERY_SPELLING)


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        *dict.fromkeys(["T&M", "t & m", "T/M", "T.M.", "TM", "Time & Materials", "time-and-materials"], "TM").items(),
        *dict.fromkeys(["fix", "Fixed Price", "FIXED_FEE"], "Fix").items(),
        *dict.fromkeys(["Non-Billable", "non billable", "OVH"], "OVH").items(),
    ],
)
def test_case_separators_and_ampersand_do_not_matter(sent, value):
    assert read("time_reports", "billing_type", sent) == value


def test_an_unknown_word_is_stored_as_it_came():
    report = decode(SUBTASKS, [{"id": 1, "billingType": "T & E"}]).report
    assert read("subtasks", "billing_type", "T & E") == "T & E"
    assert (report.unknown_values, report.spellings) == ({"billing_type": {"T & E": 1}}, {})


def test_each_spelling_is_counted_as_sent_over_all_pages():
    pages = [["T&M", "Hourly", "TM", None], ["T&M", "t m", "Fixed Price", 7]]
    report = DecodeReport()
    for page in pages:
        report += decode(TIME_REPORTS, [entry(billingType=word) for word in page]).report
    assert report.spellings == {
        "billing_type": {("T&M", "TM"): 2, ("Hourly", "TM"): 1, ("Fixed Price", "Fix"): 1},
    }
    assert report.unknown_values == {"billing_type": {"7": 1}}
    assert report.spelling_messages(TIME_REPORTS) == [
        "`billing_type` of time_reports has other words for known values: Fixed Price is read as Fix (1), "
        "Hourly is read as TM (1), T&M is read as TM (2)."
    ]


def test_spellings_in_lists_are_counted_and_are_no_difference_from_the_contract():
    sent = {column.source: None for column in PROJECTS.columns} | {"id": 1, "billingTypes": ["T&M", "Fix"]}
    decoded = decode(PROJECTS, [sent])
    assert decoded.rows["billing_types"].to_list() == [["TM", "Fix"]]
    assert decoded.report.spellings == {"billing_types": {("T&M", "TM"): 1}}
    assert decoded.report.messages(PROJECTS) == []


def test_a_boolean_status_is_counted_too():
    report = decode(ORG_USERS, [{"id": i, "isActive": active} for i, active in enumerate([True, False, True])]).report
    assert report.spellings == {"status": {("true", "Active"): 2, ("false", "Inactive"): 1}}


def test_known_values_alone_are_no_spellings():
    words = ["Draft", "PAID", "Sent", None]
    report = decode(INVOICES, [{"id": i, "status": word} for i, word in enumerate(words)]).report
    assert (report.spellings, report.unknown_values) == ({}, {})


def test_an_override_can_give_a_word_another_meaning():
    sql = "CASE WHEN status = 'Pending' THEN 'Draft' ELSE status END"
    columns = (
        replace(column, expression=sql) if column.name == "status" else column for column in TIME_REPORTS.columns
    )
    overridden = replace(TIME_REPORTS, columns=tuple(columns))
    decoded = decode(overridden, [entry(status=status) for status in ("Pending", "Billed")])
    assert decoded.rows["status"].to_list() == ["Draft", "Invoiced"]
    assert decoded.report.spellings == {"status": {("Billed", "Invoiced"): 1}}


@pytest.mark.parametrize("spellings", [{"TM": ("Fix",)}, {"TM": ("Same",), "Fix": ("S-a-m-e",)}, {"Retainer": ("R",)}])
def test_a_spelling_belongs_to_exactly_one_value(spellings):
    with pytest.raises(ValueError, match="billing_type: every spelling"):
        replace(TIME_REPORTS.column("billing_type"), spellings=spellings)


def test_new_fields_of_entries_users_and_invoices_are_read_under_every_name():
    assert stored(TIME_REPORTS, entry(costRateCurrency="ILS"), "cost_rate_currency") == "ILS"
    assert stored(TIME_REPORTS, entry(costCurrency="ILS"), "cost_rate_currency") == "ILS"
    assert str(stored(ORG_USERS, {"id": 1, "hireDate": "2026-02-01"}, "start_date")) == "2026-02-01"
    assert str(stored(ORG_USERS, {"id": 1, "terminationDate": "2026-02-01"}, "end_date")) == "2026-02-01"
    assert stored(INVOICES, {"id": 1, "projectId": 7}, "project_id") == "7"
    for name in ("amountPaid", "paidAmount"):
        assert stored(INVOICES, {"id": 1, name: "250.00"}, "amount_paid") == Decimal(250)
