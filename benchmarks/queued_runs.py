"""What 1,000 queued runs cost a schedule's tick and the clean-up of runs: `python -m benchmarks.queued_runs`."""

import time
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

from timix_assets.runs.history import delete_old_runs
from timix_assets.runs.ours import LOCATION, unfinished_run
from timix_assets.runs.tags import JOB

RUNS = 1_000


def main() -> None:
    """Prints the seconds of each."""
    with TemporaryDirectory() as folder, DagsterInstance.local_temp(folder) as instance:
        for job in (*["another_job"] * RUNS, "refresh_everything"):
            origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), "__repository__")
            create_run_for_test(
                instance,
                job_name=job,
                status=DagsterRunStatus.QUEUED,
                tags={JOB: job},
                remote_job_origin=RemoteJobOrigin(origin, job),
            )
        began = time.perf_counter()
        assert unfinished_run(instance, "refresh_everything") is not None
        print(f"tick: {(time.perf_counter() - began) * 1000:,.0f} ms with {RUNS:,} runs in the queue")
        began = time.perf_counter()
        deleted = delete_old_runs(
            instance, now=datetime.now(UTC) + timedelta(days=100), retention=timedelta(days=90), location=LOCATION
        )
        print(f"clean-up: {time.perf_counter() - began:,.1f} s; {len(deleted.deleted):,} deleted, since none has ended")


if __name__ == "__main__":
    main()
