"""Imports into the sandbox without Dagster: what the tests of every kind of import start from."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic

import pytest

from timix_assets.api import Limits, TimixClient
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.imports.importer import Importer
from timix_assets.imports.ledger import Ledger, V
from timix_assets.imports.mapping import M
from timix_assets.imports.outcome import L, Occasion, Planned, outcome_of
from timix_assets.imports.pace import Pace
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.server import Sandbox

QUICK = Limits(backoff_base_seconds=0.001, backoff_cap_seconds=0.005, attempts=2)

Cells = dict[str, Any]


def updates_sent(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """The bodies of all PUT requests from now on. The sandbox itself keeps what a PUT does not name."""
    sent: list[Mapping[str, Any]] = []
    update = TimixClient.update

    def recorded(client: TimixClient, resource: str, id: object, record: Mapping[str, Any]) -> dict[str, Any]:
        sent.append(record)
        return update(client, resource, id, record)

    monkeypatch.setattr(TimixClient, "update", recorded)
    return sent


@dataclass
class Run(Generic[L, V]):
    """What a run has planned and done. Steps, reasons and outcomes are those of its lines, in order."""

    planned: Sequence[Planned[L, V]]
    ledger: Ledger[V]
    importer: Importer[Any, L, V, Any]
    requests: int

    @property
    def steps(self) -> list[str]:
        return [each.line.step.value for each in self.planned]

    @property
    def reasons(self) -> list[str]:
        return [each.line.reason for each in self.planned]

    @property
    def outcomes(self) -> list[str | None]:
        results = self.importer.results(self.ledger)
        return [
            outcome_of(each, results.get((each.source, each.line.reference)), applied=True) for each in self.planned
        ]


@dataclass
class Importing(ABC, Generic[L, V, M]):
    """A sandbox and a lake."""

    sandbox: Sandbox
    lake: Lake
    runs: int = field(default=0, init=False)

    name: ClassVar[str]
    """Of all its imports."""

    importer: ClassVar[type[Importer[Any, Any, Any, Any]]]
    workspace: ClassVar[Callable[..., Any]]
    mapping: ClassVar[type[Any]]

    @abstractmethod
    def rows(self) -> list[Cells]:
        """Five rows, each of which creates a record."""

    @abstractmethod
    def created(self) -> list[dict[str, Any]]:
        """The records that imports have created."""

    @property
    def writes(self) -> int:
        """Requests that write, so far."""
        return sum(request.method != "GET" for request in self.sandbox.requests)

    def run(
        self,
        rows: Iterable[Cells],
        *,
        apply: bool = True,
        key: str | None = None,
        mapping: M | None = None,
        **options: Any,
    ) -> Run[L, V]:
        """One import, by a run of its own. Cells that a row lacks are empty. options: of the importer."""
        rows = list(rows)
        columns = list(dict.fromkeys(name for row in rows for name in row))
        used = mapping or self.mapping.of_columns(columns)
        return self._run(lambda importer, ledger: importer.plan((columns, rows), used, ledger), apply, key, options)

    def roll_back(
        self, selection: str = "", *, apply: bool = True, key: str | None = None, mapping: M | None = None
    ) -> Run[L, V]:
        """Undoes a run, or all imports."""
        undone, used = selection or self.name, mapping or self.mapping()
        return self._run(lambda importer, ledger: importer.plan_rollback(undone, used, ledger), apply, key)

    def _run(
        self,
        plan: Callable[[Importer[Any, L, V, M], Ledger[V]], list[Planned[L, V]]],
        apply: bool,
        key: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Run[L, V]:
        self.runs += 1
        with TimixClient(self.sandbox.base_url, key or self.sandbox.key, limits=QUICK, read_only=not apply) as client:
            occasion = Occasion(self.name, f"run-{self.runs:04d}", datetime.now(UTC), applied=apply)
            workspace = self.workspace(client, BY_NAME.__getitem__)
            importer = self.importer(
                workspace, self.lake, occasion, lambda _: None, lambda _: None, settle_seconds=0, **(options or {})
            )
            ledger = importer.ledger()
            planned = plan(importer, ledger)
            try:
                if apply:
                    importer.apply(planned, ledger, Pace(1000, 1, "", datetime.now), max_rows=1000)
            finally:
                importer.store(planned, ledger)
            return Run(planned, ledger, importer, client.stats.requests)
