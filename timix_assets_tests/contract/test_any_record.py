"""Whatever JSON a server sends: no exception, no row lost, no number wrong, no field forgotten."""

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from timix_assets.contract.decode_report import DecodeReport
from timix_assets.contract.endpoints import BY_NAME, INVOICES, TIME_REPORTS
from timix_assets.contract.overrides import apply, parse_overrides
from timix_assets.contract.records import decode
from timix_assets.contract.rescued import json_text, texts_of_fields, without_lone_surrogates
from timix_assets.contract.schema import RESCUED, Column, Endpoint, Type

from .sent import parsed_json

MAY = date(2026, 5, 1)
AMOUNTS = (Type.HOURS, Type.MONEY, Type.RATE, Type.PERCENT)

OVERRIDDEN = apply(
    TIME_REPORTS,
    parse_overrides(
        {
            "endpoints": {
                "time_reports": {
                    "columns": {
                        "hours": "durationMinutes / units",
                        "customer_id": "customer.id",
                        "text": "concat(description, customer.name)",
                        "status": "CASE WHEN approved THEN 'Approved' ELSE state END",
                    }
                }
            }
        }
    ),
)

TROUBLESOME = [
    *(
        Decimal(text)
        for text in ("NaN", "Infinity", "-Infinity", "1e400", "1e-400", "0.30000000000000004", "12.3000000001")
    ),
    2**63,
    10**28,
]
numbers = st.one_of(
    st.integers(),
    st.integers(-(10**40), 10**40),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.decimals(min_value=-1000, max_value=1000, places=2),
    st.sampled_from(TROUBLESOME),
)
texts = st.one_of(
    st.text(max_size=8),
    st.text(st.characters(), max_size=4),  # lone surrogates too
    st.sampled_from(
        ["", "7", "7.50", "oops", "true", "2026-05-01", "2026-05-01T23:00:00-05:00", "31/12/2026", "0001-01-01", "tm"]
    ),
    numbers.map(str),
    st.dates().map(str),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
names = st.one_of(st.sampled_from(["id", "hours", "amount", "start", "date", "monday"]), st.text(max_size=3))
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)


def sources(endpoint: Endpoint) -> list[str]:
    return [spelling for column in endpoint.columns for spelling in column.json_names]


def good_value(column: Column) -> st.SearchStrategy[Any]:
    """What the column usually holds, so that most records become rows."""
    usual = {
        Type.ID: st.sampled_from(["a", 7]),
        Type.DAY: st.just("2026-05-02"),
        Type.INSTANT: st.just("2026-05-02T10:00:00Z"),
        Type.FLAG: st.booleans(),
        Type.INTEGER: st.integers(0, 9),
    }
    return usual.get(column.type, st.sampled_from(["7", Decimal("2.50"), 3]))


@st.composite
def records_of(draw: st.DrawFn, endpoint: Endpoint) -> list[Any]:
    """Records that are mostly right, with anything at all in some places; each says its place under `#`."""
    required = {column.source: good_value(column) for column in endpoint.columns if column.required}
    wild = st.dictionaries(st.one_of(st.sampled_from(sources(endpoint)), names), anything, max_size=5)
    usual = st.fixed_dictionaries(
        required, optional={c.source: good_value(c) for c in endpoint.columns if not c.required}
    )
    records = draw(st.lists(st.one_of(st.tuples(usual, wild), anything), max_size=6))
    merged = [{**record[0], **record[1]} if isinstance(record, tuple) else record for record in records]
    return [{**record, "#": place} if isinstance(record, dict) else record for place, record in enumerate(merged)]


TABLES = {**BY_NAME, "overridden": OVERRIDDEN}
listings = st.sampled_from(sorted(TABLES)).flatmap(lambda table: st.tuples(st.just(table), records_of(TABLES[table])))


def plain_number(value: Any) -> Fraction | None:
    """A number as a pupil would read it."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    text = str(value)
    if not re.fullmatch(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", text, re.ASCII):
        return None
    digits, _, exponent = text.strip().lower().partition("e")
    if exponent and abs(int(exponent)) > 1000:
        return Fraction(0) if int(exponent) < 0 or not Fraction(digits) else None
    return Fraction(digits) * Fraction(10) ** int(exponent or 0)


def rounded(number: Fraction, places: int) -> Fraction:
    """Half away from zero."""
    scaled = abs(number) * 10**places
    return Fraction((1 if number >= 0 else -1) * int(scaled + Fraction(1, 2)), 10**places)


def plain_amount(value: Any) -> Fraction | None:
    number = plain_number(value)
    exact = None if number is None else rounded(number, 10)
    return exact if exact is not None and abs(exact) < 10**28 else None


def plain_integer(value: Any) -> Fraction | None:
    number = plain_number(value)
    fits = number is not None and number.denominator == 1 and -(2**63) <= number < 2**63
    return number if fits else None


def sent_value(column: Column, record: dict[str, Any]) -> Any:
    return next((record[s] for s in column.json_names if record.get(s) is not None), None)


@given(listings)
def test_every_record_is_in_rows_or_quarantine_in_order(listing):
    table, records = listing
    endpoint = TABLES[table]
    result = decode(endpoint, records, month=MAY)
    mended, _ = without_lone_surrogates(records)
    assert result.rows.schema == endpoint.schema
    assert result.report.records == len(records)
    kept = [parsed_json(text)["#"] for text in result.rows[RESCUED]]
    quarantined = list(result.rejected["record"])
    assert kept == sorted(kept)
    assert quarantined == [json_text(record) for place, record in enumerate(mended) if place not in kept]


@given(listings)
def test_no_number_is_wrong(listing):
    table, records = listing
    endpoint = TABLES[table]
    rows = decode(endpoint, records, month=MAY).rows
    for row in rows.to_dicts():
        record = records[parsed_json(row[RESCUED])["#"]]
        for column in endpoint.columns:
            if column.expression is None and column.type in (*AMOUNTS, Type.INTEGER):
                read = plain_integer if column.type is Type.INTEGER else plain_amount
                stored = row[column.name]
                assert (None if stored is None else Fraction(stored)) == read(sent_value(column, record))


@given(listings)
def test_every_value_is_in_its_column_or_rescued(listing):
    table, records = listing
    endpoint = TABLES[table]
    mended, _ = without_lone_surrogates(records)
    columns = {
        spelling: column for column in endpoint.columns if column.expression is None for spelling in column.json_names
    }
    used = (
        {"durationMinutes", "units", "customer", "description", "approved", "state"}
        if endpoint is OVERRIDDEN
        else set()
    )
    for row in decode(endpoint, records, month=MAY).rows.to_dicts():
        rescued = parsed_json(row[RESCUED])
        record = mended[rescued["#"]]
        for name, value in record.items():
            if name not in columns and name not in used:
                assert json_text(rescued[name]) == json_text(value)
            elif name in columns and value not in (None, "") and name not in rescued:
                assert row[columns[name].name] is not None
        assert all(json_text(record[name]) == json_text(value) for name, value in rescued.items())


@given(listings.filter(lambda listing: listing[0] != "overridden"), st.data())
def test_batch_size_makes_no_difference(listing, data):
    table, records = listing
    endpoint = TABLES[table]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=3)))
    parts = [records[start:end] for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True)]
    whole = decode(endpoint, records, month=MAY)
    cut = [decode(endpoint, part, month=MAY) for part in parts]
    assert pl.concat([part.rows for part in cut]).equals(whole.rows)
    assert pl.concat([part.rejected for part in cut]).equals(whole.rejected)
    assert sum((part.report for part in cut), DecodeReport()) == whole.report


@given(st.lists(numbers | texts, max_size=20))
def test_column_of_anything_has_exact_numbers_or_null(sent):
    rows = decode(INVOICES, [{"id": place, "total": value} for place, value in enumerate(sent)]).rows
    assert [None if total is None else Fraction(total) for total in rows["total"]] == [
        plain_amount(value) for value in sent
    ]


@given(
    st.lists(names, min_size=1, max_size=3, unique=True).flatmap(
        lambda sent: st.lists(st.fixed_dictionaries(dict.fromkeys(sent, anything)), max_size=4)
    )
)
def test_texts_of_fields_are_those_of_json_text(records):
    sent = list(records[0]) if records else ["%"]
    expected = [json_text({name: record[name] for name in sent}) for record in records]
    assert texts_of_fields(records, sent) == expected
