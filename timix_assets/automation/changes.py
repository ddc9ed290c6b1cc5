"""The sensor that looks for changes in Timix and refreshes just what changed, with all that hangs below."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date

from dagster import (
    AssetKey,
    AssetSelection,
    DefaultSensorStatus,
    Failure,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from timix_assets import environment
from timix_assets.api.client import TimixClient
from timix_assets.api.errors import Closed, Forbidden, RateLimited
from timix_assets.automation.jobs import range_tags, refresh_changed, unfinished_run
from timix_assets.automation.partitions import MONTHLY
from timix_assets.automation.sightings import WATCHED, Sighting, digest, look, read_cursor
from timix_assets.automation.windows import clipped, recent
from timix_assets.failures import EXPECTED
from timix_assets.resources import TimixResource

LOOK_SECONDS = 40
"""Longest time for one tick's requests; Dagster gives a tick 60 s."""

MONTHS_BEFORE = 1

TOLD_BY: Mapping[str, tuple[str, ...]] = {
    "time_reports": ("revenue_report", "customer_billing_report"),
    "invoices": ("customer_billing_report",),
    "budget_health_report": ("time_reports", "projects"),
    "unbilled_time_report": ("time_reports", "invoices"),
}
"""What else has changed when this has: the reports on it, and what a report's figures are made of."""

DESCRIPTION = f"""Asks Timix for one row of each resource and for two reports ({len(WATCHED)} requests a tick) and compares
them with the last look: how many rows there are, the first row, the figures of the unbilled-time and budget-health reports.
What changed is read again, with the reports on it and all that hangs below, in one run of {refresh_changed.name}. The first
look only remembers.

Its limits: no answer says which month changed, so of time reports and dated reports only the running month and the one
before are read. An edit that changes neither a count nor a figure of the two reports (a text, a name) is not seen, one row
in another's place may not be, nor is the report on projects beyond the first 200. All of these wait for the schedules,
above all for the weekly sweep.

{environment.CHANGES_SECONDS.name} sets how often it looks."""


@sensor(
    name="timix_changes",
    job=refresh_changed,
    minimum_interval_seconds=environment.whole_number(environment.CHANGES_SECONDS, at_least=1),
    default_status=DefaultSensorStatus.STOPPED,
    description=DESCRIPTION,
)
def timix_changes(context: SensorEvaluationContext, timix: TimixResource) -> SensorResult | SkipReason:
    busy = unfinished_run(context.instance, refresh_changed.name)
    if busy:
        return SkipReason(
            f"{refresh_changed.name} is already queued or running (run {busy[:8]}); looking again after it."
        )
    change, before = read_cursor(context.cursor)
    try:
        now = _look_at_everything(timix, before)
    except (Closed, RateLimited):
        return SkipReason(
            f"The plan's limit left no room for this look within {LOOK_SECONDS} s: other requests with this key have used it. "
            "The next tick looks again."
        )
    except EXPECTED as error:
        raise Failure(str(error), allow_retries=False) from error
    if not before:
        return SensorResult(skip_reason=f"First look, only remembered: {_said(now)}.", cursor=_cursor("", now))
    changed = {name for name, seen in now.items() if name in before and seen.differs_from(before[name])}
    if not changed:
        return SkipReason(f"Nothing changed since the last change seen. Compared: {_said(now)}.")
    # Chained to the change before it: a row deleted, restored and deleted again is a new change each time.
    change = digest([change, sorted((name, seen.total, seen.content) for name, seen in now.items())])
    context.log.info(f"Changed: {', '.join(sorted(changed))}. Compared: {_said(now)}.")
    request = _request(change, changed, context.repository_def.asset_graph, environment.today())  # type: ignore[union-attr]
    return SensorResult(run_requests=[request], cursor=_cursor(change, {**before, **now}))


def _look_at_everything(timix: TimixResource, before: Mapping[str, Sighting]) -> dict[str, Sighting]:
    """What every watched resource shows now; those that the key may not read, and need not, are left out."""
    seen = {}
    with _hurried(timix) as client:
        for watched in WATCHED:
            endpoint = timix.endpoint(watched.name)
            known = before.get(endpoint.name)
            try:
                sighting = look(client, endpoint, known.path if known else None)
            except Forbidden:
                if not endpoint.skip_forbidden:
                    raise
                continue
            latest = max(sighting.moment, known.moment) if known else sighting.moment
            seen[endpoint.name] = replace(sighting, moment=latest)
    return seen


@contextmanager
def _hurried(timix: TimixResource) -> Iterator[TimixClient]:
    """A client that shares the limit with all others of this key, and gives up before Dagster gives up on the tick."""
    brief = timix.model_copy(update={"attempts": 2, "request_deadline_seconds": 15, "wait_budget_seconds": 0})
    client = brief.client()
    timer = threading.Timer(LOOK_SECONDS, client.close)
    timer.daemon = True
    timer.start()
    try:
        yield client
    finally:
        timer.cancel()
        client.close()


def _request(change: str, changed: Iterable[str], graph: AssetGraph, today: date) -> RunRequest:
    assets = AssetSelection.assets(*(AssetKey(["timix", name]) for name in also_changed(changed))).downstream()
    keys = assets.resolve(graph)
    months = clipped(recent(MONTHS_BEFORE)(today), MONTHLY.start.date())
    dated = months and any(graph.get(key).is_partitioned for key in keys)
    return RunRequest(
        run_key=change,
        asset_selection=sorted(keys),
        tags={
            "timix/started_by": "timix_changes",
            "timix/changed": ", ".join(sorted(changed)),
            **(range_tags(months) if dated and months else {}),
        },
    )


def also_changed(changed: Iterable[str]) -> set[str]:
    """The changed resources, and what has surely changed with them."""
    found: set[str] = set()
    waiting = list(changed)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(TOLD_BY.get(name, ()))
    return found


def _said(seen: Mapping[str, Sighting]) -> str:
    return ", ".join(f"{name} {sighting.total:,}" for name, sighting in seen.items())


def _cursor(change: str, seen: Mapping[str, Sighting]) -> str:
    return json.dumps({"change": change, "seen": {name: asdict(sighting) for name, sighting in seen.items()}})
