"""The sensor that looks for changes in Timix and refreshes just what changed, with all that hangs below."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import replace
from datetime import date

from dagster import (
    AssetKey,
    AssetSelection,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from timix_assets import environment
from timix_assets.api.client import TimixClient
from timix_assets.api.errors import Closed, ConnectionFailed, DeadlineExceeded, Forbidden, RateLimited, TimixError
from timix_assets.automation.cursor import Cursor
from timix_assets.automation.jobs import range_tags, refresh_changed, unfinished_run
from timix_assets.automation.partitions import MONTHLY
from timix_assets.automation.sightings import WATCHED, Sighting, look
from timix_assets.automation.windows import clipped, recent
from timix_assets.failures import plainly
from timix_assets.lake.io_manager import LakeResource, table_of
from timix_assets.lake.tables import Lake
from timix_assets.resources import TimixResource

LOOK_SECONDS = 40
"""After this a tick asks nothing more; with a request that is under way then, it ends before the 60 s of Dagster."""

REQUEST_SECONDS = 15
"""Longest time for one of its requests."""

MONTHS_BEFORE = 1

MOST_ATTEMPTS = 5
"""Runs in a row for one change, a tick apart at least: what fails so often waits for a person, or for something new."""

CHANGE = "timix/change"
"""Tag of a run: the change it is for. A run that is started again, by Dagster or a person, inherits it."""

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
look at a resource only remembers it.

No request is repeated within a tick: one that fails makes the tick fail, and the next tick looks again. Only where a path
answers 404 are the other paths known for that resource asked too; the one that answers is remembered. A tick for which the
plan's limit leaves no room is skipped; one whose answers take longer than {LOOK_SECONDS} s fails.

A change is remembered until a run for it succeeds. When its run fails, is canceled or never starts, the next look asks again,
together with what changed meanwhile; after {MOST_ATTEMPTS} runs in a row it waits for the next change; schedules read it too.

It keeps up what is in the lake and does not fill it: what needs a table that was never read is left out, and the run's tag
timix/missing names that table. Run refresh_everything once first.

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
def timix_changes(
    context: SensorEvaluationContext, timix: TimixResource, lake: LakeResource
) -> SensorResult | SkipReason:
    busy = unfinished_run(context.instance, refresh_changed.name)
    if busy:
        return SkipReason(
            f"{refresh_changed.name} is already queued or running (run {busy[:8]}); looking again after it."
        )
    with plainly():
        return _tick(context, timix, lake.lake)


def _tick(context: SensorEvaluationContext, timix: TimixResource, lake: Lake) -> SensorResult | SkipReason:
    cursor = Cursor.read(context.cursor)
    runs = context.instance.get_runs(RunsFilter(tags={CHANGE: cursor.change})) if cursor.unread else []
    if any(run.is_success for run in runs):
        cursor = cursor.settled()
    try:
        now = look_at_everything(timix, cursor.seen)
    except RateLimited as error:
        return SkipReason(f"The plan's limit left no room for this look: {error} The next tick looks again.")
    if not cursor.seen:
        return _skip(Cursor(seen=now), f"First look, only remembered: {_said(now)}.")
    changed = {name for name, seen in now.items() if name in cursor.seen and seen.differs_from(cursor.seen[name])}
    if not changed and not cursor.unread:
        return _skip(cursor.meeting(now), f"Nothing changed since the last change seen. Compared: {_said(now)}.")
    if not changed and cursor.attempts >= MOST_ATTEMPTS:
        last = f"the last is {runs[0].run_id[:8]}" if runs else "the last was never started"
        return _skip(
            cursor.meeting(now),
            f"Changed: {', '.join(cursor.unread)}. {cursor.attempts} runs in a row for it did not succeed ({last}), so it is "
            f"asked for again only with the next change; a schedule reads it too. Compared: {_said(now)}.",
        )
    asked = cursor.asking(changed, now)
    context.log.info(f"To read: {', '.join(asked.unread)} (attempt {asked.attempts}). Compared: {_said(now)}.")
    graph = context.repository_def.asset_graph  # type: ignore[union-attr]
    return SensorResult(run_requests=[_request(asked, graph, lake, environment.today())], cursor=asked.text())


def _skip(cursor: Cursor, reason: str) -> SensorResult:
    return SensorResult(skip_reason=reason, cursor=cursor.text())


def look_at_everything(
    timix: TimixResource, before: Mapping[str, Sighting], seconds: float = LOOK_SECONDS
) -> dict[str, Sighting]:
    """What every watched resource shows now; those that the key may not read, and need not, are left out.

    Raises RateLimited when the plan's limit leaves no room for it, after a 429 or for most of `seconds`; DeadlineExceeded
    when the answers take too long; every other TimixError as the client says.
    """
    seen = {}
    with _hurried(timix, seconds) as client:
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
def _hurried(timix: TimixResource, seconds: float) -> Iterator[TimixClient]:
    """A client that shares the limit with all others of this key, repeats nothing, and is closed after `seconds`."""
    hurry = {"attempts": 1, "request_deadline_seconds": REQUEST_SECONDS, "wait_budget_seconds": 0}
    client = timix.model_copy(update=hurry).client()
    late = threading.Event()

    def give_up() -> None:
        late.set()
        client.close()

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield client
    except (Closed, ConnectionFailed) as error:
        # A request that is under way when the client is closed sees its connection break.
        if not late.is_set():
            raise
        raise _too_late(seconds, client.stats.waited_seconds) from error
    finally:
        timer.cancel()
        client.close()


def _too_late(seconds: float, waited: float) -> TimixError:
    """What kept a look too long is what took the greater part of its time."""
    if waited > seconds / 2:
        return RateLimited(
            f"it waited {waited:.1f} of its {seconds:g} s for the plan's limit, which other requests with this key have used."
        )
    return DeadlineExceeded(
        f"The look for changes had not all answers within {seconds:g} s, {waited:.1f} s of which it waited for the plan's "
        "limit: Timix is slow, so wait for the next tick, and switch timix_changes off if this goes on."
    )


def _request(asked: Cursor, graph: AssetGraph, lake: Lake, today: date) -> RunRequest:
    changed = (AssetKey(["timix", name]) for name in also_changed(asked.unread))
    wanted = AssetSelection.assets(*changed).downstream().resolve(graph)
    missing = _missing(wanted, graph, lake)
    keys = wanted - AssetSelection.assets(*missing).downstream().resolve(graph)
    months = clipped(recent(MONTHS_BEFORE)(today), MONTHLY.start.date())
    dated = months and any(graph.get(key).is_partitioned for key in keys)
    return RunRequest(
        run_key=asked.change,
        asset_selection=sorted(keys),
        tags={
            "timix/started_by": "timix_changes",
            "timix/changed": ", ".join(asked.unread),
            "timix/attempt": str(asked.attempts),
            CHANGE: asked.change,
            **({"timix/missing": ", ".join(sorted(map(table_of, missing)))} if missing else {}),
            **(range_tags(months) if dated and months else {}),
        },
    )


def _missing(wanted: Set[AssetKey], graph: AssetGraph, lake: Lake) -> set[AssetKey]:
    """The tables that the wanted ones are made of, and that are neither wanted nor in the lake."""
    above = {parent for key in wanted for parent in graph.get(key).parent_keys} - wanted
    return {key for key in above if not lake.exists(table_of(key))}


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
