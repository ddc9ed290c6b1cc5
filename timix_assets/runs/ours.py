"""Which recorded runs are ours: the instance may be shared with code locations that have jobs of the same names."""

from pathlib import Path

from dagster import DagsterError, DagsterInstance, DagsterRun, RunsFilter
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
from timix_assets.runs.tags import JOB, TAG_PREFIX

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


def is_ours(run: DagsterRun, location: str) -> bool:
    """Whether a run is of our code location; if it has none, whether it has one of our tags."""
    of_run = location_of(run)
    if of_run is not None:
        return of_run == location
    return any(tag.startswith(TAG_PREFIX) for tag in run.tags)


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
