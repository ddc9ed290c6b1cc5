"""Sensors that alert people: budgets, failed runs, the key's expiry, closed months, and the weekly summary.

Each has an outbox, below `.dagster/alerts` or in a lake in an object store, so that neither a restart nor a dead receiver loses
or duplicates a message.
They start no run and send no request to Timix. All are off by default.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from dagster import (
    AssetObservation,
    DagsterInstance,
    DefaultSensorStatus,
    Failure,
    ResourceParam,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)

from timix_assets.alerts.budgets import BUDGET_STATES, budget_message, find_transitions
from timix_assets.alerts.delivery import AppriseReceiver, deliver, receivers_of
from timix_assets.alerts.failed_runs import (
    FAILURE_STATE,
    OVERLAP,
    SUPPRESS_FOR,
    FailedRun,
    FailureState,
    ReportedFailure,
    RunFailure,
    cause_id,
    run_failure_message,
    scan,
)
from timix_assets.alerts.failing_ticks import (
    ALERT_AFTER,
    Automation,
    AutomationTransition,
    FailingState,
    automation_message,
    find_failing,
)
from timix_assets.alerts.key_expiry import (
    KEY_EXPIRY_STATE,
    WARNING_DAYS,
    ApiKey,
    KeyExpiryState,
    is_due,
    key_expiry_message,
    reached_threshold,
)
from timix_assets.alerts.message import Message
from timix_assets.alerts.outbox import Outbox, OutboxBusy, OutboxError, Storage, open_outbox
from timix_assets.alerts.outbox_file import OutboxFile
from timix_assets.alerts.outbox_object import OutboxObject
from timix_assets.alerts.restatements import (
    RESTATEMENT_STATE,
    RESTATEMENTS,
    find_new,
    read_restatements,
    restatement_message,
)
from timix_assets.alerts.weekly_summary import (
    WEEKLY_SUMMARY_STATE,
    WEEKLY_SUMMARY_TIME,
    WeeklySummaryState,
    last_monday,
    weekly_summary_message,
)
from timix_assets.api.redaction import Redactor
from timix_assets.automation.tick_history import automations
from timix_assets.dagster_internals import SqlRunStorage
from timix_assets.lake.errors import OutdatedRollup
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.reporting.as_of import as_of_date_of
from timix_assets.reporting.digest import ROLLUPS_READ, read_digest
from timix_assets.reporting.digest_page import PAGE, as_html
from timix_assets.reporting.rollup_tables import has_invoices
from timix_assets.reporting.summary import BUDGETS, KPIS, read_budgets, summarize, tables_needed
from timix_assets.resources import LakeResource
from timix_assets.runs.failed_runs import failed_at, failed_since, failure_of, has_succeeded, retry_of
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.runs.ours import location_name
from timix_assets.runs.tags import WORKSPACE, workspace_tags
from timix_assets.settings import Settings
from timix_assets.settings.firm import FirmConfig
from timix_assets.text.wording import count_noun

POLL_SECONDS = 60
SLOW_POLL_SECONDS = 300
ME, PROJECTS = "timix/me", "timix/projects"

EARLIEST_CURSOR = datetime(2000, 1, 1, tzinfo=UTC)

DELIVERY_NOTE = (
    "Messages go to the Apprise URLs in TIMIX_ALERT_URLS, and always to the log. A message that cannot be "
    "delivered is retried at every tick, for each receiver separately."
)


@dataclass(frozen=True, slots=True)
class TickResult:
    """What a tick found: its reason for the UI, and the sensor's new cursor (None: unchanged)."""

    reason: str
    cursor: str | None = None


Evaluate = Callable[[Outbox], TickResult]


def _budget_alerts(
    context: SensorEvaluationContext, lake: LakeResource, settings: ResourceParam[Settings]
) -> SensorResult:
    def evaluate(outbox: Outbox) -> TickResult:
        if not lake.store.exists(BUDGETS):
            return TickResult(f"{BUDGETS} has not been computed yet; there is nothing to compare.")
        today = settings.as_of_date()
        days = settings.alert_days
        projects = lake.store.version(PROJECTS) if lake.store.exists(PROJECTS) else None
        compared = f"version {lake.store.version(BUDGETS)}, {today}, {days} days, projects version {projects}"
        if outbox.state is not None and context.cursor == compared:
            return TickResult(f"{BUDGETS} has not changed since the last tick ({compared}).")
        before = outbox.load_state(BUDGET_STATES)
        budgets = read_budgets(lake.store)
        transitions, after = find_transitions(budgets, before, today, days)
        as_of = as_of_date_of(lake.store, BUDGETS) or today
        message = (
            [budget_message(transitions, as_of, today, BUDGETS, _link_to(settings, lake, BUDGETS))]
            if transitions
            else []
        )
        outbox.record(BUDGET_STATES.dump_python(after, mode="json"), message)
        if before is None:
            recorded = count_noun(len(budgets), "budget")
            return TickResult(f"First tick for this lake: recorded the state of {recorded} ({compared}).", compared)
        return TickResult(
            f"{len(transitions)} of {count_noun(len(budgets), 'budget')} got worse ({compared}).", compared
        )

    return _tick(context, settings, lake.names, _outbox_of(lake, "budget_alerts"), evaluate)


def _failure_alerts(
    context: SensorEvaluationContext, lake: LakeResource, settings: ResourceParam[Settings]
) -> SensorResult:
    # Dagster's own run_failure_sensor skips runs of the command line, and does not retry when it fails itself.
    def evaluate(outbox: Outbox) -> TickResult:
        now, location = datetime.now(UTC), location_name(context.code_location_origin)
        since = min(_since(context.cursor, now), now)
        before = outbox.load_state(FAILURE_STATE)
        failed = failed_since(context.instance, since - OVERLAP, location, lake.names)
        records = {record.dagster_run.run_id: record for record in failed}
        if before is None:
            outbox.record(FailureState(list(records)).to_json(len(records)))
            return TickResult("First tick: only runs that fail from now on are reported.", now.isoformat())
        runs = [
            FailedRun(run_id, failed_at(record), retry_of(context.instance, record.dagster_run))
            for run_id, record in records.items()
        ]
        found = scan(runs, set(before.reported), before.waiting, since, now)
        reported, messages, has_receivers = dict(before.causes), [], bool(_configured_receivers(settings))
        due = {run_id: failure_of(context.instance, records[run_id].dagster_run, lake.names) for run_id in found.due}
        # In a run over several workspaces, steps of others alone may have failed.
        due = {run_id: each for run_id, each in due.items() if each.causes or each.was_terminated}
        for run_id, as_recorded in due.items():
            failure = _without_keys(settings, as_recorded)
            known = reported if has_receivers else {}
            if _is_new(context.instance, failure, failed_at(records[run_id]), known, location, lake.names):
                messages.append(run_failure_message(failure, f"{_ui(settings)}/runs/{run_id}"))
        suppressed = len(due) - len(messages)
        transitions, failing = find_failing(
            automations(context.instance, location, _own_automations(context, lake.names)), before.failing, now
        )
        messages += [_automation_message(settings, each, location) for each in transitions]
        after = FailureState([*before.reported, *found.due], found.waiting, reported, failing)
        if after != before or messages:
            outbox.record(after.to_json(len(records)), messages)
        reason = f"{count_noun(len(due), 'run')} failed since the last tick"
        if suppressed:
            reason += f", {suppressed} of them for causes already reported"
        if found.waiting:
            reason += f". {count_noun(len(found.waiting), 'more run')} may be retried by Dagster"
        return TickResult(f"{reason}.{_failing_since(failing)}", found.until.isoformat())

    # Its state is of the runs of one Dagster instance, and several may share a lake.
    of_instance = f"failure_alerts-{_id_of(context.instance)}.json"
    return _tick(context, settings, lake.names, _outbox_at(lake, "failure_alerts.json", of_instance), evaluate)


def _key_expiry(
    context: SensorEvaluationContext, lake: LakeResource, settings: ResourceParam[Settings]
) -> SensorResult:
    def evaluate(outbox: Outbox) -> TickResult:
        if not lake.store.exists(ME) or (key := _key(lake)) is None:
            return TickResult(f"{ME} has not been read yet, so the key's expiry is unknown.")
        if key.expires_at is None:
            return TickResult("The key does not expire.")
        now, identity = datetime.now(UTC), (key.name, key.expires_at.isoformat())
        reached = reached_threshold(key, now)
        before = outbox.load_state(KEY_EXPIRY_STATE)
        reported = before.threshold if before and before.key == identity else None
        if reached is not None and is_due(reached, reported):
            outbox.record(
                KEY_EXPIRY_STATE.dump_python(KeyExpiryState(identity, reached), mode="json"),
                [key_expiry_message(key, now, ME, _link_to(settings, lake, ME), settings.workspace)],
            )
        return TickResult(f"The key expires on {key.expires_at:%Y-%m-%d %H:%M} UTC.")

    return _tick(context, settings, lake.names, _outbox_of(lake, "key_expiry"), evaluate)


def _weekly_summary(
    context: SensorEvaluationContext, lake: LakeResource, settings: ResourceParam[Settings]
) -> SensorResult:
    def evaluate(outbox: Outbox) -> TickResult:
        due = last_monday(datetime.now(settings.zone))
        before = outbox.load_state(WEEKLY_SUMMARY_STATE)
        this_week = WEEKLY_SUMMARY_STATE.dump_python(WeeklySummaryState(due), mode="json")
        if before is None:
            outbox.record(this_week)
            return TickResult("First tick: the first summary is due next Monday.")
        if before.monday == due:
            return TickResult(f"The summary of Monday {due} was made; the next one is due next Monday.")
        with_page = settings.alert_digest == "page"
        needed = [*tables_needed(lake.store), *(ROLLUPS_READ if with_page and has_invoices(lake.store) else ())]
        missing = [table for table in needed if not lake.store.exists(table)]
        if missing:
            return TickResult(f"{missing[0]} is not in the lake yet; the summary waits for the first refresh.")
        if with_page:
            digest = read_digest(lake.store, settings.as_of_date(), FirmConfig.from_file(settings.firm_config))
            # A delivery may need it after the next refresh.
            summary, page = digest.summary, outbox.attach(PAGE, as_html(digest).encode())
        else:
            summary, page = summarize(lake.store, settings.as_of_date()), ""
        outbox.record(this_week, [weekly_summary_message(summary, KPIS, _link_to(settings, lake, KPIS), page)])
        return TickResult(f"Made the summary of Monday {due}.")

    return _tick(context, settings, lake.names, _outbox_of(lake, "weekly_summary"), evaluate)


def _restatement_alerts(
    context: SensorEvaluationContext, lake: LakeResource, settings: ResourceParam[Settings]
) -> SensorResult:
    def evaluate(outbox: Outbox) -> TickResult:
        if not lake.store.exists(RESTATEMENTS):
            return TickResult(f"{RESTATEMENTS} has not been computed yet; no month is compared.")
        compared = f"version {lake.store.version(RESTATEMENTS)}"
        if outbox.state is not None and context.cursor == compared:
            return TickResult(f"{RESTATEMENTS} has not changed since the last tick ({compared}).")
        found = read_restatements(lake.store)
        new, after = find_new(found, outbox.load_state(RESTATEMENT_STATE) or {})
        message = [restatement_message(new, RESTATEMENTS, _link_to(settings, lake, RESTATEMENTS))] if new else []
        outbox.record(after, message)
        changed, months = {each.month for each in found}, {each.month for each in new}
        return TickResult(
            f"Closed months that differ from when they were closed: {len(changed)}, newly: {len(months)} ({compared}).",
            compared,
        )

    return _tick(context, settings, lake.names, _outbox_of(lake, "restatement_alerts"), evaluate)


def alert_sensors(names: Namespace = PROJECT) -> list[SensorDefinition]:
    """The sensors of a workspace."""
    declared = (
        (
            "budget_alerts",
            POLL_SECONDS,
            _budget_alerts,
            "Alerts when the status of a running project's budget gets worse (on track, at risk, over budget), or when "
            f"it will be used up within TIMIX_ALERT_DAYS days: one message for all budgets that changed together, and "
            f"another one for a budget only after it recovered. The first tick for a lake only records the current state. "
            f"{DELIVERY_NOTE}",
        ),
        (
            "failure_alerts",
            POLL_SECONDS,
            _failure_alerts,
            "Alerts when a run of ours failed, no matter how it was started: the job, its months, each cause, and a link. "
            "Once a run; for a run that Dagster retries by itself, only the last failure; and not again within "
            f"{SUPPRESS_FOR // timedelta(hours=1)} hours when a job fails over the same months for causes already reported, "
            "unless it succeeded in between. Also alerts when the ticks of a sensor or schedule of ours have failed for "
            f"{ALERT_AFTER // timedelta(minutes=1)} minutes, and when they have recovered. {DELIVERY_NOTE}",
        ),
        (
            "key_expiry",
            SLOW_POLL_SECONDS,
            _key_expiry,
            f"Alerts when the API key expires in {', '.join(map(str, WARNING_DAYS))} days, as /me reported at the last "
            f"refresh: once each. {DELIVERY_NOTE}",
        ),
        (
            "restatement_alerts",
            POLL_SECONDS,
            _restatement_alerts,
            "Alerts when the hours, revenue or cost of a closed month differ from those when it was closed "
            f"({RESTATEMENTS}): one message for all months that changed together, and another one when a month changes again. "
            f"{DELIVERY_NOTE}",
        ),
        (
            "weekly_summary",
            SLOW_POLL_SECONDS,
            _weekly_summary,
            f"Sends the executive summary on Mondays from {WEEKLY_SUMMARY_TIME:%H:%M} on: money, who "
            "has not logged, utilization, running projects at risk or over budget, unbilled work; later in the week when the "
            "machine was off then. "
            f"The first one is sent on the Monday after the sensor is switched on. {DELIVERY_NOTE}",
        ),
    )
    return [
        sensor(
            name=names.named(name),
            minimum_interval_seconds=seconds,
            default_status=DefaultSensorStatus.STOPPED,
            description=description,
            tags=workspace_tags(names),
        )(names.supplied(function))
        for name, seconds, function, description in declared
    ]


def _tick(
    context: SensorEvaluationContext, settings: Settings, names: Namespace, storage: Storage, evaluate: Evaluate
) -> SensorResult:
    """Evaluates the alert, then delivers what is pending, from this tick or an earlier one."""
    with as_dagster_failure(), _outbox_errors_as_failures():
        try:
            with open_outbox(storage) as outbox:
                before = len(outbox.pending)
                result = _evaluated(evaluate, outbox)
                for pending in outbox.pending[before:]:
                    context.log.info(f"{pending.message.title}\n{pending.message.text}")
                errors = deliver(outbox, [EventLog(context.instance, names), *_configured_receivers(settings)])
                undelivered = count_noun(len(outbox.pending), "message")
        except OutboxBusy as busy:
            return SensorResult(skip_reason=str(busy))
    for error in errors:
        context.log.error(error)
    waiting = f" {undelivered} not delivered yet: {' '.join(errors)}" if errors else ""
    return SensorResult(skip_reason=f"{result.reason}{waiting}", cursor=result.cursor)


def _evaluated(evaluate: Evaluate, outbox: Outbox) -> TickResult:
    """What the tick found; after an upgrade, until the first refresh, why it found nothing."""
    try:
        return evaluate(outbox)
    except OutdatedRollup as outdated:
        return TickResult(str(outdated))


@contextmanager
def _outbox_errors_as_failures() -> Iterator[None]:
    try:
        yield
    except OutboxError as error:
        raise Failure(str(error), allow_retries=False) from error


@dataclass(frozen=True, slots=True)
class EventLog:
    """Dagster's event log as a receiver: an observation on the asset that a message is about. Failed runs are in it anyway."""

    instance: DagsterInstance
    names: Namespace
    id: str = "event log"

    def send(self, message: Message) -> None:
        if message.asset:
            self.instance.report_runless_asset_event(
                AssetObservation(self.names.key(message.asset), description=f"{message.title}\n{message.text}")
            )


def _own_automations(context: SensorEvaluationContext, names: Namespace) -> set[str] | None:
    """The workspace's sensors and schedules; None where the code location is not known."""
    if context.repository_def is None:
        return None
    sensors = {each.name: each.tags for each in context.repository_def.sensor_defs}
    schedules = {each.name: each.tags for each in context.repository_def.schedule_defs}
    return {name for name, tags in (sensors | schedules).items() if tags.get(WORKSPACE, "") == names.name}


def _configured_receivers(settings: Settings) -> list[AppriseReceiver]:
    return receivers_of(settings.alert_urls.get_secret_value())


def _id_of(instance: DagsterInstance) -> str:
    """Of its run storage, where it has one; Dagster+ has none."""
    runs = instance.run_storage
    return runs.get_run_storage_id() if isinstance(runs, SqlRunStorage) else ""


def _outbox_of(lake: LakeResource, alert: str) -> Storage:
    """One outbox for each organization's data in each lake: projects of another firm must not alert as changes of this one."""
    with as_dagster_failure():
        owner = f"{lake.store.url} {lake.store.metadata.organization() or ''}"
    name = f"{alert}-{sha256(owner.encode()).hexdigest()[:16]}.json"
    return _outbox_at(lake, name, name)


def _outbox_at(lake: LakeResource, file: str, name: str) -> Storage:
    """The file of this machine, or the object of that name in a lake that other machines reach."""
    on_this_machine = OutboxFile(Path(lake.state_folder) / "alerts" / file)
    store = lake.store_for_a_tick()
    return on_this_machine if store is None else OutboxObject(store, lake.store.url, name, on_this_machine)


def _key(lake: LakeResource) -> ApiKey | None:
    rows = lake.store.scan(ME).select("key_name", "key_expires_at").collect()
    return ApiKey(rows["key_name"][0] or "", rows["key_expires_at"][0]) if rows.height else None


def _since(cursor: str | None, now: datetime) -> datetime:
    """The time in the cursor; now, as at a first tick, where it is not a time because somebody has edited it.

    The cursor was an id of the event log once. Dagster reuses the ids of a deleted run's events, hence a time.
    """
    try:
        since = datetime.fromisoformat(cursor or "")
    except ValueError:
        return now
    return since if since.tzinfo is not None and since >= EARLIEST_CURSOR else now


def _is_new(
    instance: DagsterInstance,
    failure: RunFailure,
    failed: datetime,
    reported: dict[str, ReportedFailure],
    location: str,
    names: Namespace,
) -> bool:
    """Whether the job's causes over these months were not reported yet; updates `reported`.

    A terminated run is always new: its message does not name a cause.
    """
    if failure.was_terminated:
        return True
    job = f"{failure.job} {failure.months}"
    causes = frozenset(cause_id(where, message) for where, message in failure.causes)
    known = reported.get(job)
    if known and known.covers(
        causes, failed, succeeded_since=has_succeeded(instance, failure.job, known.at, failed, location, names)
    ):
        # A cause that did not occur again was fixed: it is new when it returns.
        reported[job] = ReportedFailure(known.at, causes)
        return False
    reported[job] = ReportedFailure(failed, causes)
    return True


def _automation_message(settings: Settings, transition: AutomationTransition, location: str) -> Message:
    reason = _without_key(settings, transition.reason) if transition.reason else None
    return automation_message(
        replace(transition, reason=reason), _link_to_automation(settings, transition.automation, location)
    )


def _failing_since(failing: Mapping[str, FailingState]) -> str:
    return "".join(f" {name} has been failing since {each.since:%Y-%m-%d %H:%M} UTC." for name, each in failing.items())


def _without_keys(settings: Settings, failure: RunFailure) -> RunFailure:
    return replace(failure, causes=[(where, _without_key(settings, message)) for where, message in failure.causes])


def _without_key(settings: Settings, message: str) -> str:
    """Masks the key, and whatever looks like one, also when this process has none."""
    return Redactor(settings.api_key.get_secret_value() or secrets.token_hex())(message)


def _ui(settings: Settings) -> str:
    return settings.ui_url.rstrip("/")


def _link_to_automation(settings: Settings, automation: Automation, location: str) -> str:
    return (
        f"{_ui(settings)}/locations/{location}/{'schedules' if automation.is_schedule else 'sensors'}/{automation.name}"
    )


def _link_to(settings: Settings, lake: LakeResource, table: str) -> str:
    return f"{_ui(settings)}/assets/{'/'.join(lake.names.key(table).path)}"
