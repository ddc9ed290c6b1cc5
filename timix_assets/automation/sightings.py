"""What one cheap look at a resource tells: how many rows, and the first of them; of a report, its figures."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import polars as pl

from timix_assets.api.client import TimixClient
from timix_assets.api.errors import NotFound
from timix_assets.contract.endpoints import ENDPOINTS
from timix_assets.contract.records import decode
from timix_assets.contract.schema import RESCUED, Endpoint, Shape, Window

MOMENTS = ("updated_at", "created_at")
MOVING_BY_ITSELF = {"unbilled_time_report": ("aging",)}
"""Columns that change as days pass although nobody changed anything."""

WATCHED = tuple(endpoint for endpoint in ENDPOINTS if endpoint.window is not Window.MONTH)
"""Reports that are asked month by month would cost a request a month; the time reports they sum up are looked at instead."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look. Everything in it is what the API said.

    path: the one that answered. total: rows in all; those of the answer where the API counts none. first: the key of the
    first row. content: of what was seen, as a hash. moment: the latest time of creation or change among the rows seen, so
    far; empty when they carry none.
    """

    path: str
    total: int
    first: str
    content: str
    moment: str

    def differs_from(self, before: "Sighting") -> bool:
        """Whether something was surely changed since.

        Another first row alone tells nothing, for lists promise no order; one that is younger than all before it does.
        """
        if self.total != before.total or self.moment > before.moment:
            return True
        return self.first == before.first and self.content != before.content


def look(client: TimixClient, endpoint: Endpoint, known_path: str | None = None) -> Sighting:
    """One request, unless the path must still be found. TimixError as the client says."""
    *others, last = _paths(endpoint, known_path)
    for path in others:
        try:
            return _seen(client, endpoint, path)
        except NotFound:
            continue
    return _seen(client, endpoint, last)


def _paths(endpoint: Endpoint, known: str | None) -> list[str]:
    paths = [endpoint.path, *endpoint.fallback_paths]
    return sorted(paths, key=lambda path: path != known)


def _seen(client: TimixClient, endpoint: Endpoint, path: str) -> Sighting:
    answer = client.envelope(path, _page(endpoint, client.limits.page_size), object_is_row=True)
    rows = decode(endpoint, answer.items).rows
    return Sighting(
        path=path,
        total=len(answer.items) if answer.total is None else answer.total,
        first=" ".join(map(str, rows.select(endpoint.key).row(0))) if rows.height else "",
        content=_hash(endpoint, rows),
        moment=max(_moments(rows), default=""),
    )


def _page(endpoint: Endpoint, largest: int) -> Mapping[str, str]:
    """The first page: one row of a list, as much as one answer may hold of a report, for some servers page these too."""
    size = {Shape.LIST: 1, Shape.REPORT: largest}.get(endpoint.shape)
    asked = {"page": 1, "pageSize": size} if size else {}
    return {endpoint.parameters.get(name, name): str(value) for name, value in asked.items()}


def _hash(endpoint: Endpoint, rows: pl.DataFrame) -> str:
    """Of the declared columns alone: a field without a meaning to us, such as a counter of requests, may change by itself."""
    compared = rows.sort(endpoint.key).drop(RESCUED, *MOVING_BY_ITSELF.get(endpoint.name, ()))
    return digest(compared.to_dicts())


def _moments(rows: pl.DataFrame) -> Iterator[str]:
    for name in MOMENTS:
        if name in rows.columns:
            found: Iterable[datetime] = rows[name].drop_nulls().to_list()
            yield from (moment.astimezone(UTC).isoformat(timespec="microseconds") for moment in found)


def digest(value: object) -> str:
    """A short hash of JSON-like data, the same in every process."""
    text = json.dumps(value, default=str, sort_keys=True, ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:20]
