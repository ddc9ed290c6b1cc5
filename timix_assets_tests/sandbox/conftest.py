"""A small firm, and a sandbox of it for each test that asks."""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import pytest

from timix_assets.sandbox import Firm, Sandbox

TODAY = date(2026, 3, 9)
"""Early in a month, when some invoices of the month before are drafts."""


@pytest.fixture(scope="session")
def firm() -> Firm:
    return Firm.generate(people=8, months=3, seed=7, today=TODAY)


@pytest.fixture
def sandbox(firm: Firm) -> Iterator[Sandbox]:
    with Sandbox(firm) as running:
        yield running


class Reader:
    """Reads the sandbox over HTTP the plain way. Numbers come as Decimal."""

    def __init__(self, sandbox: Sandbox, key: str | None = None) -> None:
        self._sandbox = sandbox
        self.http = httpx.Client(base_url=sandbox.base_url, headers={"X-Api-Key": key or sandbox.key}, trust_env=False)

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.http.get(path, params=query)

    def json(self, path: str, **query: Any) -> Any:
        return exact(self.get(path, **query))

    def all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Every row of a listing, page after page."""
        rows: list[dict[str, Any]] = []
        page, more = 1, True
        while more:
            envelope = self.json(path, page=page, pageSize=200, **query)
            rows += envelope["items"]
            page, more = page + 1, envelope["hasMore"]
        return rows


def exact(response: httpx.Response) -> Any:
    return response.json(parse_float=Decimal, parse_int=int)


@pytest.fixture
def reader_of() -> Iterator[Callable[..., Reader]]:
    """Makes readers, and closes them afterwards."""
    made: list[Reader] = []

    def make(sandbox: Sandbox, key: str | None = None) -> Reader:
        made.append(Reader(sandbox, key))
        return made[-1]

    yield make
    for reader in made:
        reader.http.close()


@pytest.fixture
def api(sandbox: Sandbox, reader_of: Callable[..., Reader]) -> Reader:
    return reader_of(sandbox)
