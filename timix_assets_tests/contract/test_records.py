"""What becomes of a record: a row with its rescued data, or quarantine; and what is found out on the way."""

import json
from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from timix_assets.contract.decode_report import DecodeReport
from timix_assets.contract.endpoints import (
    CUSTOMER_BILLING_REPORT,
    CUSTOMERS,
    ENDPOINTS,
    HOLIDAY_PROFILES,
    INVOICES,
    ORG_USERS,
    PROJECTS,
    REVENUE_REPORT,
    TIME_REPORTS,
)
from timix_assets.contract.records import REJECTED_SCHEMA, decode
from timix_assets.contract.schema import RESCUED

from .sent import decoded_entry, entry, parsed_json, rescued, stored

MAY = date(2026, 5, 1)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("records", [[], [{}], [{"id": 1}], [None]])
def test_every_table_has_its_schema(endpoint, records):
    result = decode(endpoint, records, month=MAY)
    assert result.rows.schema == endpoint.schema
    assert result.rejected.schema == REJECTED_SCHEMA


def test_without_records_nothing_is_missing():
    assert decode(TIME_REPORTS, []).report == DecodeReport()


def test_row_of_a_range_has_the_month_of_its_date():
    assert decoded_entry(date="2026-02-28T23:00:00-05:00").rows["month"].item() == date(2026, 2, 1)


def test_row_of_a_report_has_the_requested_month():
    row = {"projectId": 1, "currency": "EUR"}
    assert decode(REVENUE_REPORT, [row], month=date(2026, 5, 17)).rows["month"].to_list() == [MAY]
    with pytest.raises(ValueError, match="the month of the records is missing"):
        decode(REVENUE_REPORT, [row])


# Spellings


def test_first_alias_that_is_not_null_is_read():
    assert stored(TIME_REPORTS, entry(customerRate=None, billRate=7, hourlyRate=None), "customer_rate") == 7
    assert stored(TIME_REPORTS, entry(hourlyRate=6, billRate=7), "customer_rate") == 6


def test_later_alias_with_another_value_is_rescued():
    result = decoded_entry(text="a", description="b")
    assert result.rows["text"].item() == "a"
    assert rescued(result.rows) == {"description": "b"}
    assert not result.report.unknown_fields


def test_later_alias_with_the_same_value_is_not_rescued():
    assert decoded_entry(text="a", description="a").rows[RESCUED].item() is None


# Rescued data


def test_unknown_field_is_rescued_and_counted():
    result = decode(TIME_REPORTS, [entry(overtime={"rate": 2}), entry()])
    assert rescued(result.rows) == {"overtime": {"rate": 2}}
    assert result.rows[RESCUED][1] is None
    assert result.report.unknown_fields == {"overtime": 1}


def test_rescued_data_keeps_every_digit_and_every_letter():
    text = '{"big": 123456789012345678901234567890, "price": 12.30, "tiny": 1E-30, "to": "ירושלים \\"🙂\\"", "on": [true, null]}'
    record = {**entry(), **parsed_json(text)}
    assert decode(TIME_REPORTS, [record]).rows[RESCUED].item() == text


def test_nan_is_rescued_as_text():
    assert json.loads(decoded_entry(costRate=Decimal("NaN")).rows[RESCUED].item()) == {"costRate": "NaN"}


def test_field_nested_deeper_than_the_stack_is_rescued():
    deep = "[" * 900 + "]" * 900
    result = decode(TIME_REPORTS, [{**entry(), "deep": parsed_json(deep)}])
    assert result.rows[RESCUED].item() == '{"deep": ' + deep + "}"


# Quarantine


@pytest.mark.parametrize("column", ["id", "userId", "subtaskId", "date", "hours"])
@pytest.mark.parametrize("sent", [..., None, ""])
def test_row_without_a_required_value_is_quarantined(column, sent):
    result = decoded_entry(**{column: sent})
    name = TIME_REPORTS.columns[[c.source for c in TIME_REPORTS.columns].index(column)].name
    assert result.rows.is_empty()
    assert result.rejected.to_dicts() == [
        {
            "reason": f"`{name}` is missing",
            "column": name,
            "value": None,
            "record": json.dumps(entry(**{column: sent}), default=float),
        }
    ]


def test_row_with_an_unreadable_required_value_is_quarantined():
    result = decode(TIME_REPORTS, [entry(hours="oops"), entry(), entry(hours=[Decimal("1.50")])])
    assert result.rows.height == 1
    assert result.rejected.select("reason", "column", "value").rows() == [
        ("`hours` cannot be read as hours", "hours", "oops"),
        ("`hours` cannot be read as hours", "hours", "[1.50]"),
    ]


def test_column_of_the_key_is_required():
    rows = [
        {"customerId": 1, "currency": None},
        {"customerId": None, "currency": "EUR"},
        {"customerId": 1, "currency": ""},
    ]
    result = decode(CUSTOMER_BILLING_REPORT, rows, month=MAY)
    assert result.rejected["column"].to_list() == ["currency", "customer_id", "currency"]


def test_record_that_is_not_an_object_is_quarantined():
    result = decode(CUSTOMERS, [{"id": 1}, None, "x", [1], 7, {"id": 2}])
    assert result.rows["id"].to_list() == ["1", "2"]
    assert result.rejected["record"].to_list() == ["null", '"x"', "[1]", "7"]
    assert set(result.rejected["reason"]) == {"the record is not a JSON object"}


def test_empty_id_falls_back_to_the_next_alias():
    assert stored(ORG_USERS, {"id": "", "userId": "7"}, "id") == "7"


def test_empty_optional_id_is_null():
    assert decoded_entry(invoiceId="").rows["invoice_id"].item() is None


# Lists and objects


def test_objects_become_structs_and_days_off_stay_null():
    record = {"id": 1, "workSchedule": {"monday": {"start": "09:00", "end": "18:00"}, "friday": None}}
    schedule = stored(ORG_USERS, record, "work_schedule")
    assert schedule["monday"] == {"start": "09:00", "end": "18:00"}
    assert schedule["friday"] is None
    assert stored(ORG_USERS, {"id": 1, "workSchedule": None}, "work_schedule") is None


def test_lists_keep_their_order_and_null_differs_from_empty():
    lines = [[{"hours": "1.50"}, {"amount": 7}], [], None]
    read = decode(INVOICES, [{"id": i, "lines": sent} for i, sent in enumerate(lines)]).rows["lines"].to_list()
    assert [line["hours"] for line in read[0]] == [Decimal("1.5"), None]
    assert [line["amount"] for line in read[0]] == [None, Decimal(7)]
    assert read[1:] == [[], None]


def test_single_value_becomes_a_list_of_one():
    assert stored(PROJECTS, {"id": 1, "billingType": "t m"}, "billing_types").to_list() == ["TM"]
    assert stored(INVOICES, {"id": 1, "lines": {"rate": 5}}, "lines").to_list()[0]["rate"] == 5


def test_partly_readable_list_is_read_and_rescued():
    sent = [{"hours": "oops", "amount": Decimal("7.10"), "discount": 1}, 5, {"amount": 1}]
    result = decode(INVOICES, [{"id": 1, "lines": sent}, {"id": 2, "lines": [{"amount": 2}]}])
    first, second, third = result.rows["lines"][0].to_list()
    assert (first["hours"], first["amount"], second, third["amount"]) == (None, Decimal("7.1"), None, Decimal(1))
    assert result.rows[RESCUED].to_list() == [
        '{"lines": [{"hours": "oops", "amount": 7.10, "discount": 1}, 5, {"amount": 1}]}',
        None,
    ]
    assert result.report.unknown_fields == {"lines.discount": 1}
    assert result.report.unreadable == {"lines.hours": 1, "lines": 1}


def test_unreadable_single_value_is_null_not_a_list():
    rows = decode(
        INVOICES, [{"id": 1, "lines": [{"rate": 1}]}, {"id": 2, "lines": "oops"}, {"id": 3, "lines": [{}]}]
    ).rows
    assert [None if lines is None else len(lines) for lines in rows["lines"].to_list()] == [1, None, 1]
    assert rescued(rows, 1) == {"lines": "oops"}


def test_members_of_nested_objects_are_typed():
    record = {"id": 1, "holidays": [{"date": "2026-12-25T00:00:00Z", "fullDayOff": "true"}, {"date": "25/12/2026"}]}
    result = decode(HOLIDAY_PROFILES, [record])
    holidays = result.rows["holidays"].item().to_list()
    assert [day["date"] for day in holidays] == [date(2026, 12, 25), None]
    assert holidays[0]["full_day_off"] is True
    assert result.report.unreadable == {"holidays.date": 1}


# Text


@pytest.mark.parametrize("text", ["שלום", "🙂👨‍👩‍👧", "a\x00b", "x" * 65_536, "\u202eabc", "\n\r\t"])
def test_text_is_kept_completely(text):
    result = decoded_entry(text=text, note=text)
    assert result.rows["text"].item() == text
    assert rescued(result.rows) == {"note": text}
    assert result.report.replaced_characters == 0


def test_lone_surrogates_are_replaced_and_counted():
    records = parsed_json(
        '[{"id": 1, "name": "a\\ud800b\\ude00"}, {"id": 2, "x\\ud800": 1}, {"id": 3, "name": "\\ud83d\\ude00"}, "\\udfff"]'
    )
    result = decode(CUSTOMERS, records)
    assert result.rows["name"].to_list() == ["a\ufffdb\ufffd", None, "😀"]
    assert rescued(result.rows, 1) == {"x\ufffd": 1}
    assert result.rejected["record"].to_list() == ['"\ufffd"']
    assert result.report.replaced_characters == 4


def test_lone_surrogates_in_deep_records_are_replaced():
    deep = ["\ud800"]
    for _ in range(5000):
        deep = [deep]
    result = decode(CUSTOMERS, [{"id": 1, "x": deep}])
    assert result.rows[RESCUED].item().count("[") == 5001
    assert result.report.replaced_characters == 1


def test_tables_round_trip_through_delta(tmp_path):
    entries = decode(
        TIME_REPORTS,
        [
            entry(
                text="a\x00b שלום 🙂", costRate=Decimal("12.3000000001"), foo=10**40, createdAt="2026-01-01T00:00:00Z"
            ),
            entry(hours="9999999999999999999999999999.0000000001", text="x" * 65_536),
        ],
    )
    users = decode(ORG_USERS, [{"id": 1, "workSchedule": {"monday": {"start": "9", "end": "17"}}}, {"id": 2}])
    invoices = decode(
        INVOICES, [{"id": 1, "lines": [{"hours": "1.5", "x": 1}, None]}, {"id": 2, "lines": []}, {"id": 3}]
    )
    for place, frame in enumerate([entries.rows, users.rows, invoices.rows, decode(CUSTOMERS, [{}, 1]).rejected]):
        frame.write_delta(tmp_path / str(place))
        assert pl.scan_delta(tmp_path / str(place)).collect().equals(frame)


# DecodeReport


def test_column_is_missing_if_no_batch_has_its_field():
    with_rate = decode(TIME_REPORTS, [entry(), entry(costRate=None)]).report
    without = decode(TIME_REPORTS, [entry()]).report
    assert "cost_rate" in without.missing_columns
    assert "cost_rate" not in (without + with_rate).missing_columns
    assert "project_id" in (without + with_rate + DecodeReport()).missing_columns
    assert "hours" not in without.missing_columns


def test_missing_key_differs_from_a_null_key():
    assert decode(CUSTOMERS, [{"ID": 1}, {"name": "x"}]).report.missing_required(CUSTOMERS) == ("id",)
    assert decode(CUSTOMERS, [{"id": None}]).report.missing_required(CUSTOMERS) == ()


def test_month_of_a_report_is_never_missing():
    report = decode(REVENUE_REPORT, [{"projectId": 1}], month=MAY).report
    assert report.missing_required(REVENUE_REPORT) == ("currency",)


def test_first_unreadable_values_are_shown():
    sent = ["a", "a", "b", "c", "d", "e" * 200]
    halves = [decode(TIME_REPORTS, [entry(costRate=rate) for rate in part]).report for part in (sent[:3], sent[3:])]
    assert (halves[0] + halves[1]).samples == {"cost_rate": ('"a"', '"b"', '"c"')}
    assert len(halves[1].samples["cost_rate"][-1]) == 80


def test_report_messages():
    records = [
        entry(costRate="oops", status="Parked", mood=1, text="\ud800", **dict.fromkeys(("taskId", "projectId"), 1))
    ]
    assert decode(TIME_REPORTS, records).report.messages(TIME_REPORTS) == [
        "No record of time_reports has a field for `customer_id`, `start_time`, `billing_type`, `customer_rate`, "
        "`cost_rate_currency`, `currency`, `invoice_id`, `created_at`, `updated_at`. If the workspace uses another name, set it "
        "in TIMIX_OVERRIDES (`timix-assets doctor` shows how).",
        '1 value of `cost_rate` of time_reports could not be read, for example "oops": the original is kept in '
        "`_rescued_data`, or in quarantine.",
        "`status` of time_reports has unknown values, stored as sent: Parked (1).",
        "time_reports has 1 lone surrogate, which cannot be stored: replaced by U+FFFD. Correct the text in Timix.",
        "time_reports has unknown fields, kept in `_rescued_data`: mood (1).",
    ]


def test_report_of_a_listing_as_declared_has_no_messages():
    record = {column.source: None for column in CUSTOMERS.columns} | {"id": 1}
    assert decode(CUSTOMERS, [record]).report.messages(CUSTOMERS) == []
