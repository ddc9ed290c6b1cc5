"""Values that are not what they should be, and files: rows 20 to 28 and 35 of docs/reliability.md.

A fault strikes the first record of each page that it names, so that four pages show four values in one refresh. Every
other row must then be what the sandbox holds, to the last digit.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from timix_assets.contract.schema import RESCUED
from timix_assets.sandbox.fault_records import FORTY_DIGITS, TEXTS
from timix_assets.sandbox.faults import Fault

from .conftest import TIME, Workplace

ENTRIES = "/time-reports"
PAGE_ROWS = 200
CUSTOMERS = "timix/customers"


def on_pages(field: str, values: Collection[str]) -> tuple[Fault, ...]:
    """Each value, as JSON text, in the field of the first record of a page of its own."""
    return tuple(
        Fault("raw_value", path=ENTRIES, page=page, field=field, value=value) for page, value in enumerate(values, 1)
    )


def first_on(workplace: Workplace, page: int) -> str:
    """The id of the first record of a page."""
    return str(workplace.sandbox.workspace.rows("time_reports")[(page - 1) * PAGE_ROWS]["id"])


def all_sent(
    workplace: Workplace, name: str, changed: Mapping[str, Mapping[str, Any]] = {}, without: Collection[str] = ()
) -> list[dict[str, Any]]:
    """What the sandbox holds of a resource, but for what a fault changed or made unreadable."""
    return [{**row, **changed.get(row["id"], {})} for row in workplace.sent(name) if row["id"] not in without]


def rescued(workplace: Workplace, table: str) -> dict[str, Any]:
    """id -> what was rescued of the row, as text of JSON's own digits."""
    kept = workplace.table(table).filter(pl.col(RESCUED).is_not_null()).select("id", RESCUED)
    return {row_id: json.loads(text, parse_float=str, parse_int=str) for row_id, text in kept.iter_rows()}


# Null or missing id


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param(Fault("null_id"), "`id` is missing", id="null"),
        pytest.param(Fault("missing_id"), "`id` is missing", id="not there"),
        pytest.param(Fault("raw_value", field="id", value='""'), "`id` is missing", id="empty"),
        pytest.param(Fault("raw_value", field="id", value='{"a":1}'), "`id` cannot be read", id="an object"),
    ],
)
def test_a_row_without_an_id_is_quarantined_and_others_stored(workplace: Workplace, fault: Fault, reason: str) -> None:
    done = workplace.refresh(TIME, faults=(replace(fault, path=ENTRIES, page=2),))

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == all_sent(workplace, "time_reports", without=[first_on(workplace, 2)])
    [(why, column)] = workplace.quarantined("time_reports")
    assert (reason in why, column) == (True, "id")
    [warning] = [said for said in done.warnings if said.startswith(f"warning {TIME}: all_rows_parsed: ")]
    assert reason in warning


@pytest.mark.fault(20)
def test_one_unreadable_row_is_allowed_in_a_short_listing(workplace: Workplace) -> None:
    done = workplace.refresh(CUSTOMERS, faults=(Fault("null_id", path="/customers"),))

    assert done.status == 0
    assert workplace.stored("customers") == all_sent(workplace, "customers")[1:]
    assert len(workplace.quarantined("customers")) == 1


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("most", "count"), [("100", 8), ("3", 4)], ids=["more than a hundredth of the listing", "more rows than may be"]
)
def test_too_many_rows_without_an_id_fail_and_are_quarantined(workplace: Workplace, most: str, count: int) -> None:
    before = workplace.stored("time_reports")
    workplace.move_on("time_reports")
    done = workplace.refresh(
        TIME, faults=(Fault("null_id", path=ENTRIES, page=2, count=count),), TIMIX_MAX_REJECTED_ROWS=most
    )

    assert done.status == 1
    assert f"{count} of " in done.sentence
    assert "quarantine/time_reports" in done.sentence
    assert workplace.stored("time_reports") == before
    assert len(workplace.quarantined("time_reports")) == count


@pytest.mark.fault(20)
def test_quarantine_empties_once_the_source_is_fixed(workplace: Workplace) -> None:
    workplace.refresh(TIME, faults=(Fault("null_id", path=ENTRIES, page=2),))
    done = workplace.refresh(TIME)

    assert (done.status, done.warnings) == (0, [])
    assert workplace.quarantined("time_reports") == []
    assert workplace.stored("time_reports") == all_sent(workplace, "time_reports")


# Words and fields


@pytest.mark.fault(21)
def test_an_unknown_enum_value_is_kept_with_a_warning(workplace: Workplace) -> None:
    done = workplace.refresh(TIME, faults=(Fault("unknown_enum", path=ENTRIES, page=1, value="Parked"),))

    changed = {first_on(workplace, 1): {"status": "Parked"}}
    assert (done.status, workplace.stored("time_reports")) == (0, all_sent(workplace, "time_reports", changed))
    [warning] = done.warnings
    assert "`status` of time_reports has unknown values" in warning
    assert warning.endswith("Parked (1).")


@pytest.mark.fault(22)
def test_a_new_field_is_kept_and_named_in_one_warning(workplace: Workplace) -> None:
    done = workplace.refresh_by_command(
        TIME, faults=(Fault("new_field", path=ENTRIES, value='{"by": "AI", "score": 0.10}'),)
    )

    assert (done.status, workplace.stored("time_reports")) == (0, all_sent(workplace, "time_reports"))
    kept = rescued(workplace, TIME)
    assert set(kept) == set(workplace.truth("time_reports"))
    assert kept[first_on(workplace, 1)] == {"approvedByAi": {"by": "AI", "score": "0.10"}}
    [warning] = done.warnings
    assert warning.endswith(f"kept in `{RESCUED}`: approvedByAi ({len(kept)}).")


@pytest.mark.fault(23)
def test_a_field_that_no_record_has_is_null_with_a_warning(workplace: Workplace) -> None:
    done = workplace.refresh(CUSTOMERS, faults=(Fault("drop_field", path="/customers", field="contactName"),))

    changed = {row_id: {"contact_name": None} for row_id in workplace.truth("customers")}
    assert (done.status, workplace.stored("customers")) == (0, all_sent(workplace, "customers", changed))
    [warning] = done.warnings
    assert "No record of customers has a field for `contact_name`" in warning


@pytest.mark.fault(23)
@pytest.mark.parametrize("field", ["id", "hours"])
def test_a_missing_key_or_required_field_fails(workplace: Workplace, field: str) -> None:
    before = workplace.stored("time_reports")
    workplace.move_on("time_reports")
    done = workplace.refresh(TIME, faults=(Fault("drop_field", path=ENTRIES, field=field),))

    assert (done.status, workplace.stored("time_reports")) == (1, before)
    assert f"records has the {'key' if field == 'id' else 'required'} field {field}" in done.sentence


@pytest.mark.fault(23)
@pytest.mark.usefixtures("untouched")
def test_a_vanished_field_that_held_many_values_fails(workplace: Workplace) -> None:
    done = workplace.refresh(TIME, faults=(Fault("drop_field", path=ENTRIES, field="text"),))

    assert done.status == 1
    assert "would remove every value of text" in done.sentence


# Numbers


@pytest.mark.fault(24)
def test_a_number_in_quotes_is_read_as_a_number(workplace: Workplace) -> None:
    fields = ("hours", "customerRate", "costRate")
    done = workplace.refresh(TIME, faults=tuple(Fault("number_as_text", path=ENTRIES, field=name) for name in fields))

    assert (done.status, done.warnings) == (0, [])
    assert workplace.stored("time_reports") == all_sent(workplace, "time_reports")
    assert rescued(workplace, TIME) == {}


NOT_NUMBERS = ['"oops"', '"1,5"', "true", "[7]"]
BEYOND_NUMBERS = ["NaN", "-Infinity", "1e400", FORTY_DIGITS]


@pytest.mark.fault(24)
def test_text_is_quarantined_where_a_number_is_required(workplace: Workplace) -> None:
    assert_quarantined(workplace, NOT_NUMBERS)


@pytest.mark.fault(25)
def test_numbers_beyond_the_column_are_quarantined_if_required(workplace: Workplace) -> None:
    assert_quarantined(workplace, BEYOND_NUMBERS)


@pytest.mark.fault(24)
def test_text_is_rescued_where_no_number_is_required(workplace: Workplace) -> None:
    assert_rescued(workplace, NOT_NUMBERS, ["oops", "1,5", True, ["7"]])


@pytest.mark.fault(25)
def test_numbers_beyond_the_column_are_rescued_if_optional(workplace: Workplace) -> None:
    assert_rescued(workplace, BEYOND_NUMBERS, ["NaN", "-Infinity", "1E+400", FORTY_DIGITS])


def assert_quarantined(workplace: Workplace, values: list[str]) -> None:
    done = workplace.refresh(TIME, faults=on_pages("hours", values))

    struck = [first_on(workplace, page) for page in range(1, 5)]
    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == all_sent(workplace, "time_reports", without=struck)
    assert workplace.quarantined("time_reports") == [("`hours` cannot be read as hours", "hours")] * 4
    assert any("all_rows_parsed" in warning for warning in done.warnings)


def assert_rescued(workplace: Workplace, values: list[str], kept: list[Any]) -> None:
    """kept: what the rescued data says of each value, numbers as the text of their digits."""
    done = workplace.refresh(TIME, faults=on_pages("customerRate", values))

    struck = [first_on(workplace, page) for page in range(1, 5)]
    changed = {row_id: {"customer_rate": None} for row_id in struck}
    assert (done.status, workplace.stored("time_reports")) == (0, all_sent(workplace, "time_reports", changed))
    assert rescued(workplace, TIME) == {
        row_id: {"customerRate": value} for row_id, value in zip(struck, kept, strict=True)
    }
    [warning] = done.warnings
    assert "4 values of `customer_rate` of time_reports could not be read" in warning
    assert workplace.table(TIME).schema["customer_rate"] == pl.Decimal(38, 10)
    assert "customerRate" not in workplace.table(TIME).columns


@pytest.mark.fault(26)
def test_money_is_exact_to_ten_places(workplace: Workplace) -> None:
    values = ['"61.30"', "12.3000000001", "12.345", "0.30000000000000004"]
    exact = [Decimal(text) for text in ("61.3", "12.3000000001", "12.345", "0.3")]
    done = workplace.refresh(TIME, faults=on_pages("customerRate", values))

    changed = {first_on(workplace, page): {"customer_rate": rate} for page, rate in enumerate(exact, 1)}
    assert (done.status, done.warnings) == (0, [])
    assert workplace.stored("time_reports") == all_sent(workplace, "time_reports", changed)


# Dates


@pytest.mark.fault(27)
def test_a_date_with_a_time_is_the_calendar_date_as_sent(workplace: Workplace) -> None:
    tails = ("T23:59:59Z", "T23:30:00-11:00", "T00:30:00+14:00", "T00:30:00")
    done = workplace.refresh(
        TIME,
        faults=tuple(Fault("zoned_dates", path=ENTRIES, page=page, value=tail) for page, tail in enumerate(tails, 1)),
    )

    assert (done.status, done.warnings) == (0, [])
    assert workplace.stored("time_reports") == all_sent(workplace, "time_reports")


NO_DATES = ("0001-01-01", "31/12/2026", "2026-02-30", "0001-01-01T00:00:00Z")


@pytest.mark.fault(27)
def test_an_invalid_date_is_quarantined_where_it_is_required(
    workplace: Workplace,
) -> None:
    done = workplace.refresh(TIME, faults=on_pages("date", [json.dumps(text) for text in NO_DATES]))

    struck = [first_on(workplace, page) for page in range(1, 5)]
    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == all_sent(workplace, "time_reports", without=struck)
    held = workplace.table("quarantine/time_reports")
    assert sorted(held["value"]) == sorted(NO_DATES)
    assert set(held["reason"]) == {"`date` cannot be read as calendar date"}
    assert not any("outside the requested months" in warning for warning in done.warnings)


@pytest.mark.fault(27)
def test_an_invalid_date_is_rescued_where_it_is_optional(workplace: Workplace) -> None:
    fields = {
        "issueDate": "issue_date",
        "dueDate": "due_date",
        "periodStart": "period_start",
        "periodEnd": "period_end",
    }
    sent = dict(zip(fields, NO_DATES, strict=True))
    done = workplace.refresh(
        "timix/invoices",
        faults=tuple(Fault("odd_date", path="/invoices", field=name, value=text) for name, text in sent.items()),
    )

    first = workplace.sandbox.workspace.rows("invoices")[0]["id"]
    changed = {first: dict.fromkeys(fields.values())}
    assert (done.status, workplace.stored("invoices")) == (0, all_sent(workplace, "invoices", changed))
    assert rescued(workplace, "timix/invoices") == {first: sent}
    [warning] = [
        line for line in done.stdout.splitlines() if line.startswith("warning timix/invoices: matches_contract")
    ]
    assert "could not be read" in warning


@pytest.mark.fault(27)
def test_an_instant_without_an_offset_is_read_as_utc(workplace: Workplace) -> None:
    values = ["2026-03-01T10:00:00", "2026-03-01T10:00:00+02:00", "2026-03-01T10:00:00Z", "2026-03-01"]
    done = workplace.refresh(TIME, faults=on_pages("createdAt", [json.dumps(text) for text in values]))

    moments = [datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (10, 8, 10, 0)]
    changed = {first_on(workplace, page): {"created_at": moment} for page, moment in enumerate(moments, 1)}
    assert (done.status, done.warnings) == (0, [])
    assert workplace.stored("time_reports") == all_sent(workplace, "time_reports", changed)


# Texts


@pytest.mark.fault(28)
def test_hebrew_emoji_nul_and_long_texts_round_trip(workplace: Workplace) -> None:
    names = ("hebrew", "emoji", "nul", "long")
    done = workplace.refresh(TIME, faults=on_pages("text", [TEXTS[name] for name in names]))

    changed = {first_on(workplace, page): {"text": json.loads(TEXTS[name])} for page, name in enumerate(names, 1)}
    assert (done.status, done.warnings) == (0, [])
    assert workplace.stored("time_reports") == all_sent(workplace, "time_reports", changed)


@pytest.mark.fault(28)
def test_a_lone_surrogate_is_replaced_and_counted(workplace: Workplace) -> None:
    done = workplace.refresh(TIME, faults=(Fault("odd_text", path=ENTRIES, page=1, value="surrogate"),))

    changed = {first_on(workplace, 1): {"text": "broken \ufffd half"}}
    assert (done.status, workplace.stored("time_reports")) == (0, all_sent(workplace, "time_reports", changed))
    [warning] = done.warnings
    assert "1 lone surrogate" in warning


# CSV


@pytest.mark.fault(35)
def test_an_export_is_stored_byte_for_byte(workplace: Workplace) -> None:
    workspace = workplace.sandbox.workspace
    nasty = ('=cmd()|"/C calc"!A0', "two\r\nlines, and a comma", "+1;-2;@3\ttab")
    for project, name in zip(workspace.rows("projects"), nasty, strict=False):
        workspace.listing("projects").put({**project, "name": name})
    path = "/financial-reports/budget-health/export/csv"
    done = workplace.refresh("exports/budget_health_report", faults=(Fault("bom", path=path),))

    stored = Path(workplace.lake.url, "exports", "budget_health_report.csv").read_bytes()
    sent = httpx.get(workplace.sandbox.base_url + path, headers={"X-Api-Key": workplace.sandbox.key}).content
    assert (done.status, done.stderr) == (0, "")
    assert stored == b"\xef\xbb\xbf" + sent
    assert b'"=cmd()|""/C calc""!A0"' in stored
    assert b'"two\r\nlines, and a comma"' in stored
