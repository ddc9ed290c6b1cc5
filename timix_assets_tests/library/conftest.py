"""Two firms in one code location, beside another team's assets, jobs and resources of the same names."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    InputContext,
    IOManager,
    OutputContext,
    asset,
    define_asset_job,
)

from timix_assets import Workspace
from timix_assets.lake.lock import LakeLock
from timix_assets.partitions import range_tags
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.conftest import TODAY
from timix_assets_tests.instances import local_instance
from timix_assets_tests.workspace import FIRM_MONTHS, QUIET

FIRMS = ("acme", "globex")
RAW = ("timix/customers", "timix/projects")


class TheirIOManager(IOManager):
    """Of another team: our runs must not touch it."""

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        assert context.asset_key == AssetKey(["warehouse", "orders"])

    def load_input(self, context: InputContext) -> Any:
        raise AssertionError("their table is read by nobody")


@asset(key=AssetKey(["warehouse", "orders"]), deps=[AssetKey(["acme", "rollups", "budget_health"])])
def orders() -> int:
    return 1


THEIRS = Definitions(
    assets=[orders],
    jobs=[define_asset_job("refresh_recent", "warehouse/orders")],
    resources={"io_manager": TheirIOManager(), "lake": "their lake", "timix": "their client", "settings": "theirs"},
)


@pytest.fixture(scope="session")
def other_firm() -> Firm:
    return Firm.generate(people=5, months=3, seed=8, today=TODAY)


@pytest.fixture
def sandboxes(small_firm: Firm, other_firm: Firm) -> Iterator[dict[str, Sandbox]]:
    with Sandbox(small_firm) as acme, Sandbox(other_firm) as globex:
        yield {"acme": acme, "globex": globex}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with local_instance(tmp_path) as temporary:
        yield temporary


def workspace(name: str, folder: Path, sandbox: Sandbox | None = None, **settings: Any) -> Workspace:
    """A workspace of the sandbox's firm, with a lake of its own below the folder."""
    places = {"api_key": sandbox.key, "base_url": sandbox.base_url} if sandbox else {"api_key": "bbl_none"}
    fields = {"lake": str(folder / name), "start_month": date(2026, 9, 1), "as_of": TODAY, "home": folder}
    return Workspace(name, **{**fields, **places, **settings})


def run(
    definitions: Definitions, instance: DagsterInstance, job: str, *tables: str, **tags: str
) -> ExecuteInProcessResult:
    """The job over the firm's months; of these tables of its workspace alone, when some are named."""
    workspace = job.partition("_")[0]
    done = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        run_config=QUIET,
        asset_selection=[AssetKey([workspace, *table.split("/")]) for table in tables] or None,
        tags={**range_tags(FIRM_MONTHS), **tags},
        raise_on_error=False,
    )
    # A run holds the lock until its process ends, and this one goes on.
    for name in FIRMS:
        LakeLock(Path(instance.root_directory) / ".dagster", str(Path(instance.root_directory) / name)).release()
    return done
