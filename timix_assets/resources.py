"""What a user sees in the launchpad: the API and the lake with their limits, but not where the key goes."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dagster import (
    ConfigurableResource,
    DagsterInstance,
    DagsterLogManager,
    DagsterRun,
    InitResourceContext,
    ResourceDependency,
    get_dagster_logger,
)
from obstore.store import ObjectStore
from pydantic import Field, PrivateAttr

from timix_assets.api.client import TimixClient
from timix_assets.api.limits import Quota
from timix_assets.contract.schema import Endpoint
from timix_assets.ingest.connection import Connection, endpoint_of, quota_of_runs
from timix_assets.ingest.progress import OnProgress, ignore_progress
from timix_assets.lake.commit import Change
from timix_assets.lake.errors import LakeError
from timix_assets.lake.lease import Lease, lease_of, now
from timix_assets.lake.lock import LakeLock
from timix_assets.lake.shrink_guard import ShrinkGuard
from timix_assets.lake.snapshots import Snapshot
from timix_assets.lake.storage import is_folder, open_store, reject_malformed_url
from timix_assets.lake.tables import Lake
from timix_assets.lake.writers import writer_id
from timix_assets.launchpad import with_fields
from timix_assets.namespace import PROJECT, Namespace
from timix_assets.runs.failure_messages import as_dagster_failure
from timix_assets.runs.orphaned import claim_run, end_orphaned_runs, end_silent_run
from timix_assets.runs.tags import ACCEPT_SHRINK
from timix_assets.settings.environment import Authentication, Settings
from timix_assets.settings.errors import SettingsError
from timix_assets.settings.limits import ClientLimits, ImportLimits, LakeLimits, QuarantineLimits
from timix_assets.state.permissions import create_owner_only
from timix_assets.text.wording import excerpt, job_label

STATE_FOLDER = ".dagster"
"""Below the working directory."""

OF_A_TICK = {"timeout": "10s", "connect_timeout": "5s", "max_retries": "2"}
"""Options of the store for a sensor: it gives up before Dagster ends the tick, which is after 60 s."""

_Timix = with_fields(ConfigurableResource, ClientLimits, QuarantineLimits)
_Lake = with_fields(ConfigurableResource, LakeLimits)
_Imports = with_fields(ConfigurableResource, ImportLimits)


class TimixResource(_Timix):  # type: ignore[misc, valid-type]
    """The Timix Integration API, with one client per run: nothing is fetched twice, and a revoked key stops the run.

    Its fields in the launchpad are `ClientLimits` and `QuarantineLimits`. Where the key goes is decided by the code that
    builds the definitions; a run cannot change it.

    Args:
        api_key: The key; a client of a resource without one is refused.
        authentication: `x-api-key` or `bearer`.
        overrides_file: A path, or empty.
        state_folder: The folder on this machine for the rate limit that all processes share.
        quota: The part of the plan's limit that runs keep to.
        allow_writes: Whether imports may write. A run cannot change it either.
        workspace: The name of one of several workspaces.
    """

    # Dependencies are not part of a run's configuration, so no run can send the key elsewhere or have a file read.
    api_key: ResourceDependency[str] = Field(default="", repr=False)  # type: ignore[arg-type]
    base_url: ResourceDependency[str] = Settings().base_url  # type: ignore[assignment]
    authentication: ResourceDependency[Authentication] = Settings().authentication  # type: ignore[assignment]
    overrides_file: ResourceDependency[str] = ""  # type: ignore[assignment]
    state_folder: ResourceDependency[str] = STATE_FOLDER  # type: ignore[assignment]
    quota: ResourceDependency[Quota] = Quota.ALL  # type: ignore[assignment]
    on_progress: ResourceDependency[OnProgress] = ignore_progress  # type: ignore[assignment]
    allow_writes: ResourceDependency[bool] = False  # type: ignore[assignment]
    workspace: ResourceDependency[str] = ""  # type: ignore[assignment]

    _connection: Connection | None = PrivateAttr(default=None)
    _may_write: bool = PrivateAttr(default=False)

    def permit_writes(self) -> None:
        """Lets the run's client write, from its first request on; SettingsError unless the environment allows it."""
        if not self.allow_writes:
            raise SettingsError(
                "Nothing was written: TIMIX_ALLOW_WRITES is not 1. Writes change the live organization; set it in the "
                "environment of the process that runs imports, and there alone."
            )
        if self._connection is not None and not self._may_write:
            self.close()
        self._may_write = True

    def client(self) -> TimixClient:
        """The client of the run. Settings are checked first: ClientConfigError or SettingsError names the wrong one."""
        if self._connection is None:
            if self.workspace and not self.api_key:
                raise SettingsError(
                    f"The workspace {self.workspace} has no api_key, or the variable that it comes from is not set in this "
                    "process; set it where Dagster runs."
                )
            limits = ClientLimits.read(self, quote=False)
            QuarantineLimits.read(self, quote=False)
            self._connection = Connection(
                base_url=self.base_url,
                api_key=self.api_key,
                authentication=self.authentication,
                overrides_file=self.overrides_file,
                state_folder=Path(self.state_folder),
                limits=limits,
                quota=self.quota,
                read_only=not self._may_write,
                workspace=self.workspace,
                notify=get_dagster_logger().info,
            )
        return self._connection.client()

    def endpoint(self, name: str) -> Endpoint:
        """The contract's endpoint with the overrides applied; OverrideError names a line that does not fit."""
        return endpoint_of(name, self.overrides_file)

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        self.close()
        self._may_write = False

    def close(self) -> None:
        """Gives the client's connections back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class ImportResource(_Imports):  # type: ignore[misc, valid-type]
    """Imports: the folder of their files, and how much they may write.

    Its fields in the launchpad are `ImportLimits`. The folder is decided by the code that builds the definitions; a run names a
    file in it and no other.

    Args:
        folder: Where the files and mappings are.
        home: Where a relative folder starts.
        files: Name -> path of files that the code lends to the run.
    """

    folder: ResourceDependency[str] = Settings().import_folder  # type: ignore[assignment]
    home: ResourceDependency[str] = ""  # type: ignore[assignment]
    files: ResourceDependency[Mapping[str, str]] = Field(default={})  # type: ignore[arg-type]

    def file(self, name: str) -> Path:
        """The file of that name in the folder; SettingsError for any other place."""
        if name in self.files:
            return Path(self.files[name])
        folder = (Path(self.home) / self.folder).resolve()
        path = (folder / name).resolve()
        if not name or path.parent != folder:
            raise SettingsError(
                f"{excerpt(name)} is not the name of a file in {folder}; put the file there (TIMIX_IMPORT_FOLDER), and give its "
                "name alone."
            )
        return path

    @property
    def limits(self) -> ImportLimits:
        """The limits of the run; SettingsError names one that is out of range."""
        return ImportLimits.read(self, quote=False)


class LakeResource(_Lake):  # type: ignore[misc, valid-type]
    """The lake: where the Delta tables are, and the limits on replacing them.

    Its fields in the launchpad are `LakeLimits`. The location is decided by the code that builds the definitions; a run cannot
    change it.

    Args:
        url: A folder or an object-store URL (`s3://…`); one for each organization.
        storage_options: Options of the store, as the deltalake library names them.
        state_folder: The folder on this machine for the locks of processes and, for a lake in a folder, the state of alerts.
        lock_folder: The folder for what is of the lake or the machine, whichever workspace uses it; by default the same.
        names: What Dagster calls the tables.
    """

    # Dependencies are not part of a run's configuration, so no run can name another location.
    url: ResourceDependency[str] = Settings().lake  # type: ignore[assignment]
    storage_options: ResourceDependency[Mapping[str, str]] = Field(default={})  # type: ignore[arg-type]
    state_folder: ResourceDependency[str] = STATE_FOLDER  # type: ignore[assignment]
    lock_folder: ResourceDependency[str] = ""  # type: ignore[assignment]
    names: ResourceDependency[Namespace] = PROJECT  # type: ignore[assignment]

    _store: Lake | None = PrivateAttr(default=None)
    _locked_for: str | None = PrivateAttr(default=None)
    _lease: Lease | None = PrivateAttr(default=None)
    _warned: str | None = PrivateAttr(default=None)
    _snapshots: dict[tuple[str, str], Snapshot] = PrivateAttr(default_factory=dict)

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """The folders of state are there, for their owner alone, before a lock or an alert is kept in them."""
        for folder in (self.machine_folder, Path(self.state_folder)):
            create_owner_only(folder)

    @property
    def store(self) -> Lake:
        """The lake's tables."""
        if self._store is None:
            self._store = Lake(self.url, dict(self.storage_options))
        return self._store

    def store_for_a_tick(self) -> ObjectStore | None:
        """The object store of the lake, for a sensor; None for a folder. Fails the tick if no lake can be at the URL."""
        with as_dagster_failure():
            if is_folder(self.store.url):
                return None
            self.store.check()
            return open_store(self.store.url, {**self.storage_options, **OF_A_TICK})

    @property
    def machine_folder(self) -> Path:
        """Where the lake lock, this machine's id and the lake's time zone are kept."""
        return Path(self.lock_folder or self.state_folder)

    def guard(self, run: DagsterRun, *, read: bool) -> ShrinkGuard:
        """The shrink guard of one run.

        Args:
            run: Its tag timix/accept_shrink may accept what would be refused.
            read: The table was read from Timix, not computed.
        """
        return ShrinkGuard(
            self.max_removed_share,
            self.guard_from_rows,
            keep_columns=read,
            accept=run.tags.get(ACCEPT_SHRINK, "").lower() == "true",
        )

    def acquire_lock(self, instance: DagsterInstance, run: DagsterRun) -> None:
        """Acquires the lake lock for this process until it ends.

        It also ends the runs of killed processes, so that these do not block a queue where no daemon runs.

        Raises:
            LakeLockTimeout: Another run did not end in time.
            LakeError: No lake can be at the URL.
            SettingsError: A limit is out of range.
        """
        if self._locked_for == run.run_id:
            return
        LakeLimits.read(self, quote=False)
        self.store.check()
        folder = Path(self.state_folder)
        claim_run(instance, run.run_id, folder, self.names)
        who = f"{job_label(run.job_name)} (run {run.run_id[:8]})"
        LakeLock(self.machine_folder, self.url).acquire(
            who,
            timeout_seconds=self.lock_timeout_seconds,
            notify=get_dagster_logger().info,
        )
        self.store.writer = writer_id(self.machine_folder)
        self._acquire_lease(instance, run, who)
        self._locked_for = run.run_id
        end_orphaned_runs(instance, folder)

    def _acquire_lease(self, instance: DagsterInstance, run: DagsterRun, who: str) -> None:
        """Machines without a common state folder take turns too, where the lake is in an object store."""
        self._lease = lease_of(self.store.url, self.storage_options, self.lease_seconds)
        if self._lease is None:
            return
        silent = self._lease.acquire(
            who,
            run.run_id,
            timeout_seconds=self.lock_timeout_seconds,
            notify=get_dagster_logger().info,
            folder=str(self.store.writer),
        )
        self.store.lease = self._lease
        # This run itself was the silent one where Dagster resumed it, or where the process of another step of it was killed.
        if silent is not None and silent.run_id != run.run_id:
            end_silent_run(instance, silent)

    def take_turn(self, client: TimixClient) -> None:
        """Where machines take turns: `client` counts what others requested before, and stops when the lease is lost."""
        lease = self._lease
        if lease is None:
            return
        folder, left = str(self.store.writer), lease.left
        # Those that the count of this state folder has are not counted twice.
        made = () if left.counted_by == folder else left.requests
        client.take_turn(made, now() - left.at, lease.require)
        lease.count_requests(folder, client.counting_requests)

    def teardown_after_execution(self, context: InitResourceContext) -> None:
        if self._lease is not None:
            self._lease.release()
            self.store.lease = self._lease = self._locked_for = None

    def warn_of_another_machine(self, run: DagsterRun, table: str, change: Change, log: DagsterLogManager) -> None:
        """Logs once a run that another machine writes to this folder: without a common state folder they share no lock."""
        if change.another_wrote_at is None or self._warned == run.run_id or self._lease is not None:
            return
        self._warned = run.run_id
        at = f"{change.another_wrote_at:%Y-%m-%d %H:%M:%S} UTC, by its clock"
        log.warning(
            f"Another machine wrote to {table} at {at}. Machines without a common state folder share neither the lake lock nor "
            "the rate limit of a key, so their runs can fail instead of waiting. Refresh this lake from one machine, or at "
            "different times."
        )

    def start_computing(self, instance: DagsterInstance, run: DagsterRun, tables: Iterable[str]) -> None:
        """Acquires the lock and takes the snapshots of the tables that the run computes, before it reads their inputs."""
        self.acquire_lock(instance, run)
        self.take_snapshots(run, tables)

    def take_snapshots(self, run: DagsterRun, tables: Iterable[str]) -> None:
        """Takes the tables' snapshots, once a run, for rows that are read or computed before their own asset starts."""
        for table in tables:
            if (run.run_id, table) not in self._snapshots:
                # A table that cannot be opened fails when it is replaced; the others go on.
                with suppress(LakeError):
                    self._snapshots[run.run_id, table] = self.store.snapshot(table)

    def snapshot_before(self, run: DagsterRun, table: str) -> Snapshot | None:
        """The snapshot that `take_snapshots` took in this run; None if it took none."""
        return self._snapshots.get((run.run_id, table))


def timix_resource(settings: Settings) -> TimixResource:
    """The API of these settings; their limits hold where a run sets none."""
    resource = with_fields(TimixResource, ClientLimits, QuarantineLimits, values=settings)
    return resource(
        api_key=settings.api_key.get_secret_value(),
        base_url=settings.base_url,
        authentication=settings.authentication,
        overrides_file=settings.overrides,
        state_folder=str(settings.machine_folder),
        quota=quota_of_runs(settings.lake),
        allow_writes=settings.allow_writes,
        workspace=settings.workspace,
    )


def import_resource(settings: Settings, files: Mapping[str, str] | None = None) -> ImportResource:
    """The imports of these settings; their limits hold where a run sets none. files: as of ImportResource."""
    resource = with_fields(ImportResource, ImportLimits, values=settings)
    return resource(folder=settings.import_folder, home=str(settings.home), files=files or {})


def lake_resource(settings: Settings, names: Namespace = PROJECT) -> Any:
    """The lake of these settings; their limits hold where a run sets none.

    Configured at launch, so that what a run sets reaches the IO manager too.

    Raises:
        LakeError: No lake can be at the URL.
    """
    resource = with_fields(LakeResource, LakeLimits, values=settings)
    return resource.configure_at_launch(
        url=reject_malformed_url(settings.lake),
        state_folder=str(settings.state_folder),
        lock_folder=str(settings.machine_folder),
        names=names,
    )
