"""Webhooks: how fast the receiver answers, and how long an event takes to the refreshed table of a running instance."""

import asyncio
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets.sandbox.webhook_sender import WebhookSender
from timix_assets.settings.webhooks import WebhookSettings
from timix_assets.webhooks.look_timing import MIN_GAP_SECONDS
from timix_assets.webhooks.signatures import Signatures
from timix_assets_tests.automation.dagster_dev import TimixUi

from .child import MeasurementFailedError, environment
from .figures import Figure
from .project import empty_project

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNATURES = Signatures.of(WebhookSettings.model_validate({"webhook_secrets": SECRET}))

EVENTS_A_SECOND, EVENTS, CONNECTIONS = 50, 2_000, 10
BODY = b'{"type": "time_reports.updated", "data": {"id": "tim-1", "text": "' + b"x" * 2000 + b'"}}'
MOST_ANSWER_MS = 50

CHANGES = 12
MOST_SECONDS = 15
TABLE = "timix/customers"


def figures() -> list[Figure]:
    """All measurements."""
    return [*answers(), *changes()]


def answers() -> list[Figure]:
    """The receiver under a steady load: from the last byte of an event to its answer."""
    with empty_project() as folder, _receiver(folder) as port:
        took = sorted(asyncio.run(_load(port)))
    return [
        Figure(f"answer to an event, {EVENTS_A_SECOND} a second, median", [statistics.median(took)], "ms"),
        Figure("answer, 99th percentile", [statistics.quantiles(took, n=100)[98]], "ms", MOST_ANSWER_MS),
        Figure("answer, longest", [took[-1]], "ms"),
    ]


def changes(seed: int = 7) -> list[Figure]:
    """Customers that are created in the sandbox one by one, until each is in the lake of a running `timix-assets ui`."""
    rng, firm = random.Random(seed), Firm.generate(today=date.today())
    with TemporaryDirectory(prefix="timix-benchmark-") as name:
        settings = {"TIMIX_START_MONTH": f"{firm.first_day:%Y-%m}", "TIMIX_WEBHOOK_SECRETS": SECRET}
        ui = TimixUi(Path(name), settings)
        with _receiver(ui.folder) as port:
            sender = WebhookSender(f"http://127.0.0.1:{port}/webhooks", SIGNATURES)
            with Sandbox(firm, webhooks=sender) as sandbox:
                ui.settings = settings | {"TIMIX_API_KEY": sandbox.key, "TIMIX_BASE_URL": sandbox.base_url}
                try:
                    ui.refresh()
                    ui.start()
                    ui.start_sensor("timix_changes")
                    ui.wait_for(
                        "the first look",
                        lambda: any("First tick" in _reason(tick) for tick in ui.ticks("timix_changes")),
                    )
                    times = [_change(ui, sandbox, number, rng) for number in range(CHANGES)]
                except AssertionError as failed:
                    raise MeasurementFailedError(str(failed)) from failed
                finally:
                    ui.kill()
    starts, tables, ends = zip(*times, strict=True)
    return [
        Figure("an event to the start of its run", starts),
        Figure("an event to the refreshed table", tables, "s", MOST_SECONDS),
        Figure("an event to the refreshed table, longest", [max(tables)]),
        Figure("an event to the end of its run, all tables below refreshed", ends),
    ]


def _change(ui: TimixUi, sandbox: Sandbox, number: int, rng: random.Random) -> tuple[float, float, float]:
    """Seconds from one change to the start of its run, to the commit of the table, and to the end of the run."""
    # Out of step with the ticks, and long enough after the last look.
    time.sleep(MIN_GAP_SECONDS + rng.uniform(0, 10))
    log = ui.folder / "data" / "lake" / TABLE / "_delta_log"
    commits = set(log.glob("*.json"))
    runs = {run["id"] for run in ui.runs(pipelineName="refresh_changed")}
    began = time.time()
    sandbox.workspace.create("customers", {"name": f"Customer {number}"})
    [commit] = ui.wait_for(f"a commit of {TABLE}", lambda: set(log.glob("*.json")) - commits)
    names = set(ui.lake.scan(TABLE).collect()["name"])
    if f"Customer {number}" not in names:
        raise MeasurementFailedError(f"{TABLE} was written without Customer {number}.")

    def ended() -> Any:
        new = [run for run in ui.runs(pipelineName="refresh_changed") if run["id"] not in runs and run["endTime"]]
        return new[0] if new else None

    run = ui.wait_for("the run to end", ended)
    if run["status"] != "SUCCESS":
        raise MeasurementFailedError(f"the run for Customer {number} ended as {run['status']}.")
    return run["startTime"] - began, commit.stat().st_mtime - began, run["endTime"] - began


def _reason(tick: Any) -> str:
    return tick["skipReason"] or ""


@contextmanager
def _receiver(folder: Path) -> Iterator[int]:
    """`timix-assets webhooks` in a project folder; its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "timix_assets.cli", "webhooks", "--port", "0"],
        cwd=folder,
        env=environment({"TIMIX_WEBHOOK_SECRETS": SECRET, "TIMIX_WEBHOOK_PER_MINUTE": "100000"}),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r":(\d+)/webhooks", process.stdout.readline())
        if not found:
            raise MeasurementFailedError("`timix-assets webhooks` did not start.")
        yield int(found[1])
    finally:
        process.terminate()
        process.wait()


async def _load(port: int) -> list[float]:
    """The milliseconds to each answer."""
    began = time.perf_counter()
    connections = (_send(port, first, began) for first in range(CONNECTIONS))
    return [one for took in await asyncio.gather(*connections) for one in took]


async def _send(port: int, first: int, began: float) -> list[float]:
    """Every tenth event, at its time, over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for number in range(first, EVENTS, CONNECTIONS):
        await asyncio.sleep(max(0.0, began + number / EVENTS_A_SECOND - time.perf_counter()))
        signed = SIGNATURES.sign(f"event-{number}", time.time(), BODY)
        lines = [f"{header}: {value}" for header, value in {**signed, "Content-Length": str(len(BODY))}.items()]
        writer.write("\r\n".join(["POST /webhooks HTTP/1.1", "Host: localhost", *lines, "", ""]).encode() + BODY)
        sent = time.perf_counter()
        answer = await reader.readuntil(b"stored\n")
        took.append((time.perf_counter() - sent) * 1000)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise MeasurementFailedError(f"the receiver answered {answer[:100]!r}.")
    writer.close()
    return took
