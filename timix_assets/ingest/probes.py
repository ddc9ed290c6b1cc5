"""Probes: cheap requests that detect change. Of a list the row count and the first row, of a report its figures."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import polars as pl

from timix_assets.api.client import TimixClient
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.contract.records import decode
from timix_assets.contract.schema import RESCUED, Endpoint, Shape, Window
from timix_assets.ingest.endpoint_paths import first_answer

TIMESTAMP_COLUMNS = ("updated_at", "created_at")

PROBED_ENDPOINTS = tuple(endpoint for endpoint in ENDPOINTS if endpoint.window is not Window.MONTH)
"""Without the monthly reports, which would cost a request a month: a change of the time reports implies one of theirs."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What the API returned for one probe; stored in the sensor's cursor.

    Args:
        total: rows in all; rows of the answer if the API does not count them.
        content: hash of the declared columns.
        moment: the latest creation or update time seen so far; empty if rows have none.
    """

    path: str
    total: int
    first: str
    content: str
    moment: str

    def differs_from(self, before: "Probe") -> bool:
        """Whether something has certainly changed since.

        Another first row alone proves nothing, since lists guarantee no order; one newer than all before it does.
        """
        if self.total != before.total or self.moment > before.moment:
            return True
        return self.first == before.first and self.content != before.content


def probe_endpoint(client: TimixClient, endpoint: Endpoint, known_path: str | None = None) -> Probe:
    """Makes one request, or one per path until the endpoint's path is known.

    Raises:
        TimixError: the request failed.
    """
    path, (total, rows) = first_answer(endpoint, lambda path: _first_page(client, endpoint, path), known_path)
    return Probe(
        path=path,
        total=total,
        first=" ".join(map(str, rows.select(endpoint.key).row(0))) if rows.height else "",
        # Of the declared columns only: an unknown field, such as a request counter, may change by itself.
        content=digest(rows.sort(endpoint.key).drop(RESCUED, *endpoint.volatile_columns).to_dicts()),
        moment=max(_timestamps(rows), default=""),
    )


def _first_page(client: TimixClient, endpoint: Endpoint, path: str) -> tuple[int, pl.DataFrame]:
    answer = client.envelope(path, _page_params(endpoint, client.limits.page_size), object_is_row=True)
    total = len(answer.items) if answer.total is None else answer.total
    return total, decode(endpoint, answer.items).rows


def _page_params(endpoint: Endpoint, largest: int) -> Mapping[str, str]:
    """The first page: one row of a list, as many as possible of a report, since some servers page these too."""
    size = {Shape.LIST: 1, Shape.REPORT: largest}.get(endpoint.shape)
    params = {"page": 1, "pageSize": size} if size else {}
    return {endpoint.parameters.get(name, name): str(value) for name, value in params.items()}


def _timestamps(rows: pl.DataFrame) -> Iterator[str]:
    for name in TIMESTAMP_COLUMNS:
        if name in rows.columns:
            found: Iterable[datetime] = rows[name].drop_nulls().to_list()
            yield from (moment.astimezone(UTC).isoformat(timespec="microseconds") for moment in found)


def digest(value: object) -> str:
    """A short hash of JSON-like data, the same in every process."""
    text = json.dumps(value, default=str, sort_keys=True, ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:20]
