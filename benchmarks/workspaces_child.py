"""Loads a code location of that many workspaces.

As a code server does: definitions, repository, all jobs and the snapshot. Or as a run of the job that is named: definitions,
repository and that job.
"""

import sys

from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value

from timix_assets import Workspace, build_definitions

from .child import report, timed

JOB = "firm_0_refresh_recent"


def main(count: int, job: str) -> None:
    snapshot = ""
    with timed() as cost:
        definitions = build_definitions(
            *(Workspace(f"firm_{number}", "bbl_x", f"lakes/firm_{number}", "2024-01") for number in range(count))
        )
        repository = definitions.get_repository_def()
        if job:
            repository.get_job(job)
        else:
            snapshot = serialize_value(RepositorySnap.from_def(repository, defer_snapshots=True))
    report(cost(), snapshot_mb=len(snapshot) / 1e6, assets=len(repository.asset_graph.get_all_asset_keys()))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
