"""Which recorded runs are of a workspace.

The instance may be shared with code locations that have jobs of the same names, and the code location with other
workspaces, and with jobs and assets of other people.
"""

from pathlib import Path

from dagster import AssetKey, DagsterError, DagsterInstance, DagsterRun, RunsFilter
from yaml import YAMLError

from timix_assets.dagster_internals import (
    NOT_FINISHED_STATUSES,
    REPOSITORY_LABEL_TAG,
    CheckError,
    CodeLocationOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
    location_origins_from_yaml_paths,
)
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.runs.tags import JOB, TAG_PREFIX, WORKSPACE, workspaces_of

LOCATION = "timix_assets"
"""The default name of our code location, as in our workspace.yaml."""

MODULE = "timix_assets.definitions"
REPOSITORY = "__repository__"
"""The name that Dagster gives the one repository of a `Definitions` object."""


def location_name(origin: CodeLocationOrigin | None) -> str:
    """The name of the code location of a sensor's context, or of a run."""
    return origin.location_name if origin is not None else LOCATION


def location_of(run: DagsterRun) -> str | None:
    """The code location of a run; None if unknown: a run of a script, or of `dagster job execute`."""
    if run.remote_job_origin is not None:
        return location_name(run.remote_job_origin.repository_origin.code_location_origin)
    label = run.tags.get(REPOSITORY_LABEL_TAG)
    return label.partition("@")[2] if label else None


def is_ours(run: DagsterRun, location: str, names: Namespace = PROJECT) -> bool:
    """Whether a run concerns the workspace: it selects one of its assets; one that selects none has its tag.

    Of the project without a prefix it is every other run of our code location; if a run has none, one with a tag of ours.
    """
    of_run = location_of(run)
    if of_run is not None and of_run != location:
        return False
    if selected := selected_assets(run):
        return any(names.owns(key) for key in selected)
    if names.name or WORKSPACE in run.tags:
        return names.name in workspaces_of(run.tags)
    return of_run is not None or any(tag.startswith(TAG_PREFIX) for tag in run.tags)


def is_only_ours(run: DagsterRun, location: str, names: Namespace = PROJECT) -> bool:
    """Whether nobody else needs the run: it is of a job of the workspace, or selects assets of the workspace and no others."""
    if not is_ours(run, location, names):
        return False
    return JOB in run.tags or (bool(selected := selected_assets(run)) and all(names.owns(key) for key in selected))


def selected_assets(run: DagsterRun) -> set[AssetKey]:
    """The assets that a run was started for, those of its checks included; none if it is of its whole job."""
    checked = {check.asset_key for check in run.asset_check_selection or ()}
    return set(run.asset_selection or ()) | checked


def unfinished_run(instance: DagsterInstance, job: str) -> str | None:
    """The id of a queued or running run of our job of that name."""
    # A schedule's context has no code location, so the job's tag tells our runs from others.
    found = instance.get_run_records(RunsFilter(job_name=job, statuses=NOT_FINISHED_STATUSES, tags={JOB: job}), limit=1)
    return found[0].dagster_run.run_id if found else None


def command_line_origin(workspace: Path, job: str) -> RemoteJobOrigin:
    """The origin of a run of the command line: the same job in the code location that the UI loads.

    workspace: the workspace.yaml that names our code location.
    """
    location = RegisteredCodeLocationOrigin(location_in_workspace(workspace))
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job)


def location_in_workspace(workspace: Path) -> str:
    """The name of our code location in a workspace.yaml; LOCATION if it has none, or cannot be read."""
    try:
        origins = location_origins_from_yaml_paths([str(workspace)])
    except (DagsterError, CheckError, YAMLError, OSError):
        return LOCATION
    loaded = (each for each in origins if isinstance(each, ManagedGrpcPythonEnvCodeLocationOrigin))
    return next((each.location_name for each in loaded if each.loadable_target_origin.module_name == MODULE), LOCATION)
