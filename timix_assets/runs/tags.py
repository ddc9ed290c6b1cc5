"""The run tags of this package. Each run of our jobs has one of them, and so has each run that reached the lake.

The UI lists runs with some of them by name.
"""

from collections.abc import Mapping

from timix_assets.namespace import Namespace

TAG_PREFIX = "timix/"

JOB = "timix/job"
"""The job, on each of its runs, whoever starts it: a job of another team may have the same name."""

WORKSPACE = "timix/workspace"
"""The workspace, on each of its runs; none on those of the project without a prefix.

A run over assets of several has them all once it has reached their lakes: `acme, globex`.
"""

MONTHS = "timix/months"
"""The months that a run reads, for people: `2026-09 to 2026-11`. Dagster's own tags of the range decide."""

STARTED_BY = "timix/started_by"
"""The schedule, sensor or command that started the run."""

ACCEPT_SHRINK = "timix/accept_shrink"
"""`true`: this run accepts replacements that the shrink guard refuses."""

PROCESS = "timix/worker"
"""The run's own id and the process that executes it. A run that is made from another inherits the tag, not the id."""

CHANGE = "timix/change"
"""The change that the run is for. A retry, by Dagster or a person, inherits it."""

CHANGED = "timix/changed"
"""The resources that have changed."""

ATTEMPT = "timix/attempt"
"""How many runs the same change has had, this one included."""

MISSING_TABLES = "timix/missing"
"""Tables that were never read; the assets downstream of them are left out."""


def workspace_tags(names: Namespace, before: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tag of a workspace's runs, sensors and schedules; none of the project without a prefix.

    before: The tags that a run has; the workspaces in them stay.
    """
    return {WORKSPACE: ", ".join(sorted({*workspaces_of(before or {}), names.name}))} if names.name else {}


def workspaces_of(tags: Mapping[str, str]) -> list[str]:
    """The workspaces that a run, a sensor or a schedule is of."""
    return tags[WORKSPACE].split(", ") if WORKSPACE in tags else []
