"""Dagster's SQLite storage with connections that stay open; `dagster.yaml` names it.

Dagster opens a connection for every statement, with a new SQLAlchemy engine: a refresh of two years opens 2,300, compiles every
statement anew and waits for the disk 2,000 times, which costs more than reading and computing. Files, tables and migrations
are Dagster's own: `storage: sqlite` reads the same folder, before and after.

A committed transaction survives the end of any process. A power failure may lose the last ones, never an older one nor the
file: SQLite syncs its log when it is copied into the file, not at each commit (`synchronous = NORMAL`).
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from dagster import EventLogEntry
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from timix_assets.dagster_internals import (
    ConfigurableClassData,
    DagsterSqliteStorage,
    SqliteEventLogStorage,
    SqliteRunStorage,
    SqliteScheduleStorage,
    create_db_conn_string,
    event_logs_directory,
    runs_directory,
    schedule_directory,
)
from timix_assets.interrupts import interrupts_deferred

BUSY_TIMEOUT_SECONDS = 30
"""How long a statement waits for another process; Dagster's value for events, where it gives runs and schedules 5."""

MAX_FILES = 8
"""Databases that stay open: the index of all events, and the runs that were used last."""


class EnginePool:
    """Engines of SQLite files, whose connections stay open until `dispose` or until `MAX_FILES` others were used since.

    A connection is not used again if its file was replaced or removed meanwhile, such as a damaged one that was moved away,
    nor in a process that was forked from the one that opened it.
    """

    def __init__(self) -> None:
        self._engines: dict[str, Engine] = {}
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._inherited: list[dict[str, Engine]] = []

    def engine(self, url: str) -> Engine:
        """The engine of `sqlite:///<path>`."""
        with self._lock:
            if self._process != os.getpid():
                # Kept and never closed: SQLite allows a forked process neither to use nor to close them.
                self._inherited.append(self._engines)
                self._engines, self._process = {}, os.getpid()
            engine = self._engines.pop(url, None) or _engine(url)
            self._engines[url] = engine
            if len(self._engines) > MAX_FILES:
                self._engines.pop(next(iter(self._engines))).dispose()
            return engine

    @contextmanager
    def connection(self, url: str) -> Iterator[Connection]:
        """A connection in a transaction, which is committed at the end of the block. An interrupt waits for it."""
        with interrupts_deferred(), self.engine(url).connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        """Closes the connections; the next use opens new ones."""
        with interrupts_deferred(), self._lock:
            if self._process == os.getpid():
                while self._engines:
                    self._engines.popitem()[1].dispose()


def _engine(url: str) -> Engine:
    # Two, as Dagster asks for the tables of a database while it writes to it; more while more threads use it.
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=2, max_overflow=-1, connect_args={"timeout": BUSY_TIMEOUT_SECONDS}
    )
    path = engine.url.database or ""

    @event.listens_for(engine, "connect")
    def opened(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA synchronous = NORMAL")
        record.info["file"] = _file(path)

    @event.listens_for(engine, "checkout")
    def used_again(connection: Any, record: Any, proxy: Any) -> None:
        if record.info["file"] != _file(path):
            raise DisconnectionError(f"{path} is another file than before.")

    return engine


def _file(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  a tenth of the time that Path takes, at each statement
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _has_revision(engine: Engine) -> bool:
    """Whether the database is there with its tables. Dagster has Alembic load all revisions to find that out, for each file."""
    if not os.path.exists(engine.url.database or ""):  # noqa: PTH110
        return False
    with engine.connect() as connection:
        if not connection.dialect.has_table(connection, "alembic_version"):
            return False
        return connection.execute(text("SELECT 1 FROM alembic_version")).first() is not None


ENGINES = EnginePool()
"""Of this process, whose instances share them: Dagster makes several, and never disposes of their schedule storages."""


class PooledRunStorage(SqliteRunStorage):
    """The file `runs.db`."""

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> Self:
        url = create_db_conn_string(base_dir, "runs")
        return cls(url, inst_data) if _has_revision(ENGINES.engine(url)) else super().from_local(base_dir, inst_data)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with ENGINES.connection(self._conn_string) as connection:
            yield connection

    def dispose(self) -> None:
        ENGINES.dispose()


class PooledScheduleStorage(SqliteScheduleStorage):
    """The file `schedules.db`."""

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> SqliteScheduleStorage:
        url = create_db_conn_string(base_dir, "schedules")
        return cls(url, inst_data) if _has_revision(ENGINES.engine(url)) else super().from_local(base_dir, inst_data)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with ENGINES.connection(self._conn_string) as connection:
            yield connection


class PooledEventLogStorage(SqliteEventLogStorage):
    """The file `index.db`, and one for each run."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._asset_key_columns: set[str] = set()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        url = self.conn_string_for_shard(shard)
        with self._db_lock:
            if shard not in self._initialized_dbs:
                with interrupts_deferred():
                    self._initdb(ENGINES.engine(url))
                self._initialized_dbs.add(shard)
            with ENGINES.connection(url) as connection:
                yield connection

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        if not _has_revision(engine):
            super()._initdb(engine, for_index_shard)

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        # Asked for before each event of an asset. A column that is there stays there.
        if column_name not in self._asset_key_columns and super()._has_asset_key_col_on_connection(conn, column_name):
            self._asset_key_columns.add(column_name)
        return column_name in self._asset_key_columns

    def has_table(self, table_name: str) -> bool:
        # Without the lock: Dagster calls it in transactions.
        with ENGINES.connection(self.conn_string_for_shard("index")) as connection:
            return connection.dialect.has_table(connection, table_name)

    def store_event(self, event: EventLogEntry) -> None:
        super().store_event(event)
        # The UI follows a run by the changes of its file, and SQLite has written to the log beside it only.
        os.utime(self.path_for_shard(event.run_id))

    def dispose(self) -> None:
        super().dispose()
        ENGINES.dispose()


class PooledSqliteStorage(DagsterSqliteStorage):
    """Runs, events and schedules below one folder, as `DagsterSqliteStorage` keeps them."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self.base_dir = base_dir
        self._run_storage = PooledRunStorage.from_local(runs_directory(base_dir))
        self._event_log_storage = PooledEventLogStorage(event_logs_directory(base_dir))
        self._schedule_storage = PooledScheduleStorage.from_local(schedule_directory(base_dir))
        self._inst_data = inst_data
        # Not Dagster's own, which would open the same files by its own classes.
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> Self:
        made: Self = cls.from_local(inst_data=inst_data, **config_value)
        return made
