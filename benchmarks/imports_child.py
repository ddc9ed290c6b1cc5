"""Runs one import for each line on its standard input, and answers with one line."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from timix_assets.api import Limits, TimixClient
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.errors import TimixAssetsError
from timix_assets.imports.mapping import ImportMapping
from timix_assets.imports.outcome import Occasion
from timix_assets.imports.pace import Pace
from timix_assets.imports.sources import Table
from timix_assets.imports.steps import size
from timix_assets.imports.structure.importer import StructureImporter
from timix_assets.imports.structure.mapping import StructureMapping
from timix_assets.imports.structure.workspace import StructureWorkspace
from timix_assets.imports.time_entries import TimeEntryImporter
from timix_assets.imports.workspace import Workspace
from timix_assets.lake.tables import Lake

QUICK = Limits(backoff_base_seconds=0.001, backoff_cap_seconds=0.01, attempts=2)
SETTLE_SECONDS = 0.05


def left_after(base_url: str, key: str, lake: Lake, what: str, name: str, rows: list[dict[str, str]]) -> int:
    """Runs the import; how many records of its plan were not written."""
    run_id = uuid4().hex
    table = list(rows[0]), rows
    with TimixClient(base_url, key, limits=QUICK, read_only=False) as client:
        occasion = Occasion(name, run_id, datetime.now(UTC), applied=True)
        if what == "structure":
            return _run_structure(client, lake, occasion, table)
        importer = TimeEntryImporter(
            Workspace(client, BY_NAME.__getitem__),
            lake,
            occasion,
            lambda _: None,
            lambda _: None,
            settle_seconds=SETTLE_SECONDS,
        )
        ledger = importer.ledger()
        planned = importer.plan(table, ImportMapping.of_columns(rows[0]), ledger)
        importer.apply(planned, ledger, Pace(1000, 1, "", datetime.now), max_rows=len(rows))
        again = importer.plan(table, ImportMapping.of_columns(rows[0]), ledger) if name != "thousand" else []
        importer.store(planned, ledger)
        return size(each.line for each in again)


def _run_structure(client: TimixClient, lake: Lake, occasion: Occasion, table: Table) -> int:
    workspace = StructureWorkspace(client, BY_NAME.__getitem__)
    importer = StructureImporter(
        workspace, lake, occasion, lambda _: None, lambda _: None, settle_seconds=SETTLE_SECONDS
    )
    ledger, mapping = importer.ledger(), StructureMapping.of_columns(table[0])
    planned = importer.plan(table, mapping, ledger)
    importer.apply(planned, ledger, Pace(1000, 1, "", datetime.now), max_rows=len(planned))
    importer.store(planned, ledger)
    return size(each.line for each in importer.plan(table, mapping, ledger))


def main() -> None:
    base_url, key, folder, what = sys.argv[1:]
    lake = Lake(str(Path(folder) / "lake"))
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            left: int | None = left_after(base_url, key, lake, what, job["name"], job["rows"])
        except TimixAssetsError as error:
            print(error, file=sys.stderr)
            left = None
        print(json.dumps({"left": left}), flush=True)


if __name__ == "__main__":
    main()
