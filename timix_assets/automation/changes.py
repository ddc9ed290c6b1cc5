"""The sensor that polls Timix for changes and refreshes what changed, with all downstream assets."""

import threading
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dagster import (
    AssetKey,
    AssetSelection,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from timix_assets.api.client import TimixClient
from timix_assets.api.errors import Closed, ConnectionFailed, DeadlineExceeded, Forbidden, RateLimited, TimixError
from timix_assets.assets.rollup_context import CLOSED_MONTHS_TABLE
from timix_assets.automation.cursor import Cursor
from timix_assets.automation.jobs import jobs
from timix_assets.automation.month_ranges import clip, recent_months
from timix_assets.automation.tick_history import purge_skipped_ticks
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.schema import Endpoint
from timix_assets.dagster_internals import AssetGraph, UnresolvedAssetJobDefinition
from timix_assets.ingest.connection import quota_outside_runs
from timix_assets.ingest.probes import PROBED_ENDPOINTS, Probe, probe_endpoint
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.partitions import range_tags
from timix_assets.resources import LakeResource, TimixResource
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.runs.ours import is_ours, location_name, unfinished_run
from timix_assets.runs.tags import ATTEMPT, CHANGE, CHANGED, MISSING_TABLES, MONTHS, STARTED_BY, workspace_tags
from timix_assets.settings import Settings
from timix_assets.text.wording import count_noun
from timix_assets.webhooks.inbox import Inbox
from timix_assets.webhooks.look_timing import EVENT_TICK_SECONDS, look_is_due

TICK_SECONDS = 40
"""After this a tick makes no more requests; with the one in flight, it ends before Dagster's limit of 60 s."""

REQUEST_SECONDS = 15
"""Timeout of one request."""

MONTHS_BEFORE = 1

NAME = "timix_changes"

SKIPPED_TICKS_KEPT = timedelta(hours=1)
"""With webhooks: Dagster records every tick with the cursor, 75 MB a day at one each 5 s."""

MAX_ATTEMPTS = 5
"""Consecutive runs for one change; after that it waits for the next change."""

DESCRIPTION = f"""Polls Timix and refreshes what changed, the reports on it and all downstream assets, in one run.

- A tick compares counts, first rows and report figures with the tick before ({len(PROBED_ENDPOINTS)} requests).
- Other edits are not detected. A change is retried in up to {MAX_ATTEMPTS} runs, over this and the previous month.
- Assets that need a table that was never read are left out (run tag {MISSING_TABLES}): run refresh_everything first.
- TIMIX_CHANGES_SECONDS sets the interval, webhooks shorten it; docs/operations.md says when a tick is skipped or fails."""


def timix_changes(
    settings: Settings,
    job: UnresolvedAssetJobDefinition | None = None,
    names: Namespace = PROJECT,
    endpoints: Container[str] | None = None,
) -> SensorDefinition:
    """The sensor, which ticks as often as the settings say.

    Args:
        settings: Of the workspace.
        job: Its job refresh_changed.
        names: Of the workspace.
        endpoints: Names of those that it reads; None for all.
    """
    refresh_changed = jobs(names)["refresh_changed"] if job is None else job
    probed = [each for each in PROBED_ENDPOINTS if endpoints is None or each.name in endpoints]

    @sensor(
        name=names.named(NAME),
        job=refresh_changed,
        minimum_interval_seconds=min(settings.changes_seconds, EVENT_TICK_SECONDS)
        if settings.webhook_inbox
        else settings.changes_seconds,
        default_status=DefaultSensorStatus.STOPPED,
        description=DESCRIPTION,
        tags=workspace_tags(names),
    )
    @names.supplied
    def changes(
        context: SensorEvaluationContext, timix: TimixResource, lake: LakeResource
    ) -> SensorResult | SkipReason:
        busy = unfinished_run(context.instance, refresh_changed.name)
        if busy:
            return SkipReason(
                f"{refresh_changed.name} is already queued or running (run {busy[:8]}); the next tick probes again."
            )
        with as_dagster_failure():
            events = _begin_look(settings)
            if settings.webhook_inbox and events is not None:
                location = location_name(context.code_location_origin)
                before = datetime.now(UTC) - SKIPPED_TICKS_KEPT
                purge_skipped_ticks(context.instance, names.named(NAME), location, before)
            if events is None:
                return SkipReason(f"No new webhook; it looks without one every {settings.changes_seconds} s.")
            why = f" ({count_noun(events, 'new event')})" if events else ""
            return _tick(context, timix, lake, settings, probed, refresh_changed.selection, why)

    return changes


def _begin_look(settings: Settings) -> int | None:
    """Records that a look begins, where webhooks decide when; how many events are new. None while no look is due.

    It is recorded before the first request: a look that fails is repeated after the interval, not at every tick.
    """
    if settings.webhook_inbox is None:
        return 0
    now = time.time()
    with Inbox(settings.webhook_inbox, settings.webhook_inbox_mb) as inbox:
        looks = inbox.looks()
        if not look_is_due(looks, now, settings.changes_seconds):
            return None
        inbox.record_look(looks.newest, now)
    return looks.new


def _tick(
    context: SensorEvaluationContext,
    timix: TimixResource,
    lake: LakeResource,
    settings: Settings,
    probed: Sequence[Endpoint],
    own: AssetSelection,
    why: str,
) -> SensorResult | SkipReason:
    """One look.

    Args:
        context, timix, lake, settings: Of the workspace.
        probed: The endpoints to look at.
        own: What its job refresh_changed may select.
        why: What the look is for, in brackets, or empty. It is not logged: each tick that logs leaves a file.
    """
    cursor = Cursor.read(context.cursor)
    location = location_name(context.code_location_origin)
    found = context.instance.get_runs(RunsFilter(tags={CHANGE: cursor.change})) if cursor.unread else []
    runs = [run for run in found if is_ours(run, location, lake.names)]
    if any(run.is_success for run in runs):
        cursor = cursor.acknowledged()
    try:
        outside = timix.model_copy(update={"quota": quota_outside_runs(settings.lake)})
        now = probe_all(outside, cursor.seen, probed=probed)
    except RateLimited as error:
        return SkipReason(f"No room in the rate limit for this tick: {error} The next tick probes again.")
    if not cursor.seen:
        return _skip(Cursor(seen=now), f"First tick, only recorded: {_summary(now)}.")
    changed = {name for name, seen in now.items() if name in cursor.seen and seen.differs_from(cursor.seen[name])}
    if not changed and not cursor.unread:
        return _skip(cursor.observed(now), f"Nothing changed{why}. Compared: {_summary(now)}.")
    if not changed and cursor.attempts >= MAX_ATTEMPTS:
        last = f"the last is {runs[0].run_id[:8]}" if runs else "the last one never started"
        return _skip(
            cursor.observed(now),
            f"Changed: {', '.join(cursor.unread)}. {cursor.attempts} consecutive runs did not succeed ({last}), so it is retried "
            f"only with the next change; schedules read it too. Compared: {_summary(now)}.",
        )
    requested = cursor.requested(changed, now)
    context.log.info(
        f"To read: {', '.join(requested.unread)}, attempt {requested.attempts}{why}. Compared: {_summary(now)}."
    )
    graph = context.repository_def.asset_graph  # type: ignore[union-attr]
    return SensorResult(run_requests=[_request(requested, graph, own, lake, settings)], cursor=requested.text())


def _skip(cursor: Cursor, reason: str) -> SensorResult:
    return SensorResult(skip_reason=reason, cursor=cursor.text())


def probe_all(
    timix: TimixResource,
    before: Mapping[str, Probe],
    seconds: float = TICK_SECONDS,
    probed: Sequence[Endpoint] = PROBED_ENDPOINTS,
) -> dict[str, Probe]:
    """Probes the endpoints, except those that the key may not read and an override skips.

    Raises:
        RateLimited: a 429, or most of `seconds` went into waiting for the rate limit.
        DeadlineExceeded: the answers took too long.
        TimixError: any other failure of a request.
    """
    probes = {}
    with _client_with_deadline(timix, seconds) as client:
        for declared in probed:
            endpoint = timix.endpoint(declared.name)
            known = before.get(endpoint.name)
            try:
                probe = probe_endpoint(client, endpoint, known.path if known else None)
            except Forbidden:
                if not endpoint.skip_forbidden:
                    raise
                continue
            latest = max(probe.moment, known.moment) if known else probe.moment
            probes[endpoint.name] = replace(probe, moment=latest)
    return probes


@contextmanager
def _client_with_deadline(timix: TimixResource, seconds: float) -> Iterator[TimixClient]:
    """A client that shares the key's rate limit, retries nothing, and is closed after `seconds`."""
    limits = {"attempts": 1, "request_deadline_seconds": REQUEST_SECONDS, "wait_budget_seconds": 0}
    client = timix.model_copy(update=limits).client()
    timed_out = threading.Event()

    def give_up() -> None:
        timed_out.set()
        client.close()

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield client
    except (Closed, ConnectionFailed) as error:
        # Closing the client breaks the connection of the request in flight.
        if not timed_out.is_set():
            raise
        raise _timeout_error(seconds, client.stats.waited_seconds) from error
    finally:
        timer.cancel()
        client.close()


def _timeout_error(seconds: float, waited: float) -> TimixError:
    """The cause is what took most of the time: waiting for the rate limit, or for answers."""
    if waited > seconds / 2:
        return RateLimited(
            f"it waited {waited:.1f} of {seconds:g} s, since other requests with this key have used the limit."
        )
    return DeadlineExceeded(
        f"The probes took longer than {seconds:g} s ({waited:.1f} s of it waiting for the rate limit): Timix is slow. The next "
        "tick tries again; turn timix_changes off if this continues."
    )


def _request(
    requested: Cursor, graph: AssetGraph, own: AssetSelection, lake: LakeResource, settings: Settings
) -> RunRequest:
    names = lake.names
    changed = {names.key(f"timix/{name}") for name in with_implied_changes(requested.unread)}
    below = AssetSelection.assets(*(changed & graph.get_all_asset_keys())).downstream()
    # Without closing, and without the assets of other people, who run theirs themselves.
    selected = (below & own).resolve(graph)
    missing = _missing(selected, graph, lake)
    keys = selected - AssetSelection.assets(*missing).downstream().resolve(graph)
    months = clip(recent_months(MONTHS_BEFORE)(settings.today()), settings.first_month())
    dated = months and any(graph.get(key).is_partitioned for key in keys)
    return RunRequest(
        run_key=requested.change,
        asset_selection=sorted(keys),
        tags={
            STARTED_BY: names.named(NAME),
            CHANGED: ", ".join(requested.unread),
            ATTEMPT: str(requested.attempts),
            CHANGE: requested.change,
            **({MISSING_TABLES: ", ".join(sorted(key.to_user_string() for key in missing))} if missing else {}),
            **({**range_tags(months), MONTHS: str(months)} if dated and months else {}),
        },
    )


def _missing(selected: Set[AssetKey], graph: AssetGraph, lake: LakeResource) -> set[AssetKey]:
    """Upstream tables that are neither selected nor in the lake; a lake without closed months is complete."""
    parents = {parent for key in selected for parent in graph.get(key).parent_keys}
    upstream = parents - selected - {lake.names.key(CLOSED_MONTHS_TABLE)}
    # Somebody else's table is not in this lake.
    ours = {key for key in upstream if not lake.names.name or lake.names.owns(key)}
    return {key for key in ours if not lake.store.exists(lake.names.table(key))}


def with_implied_changes(changed: Iterable[str]) -> set[str]:
    """The changed endpoints, and those that have certainly changed with them."""
    found: set[str] = set()
    waiting = list(changed)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(BY_NAME[name].implies)
    return found


def _summary(probes: Mapping[str, Probe]) -> str:
    return ", ".join(f"{name} {probe.total:,}" for name, probe in probes.items())
