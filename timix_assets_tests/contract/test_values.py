"""Each type is read from whatever JSON may bring, exactly or not at all."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from timix_assets.contract.endpoints import (
    CUSTOMERS,
    HOLIDAY_PROFILES,
    INVOICES,
    ORG_USERS,
    PROJECTS,
    TASKS,
    TIME_REPORTS,
)
from timix_assets.contract.records import decode
from timix_assets.contract.values import day, instant

from .sent import decoded_entry, entry, rescued, stored


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a-7", "a-7"),
        (7, "7"),
        (Decimal("7.0"), "7"),
        (10**30, "1" + "0" * 30),
        ("007", "007"),
        (" 7", " 7"),
        (Decimal("1E39"), "1" + "0" * 39),
        (Decimal("1E40"), "1E+40"),
    ],
)
def test_id_is_opaque_text(sent, kept):
    assert stored(CUSTOMERS, {"id": sent}, "id") == kept


@pytest.mark.parametrize("sent", [True, [], {}, Decimal("NaN"), Decimal("Infinity")])
def test_value_that_is_not_an_id_is_rejected(sent):
    result = decode(CUSTOMERS, [{"id": sent}])
    assert result.rows.is_empty()
    assert result.rejected["reason"].to_list() == ["`id` cannot be read as id"]


@pytest.mark.parametrize(
    ("sent", "exact"),
    [
        ("12.30", "12.3"),
        (12, "12"),
        (Decimal("12.345"), "12.345"),
        (Decimal("12.3000000001"), "12.3000000001"),
        (Decimal("0.30000000000000004"), "0.3"),
        (Decimal("0.00000000005"), "0.0000000001"),
        (Decimal("-0.00000000005"), "-0.0000000001"),
        (Decimal("0.00000000015"), "0.0000000002"),
        ("5e-11", "0.0000000001"),
        (Decimal("1E-400"), "0"),
        (Decimal("1E+3"), "1000"),
        (" +7 ", "7"),
        (".5", "0.5"),
        ("9999999999999999999999999999.0000000001", "9999999999999999999999999999.0000000001"),
        (-(10**28) + 1, "-9999999999999999999999999999"),
    ],
)
def test_amount_is_rounded_to_ten_places_half_away_from_zero(sent, exact):
    assert stored(TIME_REPORTS, entry(costRate=sent), "cost_rate") == Decimal(exact)


@pytest.mark.parametrize(
    "sent",
    [
        "oops",
        "",
        "1,5",
        "1_000",
        "٣",
        "NaN",
        "0x10",
        True,
        [1],
        {"amount": 1},
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("-Infinity"),
        Decimal("1e400"),
        "1e400",
        "1e99999999999999999999",
        10**28,
        10**39,
        Decimal("9999999999999999999999999999.99999999995"),
    ],
)
def test_number_that_does_not_fit_is_null_and_rescued(sent):
    result = decoded_entry(costRate=sent)
    assert result.rows["cost_rate"].item() is None
    kept = rescued(result.rows)["costRate"]
    assert kept == (str(sent) if isinstance(sent, Decimal) and not sent.is_finite() else sent)
    assert result.report.unreadable == {"cost_rate": 1}


def test_amounts_stay_correct_beside_an_unreadable_one():
    result = decode(TIME_REPORTS, [entry(costRate=rate) for rate in (Decimal("61.30"), "oops", 7, None, True, "8.5")])
    assert result.rows["cost_rate"].to_list() == [Decimal("61.3"), None, Decimal(7), None, None, Decimal("8.5")]


@pytest.mark.parametrize(
    ("sent", "whole"),
    [(7, 7), (Decimal("7.0"), 7), ("7", 7), ("2026.0", 2026), (-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1)],
)
def test_integer_is_read_from_any_notation(sent, whole):
    assert stored(HOLIDAY_PROFILES, {"id": 1, "year": sent}, "year") == whole


@pytest.mark.parametrize(
    "sent", [Decimal("7.5"), 2**63, -(2**63) - 1, Decimal("1e999999"), "7.5", True, Decimal("NaN"), [7]]
)
def test_fraction_or_oversized_integer_is_rescued(sent):
    result = decode(HOLIDAY_PROFILES, [{"id": 1, "year": sent}])
    assert result.rows["year"].item() is None
    assert "year" in rescued(result.rows)


@pytest.mark.parametrize(
    ("sent", "flag"),
    [(True, True), (False, False), ("true", True), ("False", False), (1, True), (0, False), (Decimal("1.0"), True)],
)
def test_boolean_is_read_from_text_and_from_0_and_1(sent, flag):
    assert stored(HOLIDAY_PROFILES, {"id": 1, "isActive": sent}, "is_active") is flag


@pytest.mark.parametrize("sent", ["yes", 2, -1, [], Decimal("0.5")])
def test_value_that_is_not_boolean_is_rescued(sent):
    result = decode(HOLIDAY_PROFILES, [{"id": 1, "isActive": sent}])
    assert result.rows["is_active"].item() is None
    assert rescued(result.rows) == {"isActive": sent}


@pytest.mark.parametrize(
    "sent",
    [
        "2026-01-31",
        "2026-01-31T23:59:59Z",
        "2026-01-31T23:59:59-11:00",
        "2026-01-31T00:30:00+14:00",
        "2026-01-31T10:00",
        "2026-01-31 10:00:00.1234567",
    ],
)
def test_day_ignores_the_offset(sent):
    assert stored(TIME_REPORTS, entry(date=sent), "date") == date(2026, 1, 31)


@pytest.mark.parametrize(
    "sent",
    [
        "0001-01-01",
        "0001-01-01T00:00:00Z",
        "9999-12-31",
        "31/12/2026",
        "2026-02-30",
        "2026-1-5",
        "20260105",
        "2026-W01-1",
        "2026-01-05x10:00",
        "2026-01-05T25:00:00Z",
        "2026-01-05 and more",
        " 2026-01-05",
        "yesterday",
        20260105,
        1767225600,
        True,
        ["2026-01-05"],
    ],
)
def test_invalid_date_is_rescued_or_quarantined(sent):
    optional = decode(INVOICES, [{"id": 1, "dueDate": sent}])
    assert optional.rows["due_date"].item() is None
    assert rescued(optional.rows) == {"dueDate": sent}
    required = decoded_entry(date=sent)
    assert required.rows.is_empty()
    assert required.rejected["column"].to_list() == ["date"]


@pytest.mark.parametrize(
    ("sent", "moment"),
    [
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00+02:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T10:00:00-0530", datetime(2026, 3, 1, 15, 30, tzinfo=UTC)),
        ("2026-03-01T10:00:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T10:00:00.1234567Z", datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("1899-12-31T23:00:00Z", None),
        ("1900-01-01T00:00:00Z", datetime(1900, 1, 1, tzinfo=UTC)),
    ],
)
def test_instant_is_utc(sent, moment):
    assert stored(TIME_REPORTS, entry(createdAt=sent), "created_at") == moment


NEARLY_PLAIN = st.from_regex(
    r"(18|19|2[0-2])\d\d-[01]\d-[0-3]\d([T ][0-2]\d:[0-6]\d:[0-6]\d(\.\d{3,7})?(Z|\+02:00)?)?\s?", fullmatch=True
)


@given(st.lists(st.none() | NEARLY_PLAIN, min_size=1))
@example(["2024-02-29T23:59:59Z", "2023-02-29T00:00:00Z", "2026-03-01T24:00:00Z", "2026-06-30T23:59:60Z", None])
@example(["1900-01-01", "2199-12-31", "2200-12-31", "2201-01-01", "1900-02-29", "2000-02-29", "2026-01-05\n"])
def test_mixed_date_formats_are_read_independently(sent):
    rows = decode(INVOICES, [{"id": row, "dueDate": text} for row, text in enumerate(sent)]).rows
    assert rows["due_date"].to_list() == [day(text) for text in sent]
    rows = decode(CUSTOMERS, [{"id": row, "createdAt": text} for row, text in enumerate(sent)]).rows
    assert rows["created_at"].to_physical().to_list() == [instant(text) for text in sent]


@pytest.mark.parametrize(
    ("sent", "known"), [("on hold", "OnHold"), ("ON_HOLD", "OnHold"), ("on-Hold", "OnHold"), ("active", "Active")]
)
def test_known_enum_value_is_normalized(sent, known):
    result = decode(PROJECTS, [{"id": 1, "status": sent}])
    assert result.rows["status"].item() == known
    assert not result.report.unknown_values


def test_unknown_enum_value_is_kept_and_counted():
    result = decode(
        PROJECTS, [{"id": i, "status": status} for i, status in enumerate(["Parked", "parked", "Parked", 3])]
    )
    assert result.rows["status"].to_list() == ["Parked", "parked", "Parked", "3"]
    assert result.report.unknown_values == {"status": {"Parked": 2, "parked": 1, "3": 1}}


@pytest.mark.parametrize(("sent", "status"), [(True, "Active"), (False, "Inactive"), ("true", "Active")])
def test_boolean_status_means_active_or_inactive(sent, status):
    assert stored(ORG_USERS, {"id": 1, "isActive": sent}, "status") == status
    assert stored(TASKS, {"id": 1, "status": sent}, "status") == status


def test_time_of_day_stays_as_sent():
    assert stored(TIME_REPORTS, entry(startTime="9:05"), "start_time") == "9:05"


def test_numbers_and_booleans_become_text():
    sent = [1042, Decimal("12.30"), True, "INV-7", ["x"]]
    result = decode(INVOICES, [{"id": i, "number": number} for i, number in enumerate(sent)])
    assert result.rows["number"].to_list() == ["1042", "12.30", "true", "INV-7", None]
    assert rescued(result.rows, 4) == {"number": ["x"]}
