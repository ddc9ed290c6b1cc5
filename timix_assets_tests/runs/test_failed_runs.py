"""What is read of failed runs: which are ours, when they failed, whether Dagster retries them, and why they failed."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, Definitions, Failure, asset, define_asset_job
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, PARTITION_NAME_TAG, WILL_RETRY_TAG
from dagster._core.test_utils import create_run_for_test

from timix_assets.alerts.failed_runs import Retry
from timix_assets.lake.months import Months
from timix_assets.partitions import range_tags
from timix_assets.runs.failed_runs import failed_at, failed_since, failure_of, has_succeeded, retry_of
from timix_assets.runs.ours import LOCATION
from timix_assets.runs.tags import JOB
from timix_assets_tests.instances import local_instance
from timix_assets_tests.workspace import QUIET

from . import another_team

NAME = "refresh_recent"
OURS = {JOB: NAME}
RETRIES = {"run_retries": {"enabled": True, "max_retries": 1}}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@asset(key_prefix="timix")
def customers() -> None: ...


@asset(key_prefix="timix")
def projects() -> None:
    raise Failure("GET /projects: the server answered 503", allow_retries=False)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with local_instance(tmp_path) as temporary:
        yield temporary


@pytest.fixture
def retrying(tmp_path: Path) -> Iterator[DagsterInstance]:
    """An instance that retries failed runs once."""
    with local_instance(tmp_path, RETRIES) as temporary:
        yield temporary


def executed(instance: DagsterInstance, *, fails: bool, tags: dict[str, str] | None = None) -> DagsterRun:
    """A run of ours that was executed in this process."""
    definitions = Definitions(assets=[projects] if fails else [customers], jobs=[define_asset_job(NAME)])
    done = definitions.resolve_job_def(NAME).execute_in_process(
        instance=instance, run_config=QUIET, raise_on_error=False, tags={**OURS, **(tags or {})}
    )
    assert done.success is not fails
    return run_of(instance, done.run_id)


def run_of(instance: DagsterInstance, run_id: str) -> DagsterRun:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run


def ended_from_outside(instance: DagsterInstance, message: str, tags: dict[str, str] | None = None) -> DagsterRun:
    """A run whose process was killed: another process declares it failed."""
    run = create_run_for_test(instance, job_name=NAME, status=DagsterRunStatus.STARTED, tags={**OURS, **(tags or {})})
    instance.report_run_failed(run, message)
    return run_of(instance, run.run_id)


def failed_ids(instance: DagsterInstance, since: datetime = LONG_AGO) -> set[str]:
    return {record.dagster_run.run_id for record in failed_since(instance, since, LOCATION)}


@pytest.mark.long
def test_only_our_failed_runs_are_found(instance: DagsterInstance) -> None:
    failed = executed(instance, fails=True)
    executed(instance, fails=False)
    another_team.executed(instance, fails=True)
    another_team.executed(instance, fails=True, labelled=False)
    assert failed_ids(instance) == {failed.run_id}


def test_a_run_that_failed_earlier_is_not_found_when_tagged(instance: DagsterInstance) -> None:
    run = executed(instance, fails=True)
    [record] = failed_since(instance, LONG_AGO, LOCATION)
    since = failed_at(record)
    instance.add_run_tags(run.run_id, {"seen": "yes"})
    assert failed_ids(instance, since) == set()
    assert failed_ids(instance, since - timedelta(seconds=1)) == {run.run_id}


def test_failure_time_is_the_end_of_the_run(instance: DagsterInstance) -> None:
    before = datetime.now(UTC)
    executed(instance, fails=True)
    [record] = failed_since(instance, LONG_AGO, LOCATION)
    assert before <= failed_at(record) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, Retry.EXPECTED),
        ({WILL_RETRY_TAG: "true"}, Retry.EXPECTED),
        ({WILL_RETRY_TAG: "false"}, Retry.NEVER),
        ({AUTO_RETRY_RUN_ID_TAG: "another-run"}, Retry.STARTED),
    ],
)
def test_retry_follows_the_tags(retrying: DagsterInstance, tags: dict[str, str], expected: Retry) -> None:
    run = create_run_for_test(retrying, remote_job_origin=another_team.origin(NAME, LOCATION), tags=tags)
    assert retry_of(retrying, run) is expected


def test_command_line_run_is_never_retried(retrying: DagsterInstance) -> None:
    run = create_run_for_test(retrying, tags={WILL_RETRY_TAG: "true"})
    assert retry_of(retrying, run) is Retry.NEVER


def test_no_run_is_retried_when_retries_are_off(tmp_path: Path) -> None:
    with local_instance(tmp_path, {"run_retries": {"enabled": False}}) as instance:
        run = create_run_for_test(instance, remote_job_origin=another_team.origin(NAME, LOCATION))
        assert retry_of(instance, run) is Retry.NEVER


def test_success_counts_between_the_two_moments_only(instance: DagsterInstance) -> None:
    before = datetime.now(UTC)
    executed(instance, fails=False)
    after = datetime.now(UTC)
    assert has_succeeded(instance, NAME, before, after, LOCATION)
    assert not has_succeeded(instance, NAME, after, after + timedelta(days=1), LOCATION)
    assert not has_succeeded(instance, NAME, LONG_AGO, before, LOCATION)
    assert not has_succeeded(instance, "close_month", before, after, LOCATION)


def test_neither_a_failure_nor_another_team_counts_as_success(instance: DagsterInstance) -> None:
    before = datetime.now(UTC)
    executed(instance, fails=True)
    another_team.executed(instance)
    assert not has_succeeded(instance, NAME, before, datetime.now(UTC), LOCATION)


def test_failed_step_is_the_cause_with_its_asset(instance: DagsterInstance) -> None:
    months = Months(date(2026, 9, 1), date(2026, 11, 1))
    failure = failure_of(instance, executed(instance, fails=True, tags=range_tags(months)))
    assert failure.job == NAME
    assert failure.months == "2026-09 to 2026-11"
    assert not failure.was_terminated
    assert failure.causes == [("timix/projects", "GET /projects: the server answered 503")]


def test_killed_run_has_its_own_error_as_cause(instance: DagsterInstance) -> None:
    failure = failure_of(instance, ended_from_outside(instance, "The process of the run was killed."))
    assert failure.was_terminated
    [(where, message)] = failure.causes
    assert where == "the run"
    assert "The process of the run was killed." in message


@pytest.mark.parametrize(
    ("tags", "months"),
    [
        ({}, ""),
        ({PARTITION_NAME_TAG: "2026-11-01"}, "2026-11"),
        (range_tags(Months(date(2026, 11, 1), date(2026, 11, 1))), "2026-11"),
    ],
    ids=["no months", "one partition", "a range of one month"],
)
def test_months_are_those_of_the_tags(instance: DagsterInstance, tags: dict[str, str], months: str) -> None:
    assert failure_of(instance, ended_from_outside(instance, "killed", tags)).months == months
