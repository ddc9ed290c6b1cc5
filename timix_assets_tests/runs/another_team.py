"""Another team's code on our instance: a job with the name of one of ours, assets of its own, runs of every kind."""

from datetime import UTC, datetime

from dagster import (
    AssetCheckResult,
    AssetKey,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    asset,
    asset_check,
    define_asset_job,
)
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from dagster._core.test_utils import create_run_for_test

from timix_assets_tests.workspace import QUIET

THEIRS = "another_team"


@asset(key=AssetKey(["warehouse", "orders"]))
def orders() -> None: ...


@asset(key=AssetKey(["warehouse", "broken"]))
def broken() -> None:
    raise ValueError("their own mistake")


@asset_check(asset=orders)
def orders_add_up() -> AssetCheckResult:
    return AssetCheckResult(passed=True)


def origin(job: str, location: str) -> RemoteJobOrigin:
    """Where the UI, schedules and sensors of a code location start a job."""
    return RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__"), job)


def started(
    instance: DagsterInstance, job: str, location: str = THEIRS, status: DagsterRunStatus = DagsterRunStatus.STARTED
) -> DagsterRun:
    """A run of the job, as Dagster records one that a code location has started."""
    return create_run_for_test(
        instance, job_name=job, status=status, remote_job_origin=origin(job, location), tags={"team": "warehouse"}
    )


def executed(
    instance: DagsterInstance, job: str = "refresh_recent", *, fails: bool = False, labelled: bool = True
) -> str:
    """A run of theirs that was executed, with materializations and checks; a script's has no label."""
    definitions = Definitions(
        assets=[broken] if fails else [orders],
        asset_checks=[] if fails else [orders_add_up],
        jobs=[define_asset_job(job)],
    )
    tags = {REPOSITORY_LABEL_TAG: f"__repository__@{THEIRS}"} if labelled else {}
    done = definitions.resolve_job_def(job).execute_in_process(
        instance=instance, run_config=QUIET, raise_on_error=False, tags=tags
    )
    assert done.success is not fails
    return done.run_id


def later() -> datetime:
    """When every run of today is old."""
    return datetime.now(UTC).replace(year=datetime.now(UTC).year + 1)
