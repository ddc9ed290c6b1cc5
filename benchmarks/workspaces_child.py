"""Loads a code location of that many workspaces, as a code server does: definitions, repository, jobs and its snapshot."""

import sys

from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value

from timix_assets import Workspace, build_definitions

from .child import report, timed


def main(count: int) -> None:
    with timed() as cost:
        definitions = build_definitions(
            *(Workspace(f"firm_{number}", "bbl_x", f"lakes/firm_{number}", "2024-01") for number in range(count))
        )
        repository = definitions.get_repository_def()
        snapshot = serialize_value(RepositorySnap.from_def(repository, defer_snapshots=True))
    report(cost(), snapshot_mb=len(snapshot) / 1e6, assets=len(repository.asset_graph.get_all_asset_keys()))


if __name__ == "__main__":
    main(int(sys.argv[1]))
