"""Every private name of Dagster that this package uses, so that a new release of Dagster is one file's work.

No other module imports `dagster._*` or `dagster_shared`; a test says so. Each group says why the public API does not do.
"""

# ruff: noqa: F401, PLC0415

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

# What `EnvVar.int` returns.
from dagster._config.field_utils import IntEnvVar

# The UI shows a check that a sensor reports only if the check names its materialization.
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

# The graph that a sensor sees, for the parents and partitions of a key.
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

# `execute_in_process` records its run without a code location, so these take its place; see `execute_job`.
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.job_definition import JobDefinition

# What `define_asset_job` returns.
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

# Whether a run failed in one of its steps, or was ended from outside.
from dagster._core.events import RunFailureReason

# The processes that print the log of a step get Ctrl-C with this one, and end with tracebacks; see `execute_job`.
from dagster._core.execution import compute_logs
from dagster._core.execution.api import execute_run

# Backfills under way count their runs, so those must not be deleted; the public API gives no filter by status.
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionsFilter, BulkActionStatus
from dagster._core.execution.build_resources import wrap_resources_for_execution
from dagster._core.execution.execution_result import ExecutionResult

# The name of our code location: on a run, in a sensor's context and in workspace.yaml.
from dagster._core.remote_origin import (
    CodeLocationOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

# The ticks of sensors and schedules, and how they ended.
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, InstigatorType, TickStatus

# Whether the last evaluation of a check is finished or only planned.
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

# Statuses of a run that is queued, starting, running or canceling.
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES, NOT_FINISHED_STATUSES

# Which runs hold the latest state of an asset or a check: one query here, one call an asset and partition otherwise.
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.runs import SqliteRunStorage, SqlRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._core.storage.sqlite_storage import _event_logs_directory as event_logs_directory
from dagster._core.storage.sqlite_storage import _runs_directory as runs_directory
from dagster._core.storage.sqlite_storage import _schedule_directory as schedule_directory

# Names of Dagster's own run tags.
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    AUTO_RETRY_RUN_ID_TAG,
    MAX_RETRIES_TAG,
    PARTITION_NAME_TAG,
    REPOSITORY_LABEL_TAG,
    RUN_FAILURE_REASON_TAG,
    WILL_RETRY_TAG,
)
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster._serdes import ConfigurableClassData

# A schedule with an invalid cron line fails late and without the variable's name.
from dagster._utils.schedules import is_valid_cron_string

# What Dagster raises for partition tags that name no partition.
from dagster_shared.check import CheckError

# The error of a failed step, as recorded.
from dagster_shared.error import SerializableErrorInfo

# Warnings of beta parameters, when an asset is made again with what it was made with.
from dagster_shared.utils.warnings import disable_dagster_warnings

if TYPE_CHECKING:
    from dagster import AssetKey, AssetsDefinition, DagsterInstance, ResourceDefinition
    from dagster._cli.proxy_server_manager import ProxyServerManager
    from dagster._core.workspace.context import WorkspaceProcessContext

Assets = TypeVar("Assets", bound="AssetsDefinition")


def with_own_resources(asset: Assets, resources: "Mapping[str, ResourceDefinition]") -> Assets:
    """`with_resources`, for resources that belong to the asset's workspace.

    Dagster's own also binds an IO manager where an asset names none, which is for the code location to say.
    """
    with disable_dagster_warnings():
        return type(asset)(**(asset.get_attributes_dict() | {"resource_defs": resources}))


def execute_job(
    job: JobDefinition,
    instance: "DagsterInstance",
    origin: RemoteJobOrigin,
    *,
    tags: Mapping[str, str],
    run_config: Mapping[str, Any],
    resources: Mapping[str, Any],
    asset_selection: "Sequence[AssetKey]" = (),
) -> ExecutionResult:
    """`job.execute_in_process` without raising, with a run that belongs to a code location: the job's page and the
    timeline of the UI show only those.

    Args:
        resources: Replace those of the job.
        asset_selection: Of the job; empty for all.
    """
    in_process = job.as_ephemeral_job(wrap_resources_for_execution(resources), {}, asset_selection=asset_selection)
    run = instance.create_run_for_job(
        in_process,
        run_config=run_config,
        tags={**job.run_tags, **tags},
        asset_selection=set(asset_selection),
        remote_job_origin=origin,
    )
    with _log_printers_without_ctrl_c():
        return execute_run(InMemoryJob(in_process), run, instance)


@contextmanager
def _log_printers_without_ctrl_c() -> Iterator[None]:
    """The processes that print a step's log are started with SIGINT blocked: they end with this process anyway."""
    start = compute_logs.tail_to_stream

    @contextmanager
    def start_blocked(path: str, stream: Any) -> Iterator[Any]:
        with ExitStack() as stack:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                processes = stack.enter_context(start(path, stream))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield processes

    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    compute_logs.tail_to_stream = start_blocked
    try:
        yield
    finally:
        compute_logs.tail_to_stream = start


# The services below are those of `dagster dev`, which offers no place for a gate before its webserver.
# They import what only the UI needs, half a second of it.


def configure_service_logs() -> None:
    from dagster._utils.log import configure_loggers

    configure_loggers()


def code_server_behind_proxy(instance: "DagsterInstance", workspace_file: str, log_level: str) -> "ProxyServerManager":
    """A code server that webserver and daemon share; the proxy restarts the code when the UI reloads it."""
    from dagster._cli.proxy_server_manager import ProxyServerManager
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    return ProxyServerManager(instance, WorkspaceFileTarget([workspace_file]), code_server_log_level=log_level)


def workspace_context(instance: "DagsterInstance", workspace_file: str, **options: Any) -> "WorkspaceProcessContext":
    """The context manager from which the web application is made."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    return WorkspaceProcessContext(instance, WorkspaceFileTarget([workspace_file]), **options)


def run_daemon(workspace_file: str) -> None:
    """Runs Dagster's daemon in this process until it is interrupted.

    Dagster's own command closes the code locations before the threads of sensors and schedules have ended: what still
    ticks fails with a traceback. Here those that tick may finish, and those that wait for a thread do not begin.
    """
    from dagster import DagsterInstance
    from dagster._daemon.controller import DagsterDaemonController, create_daemons_from_instance
    from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers

    configure_service_logs()
    # SIGTERM interrupts as well.
    setup_interrupt_handlers()
    with (
        suppress(KeyboardInterrupt),
        capture_interrupts(),
        DagsterInstance.get() as instance,
        workspace_context(instance, workspace_file) as workspace,
        ExitStack() as running,
    ):
        daemons = [running.enter_context(daemon) for daemon in create_daemons_from_instance(instance)]
        for daemon in daemons:
            threads = getattr(daemon, "_threadpool_executor", None)
            if threads is not None:
                running.callback(threads.shutdown, wait=False, cancel_futures=True)
        running.enter_context(DagsterDaemonController(workspace, daemons)).check_daemon_loop()
