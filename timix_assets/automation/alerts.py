"""Sensors that tell a person what matters, once: budgets, failed runs, the key's end, and the week's digest.

Each keeps a ledger of its own below `.dagster/alerts`, so that neither a restart nor a dead receiver loses or doubles a
message. They start no run and ask Timix for nothing. All are off until somebody switches them on.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from dagster import (
    AssetKey,
    AssetObservation,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    Failure,
    RunRecord,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import (
    AUTO_RETRY_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    RUN_FAILURE_REASON_TAG,
    WILL_RETRY_TAG,
)

from timix_assets import environment
from timix_assets.alerts import crossings, expiry, failed_runs, messages
from timix_assets.alerts.budgets import read_budgets
from timix_assets.alerts.crossings import Standing
from timix_assets.alerts.delivery import AppriseReceiver, Receiver, deliver, receivers_of
from timix_assets.alerts.expiry import Key
from timix_assets.alerts.failed_runs import OVERLAP, Failed, Retry, Told
from timix_assets.alerts.ledger import Ledger, LedgerBusy, LedgerError, opened
from timix_assets.alerts.messages import FailedRun, Message
from timix_assets.api.redaction import Redactor
from timix_assets.as_of import last_day_of
from timix_assets.automation.jobs import RANGE_END, RANGE_START
from timix_assets.failures import plainly, sentence_of
from timix_assets.lake.io_manager import LakeResource
from timix_assets.summary import BUDGETS, KPIS, TABLES, summarize
from timix_assets.wording import counted, numbered

LOOK_EVERY_SECONDS = 60
SELDOM_SECONDS = 300
ME, PROJECTS = "timix/me", "timix/projects"
MONDAY_AT = time(8)

RUNS_REMEMBERED = 1000
JOBS_REMEMBERED = 200

WHERE_TO = (
    f"Messages go to the Apprise URLs of {environment.ALERT_URLS.name}, and always to the log. One that cannot be delivered "
    "is tried again at every tick, for each receiver by itself."
)


@dataclass(frozen=True, slots=True)
class Noticed:
    """What a look found: the sentence for the tick, and the sensor's new cursor (None: as it was)."""

    reason: str
    cursor: str | None = None


Notice = Callable[[Ledger], Noticed]


@sensor(
    name="budget_alerts",
    minimum_interval_seconds=LOOK_EVERY_SECONDS,
    default_status=DefaultSensorStatus.STOPPED,
    description="Says when the status of a running project's budget gets worse (on track, at risk, over budget), or when it "
    f"will be used up within {environment.ALERT_DAYS.name} days: one message for all that crossed at once, and of each "
    f"budget again only after it recovered. The first look at a lake only remembers how things stand. {WHERE_TO}",
)
def budget_alerts(context: SensorEvaluationContext, lake: LakeResource) -> SensorResult:
    def notice(ledger: Ledger) -> Noticed:
        if not lake.lake.exists(BUDGETS):
            return Noticed(f"{BUDGETS} was never computed, so there is nothing to compare.")
        today = environment.as_of()
        days = environment.whole_number(environment.ALERT_DAYS, at_least=0)
        projects = lake.lake.version(PROJECTS) if lake.lake.exists(PROJECTS) else None
        seen = f"version {lake.lake.version(BUDGETS)}, {today}, {days} days, projects of version {projects}"
        if ledger.memory is not None and context.cursor == seen:
            return Noticed(f"{BUDGETS} is as at the last look ({seen}).")
        first, before = ledger.memory is None, _standings(ledger.memory)
        budgets = read_budgets(lake.lake)
        crossed, after = crossings.look(budgets, before, today, days)
        link = _link_to(BUDGETS)
        figures_of = last_day_of(lake.lake, BUDGETS) or today
        said = [messages.budgets_crossed(crossed, figures_of, today, BUDGETS, link)] if crossed else []
        ledger.record(
            {project: {s: asdict(each) for s, each in scopes.items()} for project, scopes in after.items()}, said
        )
        if first:
            return Noticed(
                f"First look at this lake: remembered how {counted(len(budgets), 'budget')} stand ({seen}).", seen
            )
        return Noticed(f"{len(crossed)} of {counted(len(budgets), 'budget')} got worse ({seen}).", seen)

    return _tick(context, _ledger_of(lake, "budget_alerts"), notice)


@sensor(
    name="failure_alerts",
    minimum_interval_seconds=LOOK_EVERY_SECONDS,
    default_status=DefaultSensorStatus.STOPPED,
    description="Says when a run failed, whoever started it: the job, its months, a sentence for each cause, and a link. Once a "
    "run; of one that Dagster starts again by itself, only the last failure; and when a job fails over the same months for "
    f"reasons that were told, none for {failed_runs.TOLD_FOR // timedelta(hours=1)} hours, unless it ended well in between. "
    f"{WHERE_TO}",
)
def failure_alerts(context: SensorEvaluationContext, lake: LakeResource) -> SensorResult:
    # Dagster's own run_failure_sensor skips runs of the command line, and never tries again when it fails itself.
    def notice(ledger: Ledger) -> Noticed:
        now = datetime.now(UTC)
        since = min(_since(context.cursor, now), now)
        told, waiting, known = _failures_of(ledger.memory)
        records = {record.dagster_run.run_id: record for record in _failed_after(context.instance, since - OVERLAP)}
        if ledger.memory is None:
            ledger.record(_remembered(list(records), {}, {}, len(records)))
            return Noticed("First look: only runs that fail from now on are told.", now.isoformat())
        failed = [
            Failed(run_id, _failed_at(record), _retry(context.instance, record.dagster_run))
            for run_id, record in records.items()
        ]
        found = failed_runs.look(failed, set(told), waiting, since, now)
        said, is_heard = [], bool(_people())
        for run_id in found.tell:
            failed_run = _failed_run(context.instance, records[run_id].dagster_run)
            if _is_news(context.instance, failed_run, _failed_at(records[run_id]), known if is_heard else {}):
                said.append(messages.run_failed(failed_run, f"{_ui()}/runs/{run_id}"))
        memory = _remembered([*told, *found.tell], found.waiting, known, len(records))
        if memory != ledger.memory:
            ledger.record(memory, said)
        quiet = (
            f", {len(found.tell) - len(said)} of them for reasons that were told" if len(said) < len(found.tell) else ""
        )
        wait = f" {len(found.waiting)} more may be started again by Dagster." if found.waiting else ""
        return Noticed(
            f"{counted(len(found.tell), 'run')} failed since the last look{quiet}.{wait}", found.until.isoformat()
        )

    return _tick(context, Path(lake.state_folder) / "alerts" / "failure_alerts.json", notice)


@sensor(
    name="key_expiry",
    minimum_interval_seconds=SELDOM_SECONDS,
    default_status=DefaultSensorStatus.STOPPED,
    description=f"Says when the API key expires in {', '.join(map(str, expiry.WARN_DAYS))} days, as /me said at the last "
    f"refresh: once each. {WHERE_TO}",
)
def key_expiry(context: SensorEvaluationContext, lake: LakeResource) -> SensorResult:
    def notice(ledger: Ledger) -> Noticed:
        if not lake.lake.exists(ME) or (key := _key(lake)) is None:
            return Noticed(f"{ME} was never read, so the key's end is not known.")
        if key.expires_at is None:
            return Noticed("The key does not expire.")
        now, of = datetime.now(UTC), [key.name, key.expires_at.isoformat()]
        reached = expiry.threshold(key, now)
        said = ledger.memory["said"] if ledger.memory and ledger.memory["key"] == of else None
        if expiry.is_due(reached, said):
            ledger.record({"key": of, "said": reached}, [messages.key_expires(key, now, ME, _link_to(ME))])
        return Noticed(f"The key expires on {key.expires_at:%Y-%m-%d %H:%M} UTC.")

    return _tick(context, _ledger_of(lake, "key_expiry"), notice)


@sensor(
    name="weekly_summary",
    minimum_interval_seconds=SELDOM_SECONDS,
    default_status=DefaultSensorStatus.STOPPED,
    description=f"Says on Mondays from {MONDAY_AT:%H:%M} on ({environment.TIME_ZONE.name}) what a managing partner asks first: "
    "utilization, running projects at risk or over budget, unbilled work; later in the week when the machine was off then. "
    f"The first one comes on the Monday after it is switched on. {WHERE_TO}",
)
def weekly_summary(context: SensorEvaluationContext, lake: LakeResource) -> SensorResult:
    def notice(ledger: Ledger) -> Noticed:
        due = last_monday(datetime.now(environment.time_zone())).isoformat()
        if ledger.memory is None:
            ledger.record({"monday": due})
            return Noticed("First look: the first summary is due next Monday.")
        if ledger.memory["monday"] == due:
            return Noticed(f"The summary of Monday {due} was made; the next one is due next Monday.")
        missing = [table for table in TABLES if not lake.lake.exists(table)]
        if missing:
            return Noticed(f"{missing[0]} is not in the lake yet; the summary waits for the first refresh.")
        summary = summarize(lake.lake, environment.as_of())
        ledger.record({"monday": due}, [messages.weekly_summary(summary, KPIS, _link_to(KPIS))])
        return Noticed(f"Made the summary of Monday {due}.")

    return _tick(context, _ledger_of(lake, "weekly_summary"), notice)


ALERTS = [budget_alerts, failure_alerts, key_expiry, weekly_summary]


def last_monday(now: datetime) -> date:
    """The day of the latest Monday morning that has come, by the clock of `now`."""
    day = now.date() if now.time() >= MONDAY_AT else now.date() - timedelta(days=1)
    return day - timedelta(days=day.weekday())


def _tick(context: SensorEvaluationContext, path: Path, notice: Notice) -> SensorResult:
    """One look, then whatever is to be delivered, from this look or an earlier one."""
    with plainly(), _red_on_a_broken_ledger():
        try:
            with opened(path) as ledger:
                before = len(ledger.pending)
                noticed = notice(ledger)
                for pending in ledger.pending[before:]:
                    context.log.info(f"{pending.message.title}\n{pending.message.text}")
                troubles = deliver(ledger, _receivers(context.instance))
                waiting = len(ledger.pending)
        except LedgerBusy as busy:
            return SensorResult(skip_reason=str(busy))
    for trouble in troubles:
        context.log.error(trouble)
    undelivered = (
        f" {numbered(waiting, '[message waits|messages wait]')} for a receiver: {' '.join(troubles)}"
        if troubles
        else ""
    )
    return SensorResult(skip_reason=f"{noticed.reason}{undelivered}", cursor=noticed.cursor)


@contextmanager
def _red_on_a_broken_ledger() -> Iterator[None]:
    try:
        yield
    except LedgerError as error:
        raise Failure(str(error), allow_retries=False) from error


@dataclass(frozen=True, slots=True)
class EventLog:
    """Dagster's event log as a receiver: an observation on the asset that a message speaks of. Failed runs are in it anyway."""

    instance: DagsterInstance
    id: str = "event log"

    def send(self, message: Message) -> None:
        if message.asset:
            self.instance.report_runless_asset_event(
                AssetObservation(AssetKey(message.asset.split("/")), description=f"{message.title}\n{message.text}")
            )


def _receivers(instance: DagsterInstance) -> list[Receiver]:
    return [EventLog(instance), *_people()]


def _people() -> list[AppriseReceiver]:
    return receivers_of(environment.ALERT_URLS.read(environment.ENVIRON))


def _ledger_of(lake: LakeResource, alert: str) -> Path:
    """One ledger for each organization's data in each lake: another firm's projects are no news of this one's."""
    with plainly():
        whose = f"{lake.lake.url} {lake.lake.memory.organization() or ''}"
    return Path(lake.state_folder) / "alerts" / f"{alert}-{sha256(whose.encode()).hexdigest()[:16]}.json"


def _standings(memory: Any) -> crossings.Standings | None:
    if memory is None:
        return None
    return {project: {scope: Standing(**each) for scope, each in scopes.items()} for project, scopes in memory.items()}


def _key(lake: LakeResource) -> Key | None:
    rows = lake.lake.scan(ME).select("key_name", "key_expires_at").collect()
    return Key(rows["key_name"][0] or "", rows["key_expires_at"][0]) if rows.height else None


def _since(cursor: str | None, now: datetime) -> datetime:
    # Ids of the event log were the cursor once. Dagster gives the id of a deleted run's event to another, so a time it is.
    return now if cursor is None or cursor.isdigit() else datetime.fromisoformat(cursor)


def _failures_of(memory: Any) -> tuple[list[str], dict[str, datetime], dict[str, Told]]:
    """The runs that were told of, those whose retry is waited for, and why jobs failed, as it was told."""
    if memory is None or isinstance(memory, list):  # a list of the told ones was all that an earlier version remembered
        return list(memory or []), {}, {}
    waiting = {run_id: datetime.fromisoformat(first) for run_id, first in memory["waiting"].items()}
    known = {
        job: Told(datetime.fromisoformat(each["at"]), frozenset(each["causes"]))
        for job, each in memory.get("known", {}).items()
    }
    return memory["told"], waiting, known


def _remembered(
    told: list[str], waiting: dict[str, datetime], known: dict[str, Told], looked_at: int
) -> dict[str, Any]:
    """No run that the next look sees again is forgotten."""
    latest = sorted(known.items(), key=lambda each: each[1].at)[-JOBS_REMEMBERED:]
    return {
        "told": told[-max(RUNS_REMEMBERED, looked_at) :],
        "waiting": {run_id: first.isoformat() for run_id, first in waiting.items()},
        "known": {job: {"at": each.at.isoformat(), "causes": sorted(each.causes)} for job, each in latest},
    }


def _is_news(instance: DagsterInstance, failed: FailedRun, failed_at: datetime, known: dict[str, Told]) -> bool:
    """Whether a person does not know yet why this job fails over these months; `known` is brought up to date.

    That a run was ended from outside, or never began, is news each time: its words tell no cause.
    """
    if failed.was_ended:
        return True
    job = f"{failed.job} {failed.months}"
    causes = frozenset(failed_runs.cause_of(where, sentence) for where, sentence in failed.sentences)
    told = known.get(job)
    if told and told.covers(causes, failed_at, ended_well=_ended_well(instance, failed.job, told.at, failed_at)):
        # What did not come again was mended: if it returns, it is news.
        known[job] = Told(told.at, causes)
        return False
    known[job] = Told(failed_at, causes)
    return True


def _ended_well(instance: DagsterInstance, job: str, after: datetime, before: datetime) -> bool:
    """Whether a run of the job did, between two moments."""
    wanted = RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS], updated_after=after)
    ends = (record.end_time for record in instance.get_run_records(wanted))
    return any(after.timestamp() < end < before.timestamp() for end in ends if end)


def _failed_after(instance: DagsterInstance, time: datetime) -> list[RunRecord]:
    # Whoever tags a run updates it: an old failure is no news, so the time that it failed decides.
    updated = instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.FAILURE], updated_after=time))
    return [record for record in updated if _failed_at(record) > time]


def _failed_at(record: RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp


def _retry(instance: DagsterInstance, run: DagsterRun) -> Retry:
    """What Dagster does about a failed run. Its tag alone is no answer: it comes after the failure, and promises too much."""
    if run.tags.get(WILL_RETRY_TAG) == "false":
        return Retry.NEVER
    if AUTO_RETRY_RUN_ID_TAG in run.tags:
        return Retry.STARTED
    # A run of the command line has no origin that Dagster could start it from again.
    return Retry.EXPECTED if instance.run_retries_enabled and run.remote_job_origin else Retry.NEVER


def _failed_run(instance: DagsterInstance, run: DagsterRun) -> FailedRun:
    """The sentences of its steps; of a run that was ended from outside its own too, and only that where no step failed."""
    steps = _events(instance, run, DagsterEventType.STEP_FAILURE)
    said = [((e.step_key or "").replace("__", "/"), sentence_of(e.step_failure_data.error)) for e in steps]
    was_ended = run.tags.get(RUN_FAILURE_REASON_TAG) != RunFailureReason.STEP_FAILURE.value
    for event in _events(instance, run, DagsterEventType.RUN_FAILURE)[-1:]:
        if was_ended and (own := _own_words(event)) not in dict(said).values():
            said.append(("the run", own))
    sentences = [(where, _without_key(sentence)) for where, sentence in said]
    return FailedRun(run.job_name, _months(run), sentences, was_ended)


def _own_words(event: DagsterEvent) -> str:
    # A run that somebody else declares failed, as of a killed process, has words and no data.
    error = event.job_failure_data.error if event.event_specific_data else None
    return sentence_of(error) if error else event.message or sentence_of(None)


def _events(instance: DagsterInstance, run: DagsterRun, kind: DagsterEventType) -> list[DagsterEvent]:
    records = instance.get_records_for_run(run.run_id, of_type=kind).records
    return [cast(DagsterEvent, record.event_log_entry.dagster_event) for record in records]


def _months(run: DagsterRun) -> str:
    first, last = run.tags.get(RANGE_START), run.tags.get(RANGE_END)
    if first and last:
        return first[:7] if first == last else f"{first[:7]} to {last[:7]}"
    return run.tags.get(PARTITION_NAME_TAG, "")[:7]


def _without_key(sentence: str) -> str:
    """Masks the key, and whatever looks like one, also when this process was given none."""
    return Redactor(environment.API_KEY.read(environment.ENVIRON) or secrets.token_hex())(sentence)


def _ui() -> str:
    return environment.UI_URL.read(environment.ENVIRON).rstrip("/")


def _link_to(table: str) -> str:
    return f"{_ui()}/assets/{table}"
