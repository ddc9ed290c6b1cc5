"""Records as the API sends them: JSON text in, parsed as the client parses it."""

import json
from decimal import Decimal
from typing import Any

import polars as pl

from timix_assets.contract.endpoints import TIME_REPORTS
from timix_assets.contract.records import Decoded, decode
from timix_assets.contract.schema import RESCUED, Endpoint

ENTRY = {"id": "tr_1", "userId": "u_1", "subtaskId": "st_1", "date": "2026-01-15", "hours": Decimal("1.5")}
"""The least that makes a row of time_reports."""


def parsed_json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_constant=Decimal)


def entry(**changed: Any) -> dict[str, Any]:
    """A time report with some fields changed, or left out where `...` stands."""
    return {name: value for name, value in {**ENTRY, **changed}.items() if value is not ...}


def decoded_entry(**changed: Any) -> Decoded:
    return decode(TIME_REPORTS, [entry(**changed)])


def stored(endpoint: Endpoint, record: dict[str, Any], column: str) -> Any:
    """What one record leaves in one column; it must have become a row."""
    return decode(endpoint, [record]).rows[column].item()


def rescued(rows: pl.DataFrame, row: int = 0) -> Any:
    """The rescued data of a row, parsed; an empty object when there is none."""
    text = rows[RESCUED][row]
    return {} if text is None else parsed_json(text)
