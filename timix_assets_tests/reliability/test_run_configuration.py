"""A run's configuration moves neither the key nor the tables: row 45 of docs/reliability.md."""

import json
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from timix_assets.lake.months import Months
from timix_assets.partitions import range_tags
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.automation.dagster_dev import REPOSITORY, TimixUi
from timix_assets_tests.commands.conftest import settings_of


class Thief(socketserver.ThreadingTCPServer):
    """A server on this machine that keeps what it is sent."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.got: list[bytes] = []
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.got.append(request.recv(65536))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/steal"


@pytest.fixture(scope="module")
def thief() -> Iterator[Thief]:
    with Thief() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def sandbox(firm: Firm) -> Iterator[Sandbox]:
    with Sandbox(firm) as running:
        yield running


@pytest.fixture(scope="module")
def ui(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimixUi]:
    served = TimixUi(tmp_path_factory.mktemp("ui"), settings_of(sandbox))
    try:
        served.start()
        yield served
    finally:
        served.kill()


def launch(ui: TimixUi, config: dict[str, Any], tags: dict[str, str] | None = None) -> Any:
    """What the UI answers to a launch of `refresh_everything` with that configuration."""
    return ui.ask(
        """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename
          ... on LaunchRunSuccess { run { id } } ... on RunConfigValidationInvalid { errors { message } } } }""",
        p={
            "selector": {**REPOSITORY, "jobName": "refresh_everything"},
            "mode": "default",
            "runConfigData": json.dumps(config),
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]},
        },
    )


@pytest.mark.fault(45)
@pytest.mark.parametrize(
    ("resource", "field"),
    [
        ("timix", "base_url"),
        ("timix", "api_key"),
        ("timix", "authentication"),
        ("timix", "overrides_file"),
        ("lake", "url"),
        ("lake", "state_folder"),
        ("lake", "storage_options"),
        ("io_manager", "lake"),
        ("rollup_context", "lake"),
    ],
)
def test_a_launch_that_names_a_place_is_refused(
    ui: TimixUi, thief: Thief, sandbox: Sandbox, resource: str, field: str
) -> None:
    asked = len(sandbox.requests)
    refused = launch(ui, {"resources": {resource: {"config": {field: thief.url}}}})
    assert refused["__typename"] == "RunConfigValidationInvalid"
    assert f'unexpected config entry "{field}"' in refused["errors"][0]["message"]
    assert ui.runs() == []
    assert (thief.got, len(sandbox.requests)) == ([], asked)


@pytest.mark.fault(45)
def test_a_run_with_limits_calls_the_environments_server_alone(
    ui: TimixUi, thief: Thief, sandbox: Sandbox, firm: Firm
) -> None:
    month = Months(firm.first_day, firm.first_day)
    tags = dict.fromkeys(("TIMIX_BASE_URL", "timix/base_url", "timix/overrides", "dagster/agent_url"), thief.url)
    launched = launch(ui, {"resources": {"timix": {"config": {"concurrency": 2}}}}, {**tags, **range_tags(month)})
    run_id = launched["run"]["id"]
    ui.wait_for("the run to end", lambda: ui.run(run_id)["status"] in ("SUCCESS", "FAILURE"))
    assert ui.run(run_id)["status"] == "SUCCESS"
    assert thief.got == []
    assert sandbox.requests
    assert {table.parts[-2] for table in (ui.folder / "data/lake").glob("*/*")} >= {"timix", "rollups"}
