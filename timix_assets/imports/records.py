"""The records of one endpoint, as an import reads and writes them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import polars as pl

from timix_assets.api.client import TimixClient
from timix_assets.api.errors import ContractError, NotFound, TimixError
from timix_assets.contract.expressions import parsed
from timix_assets.contract.identity import key_reader
from timix_assets.contract.records import decode
from timix_assets.contract.schema import Endpoint
from timix_assets.ingest.endpoint_paths import first_answer
from timix_assets.text.doctor_advice import FIND_OVERRIDE
from timix_assets.text.wording import count_noun, excerpt

from .errors import ImportRefused, ImportStopped


class Records:
    """Reads, creates, updates and deletes the records of an endpoint.

    Args:
        client: One that may write, if anything is to be written.
        endpoint: With the overrides applied.
        written: The columns that imports write.
    """

    def __init__(self, client: TimixClient, endpoint: Endpoint, written: Sequence[str] = ()) -> None:
        self._client = client
        self._written = written
        self._path = endpoint.path
        self.endpoint = endpoint

    def list(self, params: Mapping[str, str] | None = None) -> pl.DataFrame:
        """The records of a listing, in the endpoint's schema, each once. ContractError if one cannot be read."""
        self._path, rows = first_answer(self.endpoint, partial(self._read, params=params or {}), self._path)
        return rows

    def one(self, record_id: str) -> pl.DataFrame:
        """One record; no row when it does not exist or was deleted. ContractError if it cannot be read."""
        try:
            records = [self._client.get(f"{self._path}/{record_id}")]
        except NotFound:
            records = []
        return self._decoded(records)

    def check_writable(self) -> None:
        """ImportRefused if an override computes a column that imports write."""
        for name in self._written:
            self._json_name(name)

    def is_writable(self, name: str) -> bool:
        """Whether a column is one field, and not computed by an override."""
        expression = self.endpoint.column(name).expression
        return expression is None or len(parsed(expression).path) == 1

    def create(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Creates a record; its row, as Timix stored it.

        Raises:
            TimixError: As `TimixClient.create`; ContractError, maybe applied, if no id is returned.
            ImportStopped: It was created and cannot be read.
        """
        return self._stored(self._client.create(self._path, self._record(values)))

    def update(self, record_id: str, values: Mapping[str, object], emptied: Iterable[str] = ()) -> dict[str, Any]:
        """Replaces a record; its row, as Timix stored it. emptied: columns that lose their value. Errors as of `create`."""
        record = {**self._record(values), **{self._json_name(name): None for name in emptied}}
        return self._stored(self._client.update(self._path, record_id, record))

    def delete(self, record_id: str) -> None:
        """Deletes a record; one that is gone already counts as deleted."""
        try:
            self._client.delete(self._path, record_id)
        except NotFound:
            return

    def _stored(self, record: dict[str, Any]) -> dict[str, Any]:
        rows = decode(self.endpoint, [record]).rows
        if rows.is_empty():
            rows = self._read_back(key_reader(self.endpoint)(record))
        if rows.is_empty():
            error = ContractError("The server's response has no readable record; the record may have been written.")
            error.maybe_applied = True
            raise error
        return rows.row(0, named=True)

    def _read_back(self, record_id: str | None) -> pl.DataFrame:
        """The record that was written, where the response has its id alone; no row if it is not found by that."""
        if not record_id:
            return self._decoded([])
        try:
            return self.one(record_id)
        except ContractError as unreadable:
            raise ImportStopped(str(unreadable)) from unreadable
        except TimixError:
            # About this request, and not about the write.
            return self._decoded([])

    def _record(self, values: Mapping[str, object]) -> dict[str, Any]:
        return {self._json_name(name): value for name, value in values.items() if value is not None}

    def _json_name(self, name: str) -> str:
        """The field that a column is written to; ImportRefused if an override computes it."""
        column = self.endpoint.column(name)
        if not self.is_writable(name):
            raise ImportRefused(
                f"An override computes the column {name} of {self.endpoint.name} ({column.expression}), so it cannot be "
                "written; imports need a column that is one field."
            )
        return column.source if column.expression is None else parsed(column.expression).path[0]

    def _read(self, path: str, params: Mapping[str, str]) -> pl.DataFrame:
        endpoint = self.endpoint
        attempt, records = 0, list[Any]()
        for page in self._client.pages(path, params, key=key_reader(endpoint), names=endpoint.parameters):
            if page.attempt > attempt:
                attempt, records = page.attempt, []
            records += page.items
        return self._decoded(records).unique(endpoint.key, keep="last", maintain_order=True)

    def _decoded(self, records: Sequence[Any]) -> pl.DataFrame:
        """The rows. A record that cannot be read must not look as if it were not there: it would be written again."""
        decoded = decode(self.endpoint, records)
        if unreadable := decoded.rejected.height:
            reasons = ", ".join(decoded.rejected["reason"].unique(maintain_order=True)[:3])
            raise ContractError(
                f"{unreadable:,} of {count_noun(len(records), 'record')} of {self.endpoint.name} cannot be read ({reasons})"
                f"{self._named(decoded.rejected['record'])}; so it is not known what is in Timix. Correct or delete such "
                f"records there, or {FIND_OVERRIDE}."
            )
        return decoded.rows

    def _named(self, rejected: pl.Series) -> str:
        """The ids and days of the first of these records, JSON texts, as far as they can be read: `: tim-1 of 2026-11-09`."""
        columns = tuple(replace(column, required=False) for column in self.endpoint.columns)
        records = [json.loads(record, parse_float=Decimal) for record in rejected[:3]]
        rows = decode(replace(self.endpoint, columns=columns), records).rows
        day = [self.endpoint.date_column] if self.endpoint.date_column else []
        values = rows.select(*self.endpoint.key, *day).rows()
        names = [excerpt(" of ".join(str(value) for value in row if value is not None)) for row in values]
        return f": {', '.join(names)}{', …' if len(rejected) > 3 else ''}" if names else ""
