"""The sandbox sends what the contract declares: all of it somewhere, and nothing else."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from timix_assets.contract.endpoints import BY_NAME, ENDPOINTS
from timix_assets.contract.schema import Column, Endpoint, Shape, Type
from timix_assets.sandbox import Firm, Sandbox

from .conftest import Reader

NAMES = [endpoint.name for endpoint in ENDPOINTS]
NUMBERS = {Type.HOURS, Type.MONEY, Type.RATE, Type.PERCENT}


@pytest.fixture(scope="module")
def api(firm: Firm) -> Iterator[Reader]:
    with Sandbox(firm) as sandbox:
        reader = Reader(sandbox, sandbox.key_for(lasts=timedelta(days=30)))
        yield reader
        reader.http.close()


def rows_of(api: Reader, endpoint: Endpoint) -> list[dict[str, Any]]:
    return [api.json(endpoint.path)] if endpoint.shape is Shape.OBJECT else api.all(endpoint.path)


def is_readable(column: Column, value: Any) -> bool:
    if column.type in NUMBERS:
        return isinstance(value, int | Decimal)
    if column.type is Type.DAY:
        return date.fromisoformat(value) is not None
    if column.type is Type.INSTANT:
        return value.endswith("Z") and datetime.fromisoformat(value) is not None
    if column.type in (Type.INTEGER, Type.FLAG):
        return isinstance(value, int)
    return isinstance(value, str) and value != "" and (not column.values or value in column.values)


def parts(columns: tuple[Column, ...], rows: list[dict[str, Any]], at: str = "") -> list[tuple[str, Column, list[Any]]]:
    """Every declared value: where it is, its column, and what was sent there, nulls left out."""
    found = []
    for column in columns:
        sent = [row[column.source] for row in rows if row.get(column.source) is not None]
        values = [value for many in sent for value in many] if column.is_list else sent
        if column.type is Type.OBJECT:
            found += parts(column.fields, values, f"{at}{column.source}.")
        else:
            found.append((f"{at}{column.source}", column, values))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_sends_every_contract_column_with_valid_values(name: str, api: Reader) -> None:
    for where, column, values in parts(BY_NAME[name].columns, rows_of(api, BY_NAME[name])):
        assert all(is_readable(column, value) for value in values), where
        assert values, f"{where} is never sent"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_sent_that_the_contract_does_not_declare(name: str, api: Reader) -> None:
    endpoint = BY_NAME[name]
    sent = {field for row in rows_of(api, endpoint) for field in row}
    assert sent == {column.source for column in endpoint.columns}


def test_a_calendar_plug_in_leaves_the_parents_of_an_entry_out(api: Reader) -> None:
    entries = api.all("/time-reports")
    without = [entry for entry in entries if "taskId" not in entry]
    assert without
    assert all("projectId" not in entry and "customerId" not in entry for entry in without)
    assert len(without) < len(entries) / 2
