"""Dagster's SQLite storage with connections that stay open: the same files, from any number of processes."""

import hashlib
import inspect
import os
import queue
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus, asset, materialize
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._core.test_utils import create_run_for_test
from sqlalchemy import Engine, event, text

from timix_assets.runs import storage as ours
from timix_assets_tests.workspace import QUIET

ROOT = Path(__file__).parents[2]

OVERRIDDEN = {
    (SqliteRunStorage, "from_local"): "50b4181e1491",
    (SqliteRunStorage, "connect"): "d343abae6e9b",
    (SqliteRunStorage, "dispose"): "cff0c9b09050",
    (SqliteScheduleStorage, "from_local"): "06ae7e70b419",
    (SqliteScheduleStorage, "connect"): "d343abae6e9b",
    (SqliteEventLogStorage, "__init__"): "264c15baa761",
    (SqliteEventLogStorage, "_initdb"): "7a302d98eb61",
    (SqliteEventLogStorage, "_has_asset_key_col_on_connection"): "981049dfa81d",
    (SqliteEventLogStorage, "_connect"): "b8435f266568",
    (SqliteEventLogStorage, "has_table"): "577d801c70b2",
    (SqliteEventLogStorage, "store_event"): "f89aed406024",
    (SqliteEventLogStorage, "dispose"): "df16dafbfa84",
    (DagsterSqliteStorage, "__init__"): "bcf5aa27a5dd",
    (DagsterSqliteStorage, "from_config_value"): "7330f7b17b21",
}
"""Method of Dagster that ours replaces -> hash of its source, in the version of constraints.txt."""

OURS = {
    SqliteRunStorage: ours.PooledRunStorage,
    SqliteScheduleStorage: ours.PooledScheduleStorage,
    SqliteEventLogStorage: ours.PooledEventLogStorage,
    DagsterSqliteStorage: ours.PooledSqliteStorage,
}


@asset
def numbers() -> None: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project folder with the project's dagster.yaml."""
    config = (ROOT / "dagster.yaml").read_text()
    assert ".dagster/" in config
    (tmp_path / "dagster.yaml").write_text(config.replace(".dagster/", f"{tmp_path}/.dagster/"))
    return tmp_path


@pytest.fixture
def instance(folder: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.from_config(str(folder)) as made:
        yield made


@contextmanager
def with_plain_storage(folder: Path) -> Iterator[DagsterInstance]:
    """The instance of the same folder as any other Dagster configures it."""
    home = folder / "plain"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        f"storage: {{sqlite: {{base_dir: {folder}/.dagster/storage}}}}\ntelemetry: {{enabled: false}}\n"
    )
    with DagsterInstance.from_config(str(home)) as made:
        assert type(made.run_storage) is SqliteRunStorage
        yield made
    shutil.rmtree(home)


@pytest.fixture
def connections() -> Iterator[dict[str, int]]:
    """How many were opened and closed."""
    seen = {"opened": 0, "closed": 0}

    def opened(*_: object) -> None:
        seen["opened"] += 1

    def closed(*_: object) -> None:
        seen["closed"] += 1

    event.listen(Engine, "connect", opened)
    event.listen(Engine, "close", closed)
    yield seen
    event.remove(Engine, "connect", opened)
    event.remove(Engine, "close", closed)


def runs_of(instance: DagsterInstance) -> set[str]:
    return set(instance.run_storage.get_run_ids())


def materialized(instance: DagsterInstance) -> str:
    done = materialize([numbers], instance=instance, run_config=QUIET)
    assert done.success
    return done.run_id


def recorded(instance: DagsterInstance) -> str:
    """A run with an event. Dagster cannot execute runs in threads of one process: its logging locks up."""
    run = create_run_for_test(instance, status=DagsterRunStatus.SUCCESS)
    instance.report_engine_event("by a thread", run)
    return run.run_id


def databases(folder: Path) -> list[Path]:
    return sorted((folder / ".dagster/storage").rglob("*.db"))


def is_intact(file: Path) -> bool:
    with closing(sqlite3.connect(file)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def in_processes(folder: Path, program: str, number: int = 1) -> list["subprocess.Popen[str]"]:
    """Python processes that have `instance`, that of the folder."""
    setup = f"""
        from dagster import DagsterInstance
        from timix_assets_tests.runs.test_storage import *
        instance = DagsterInstance.from_config({str(folder)!r})
    """
    code = textwrap.dedent(setup) + textwrap.dedent(program)
    command = [sys.executable, "-c", code]
    return [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(number)
    ]


def digest(method: object) -> str:
    return hashlib.sha256(inspect.getsource(method).encode()).hexdigest()[:12]  # type: ignore[arg-type]


def test_replaced_methods_of_dagster_are_the_ones_that_were_read() -> None:
    """When this fails after an upgrade of Dagster: compare the method with ours, and then change the hash here."""
    replaced = {
        (base, name)
        for base, cls in OURS.items()
        for name in vars(cls)
        if inspect.isroutine(getattr(cls, name)) and hasattr(base, name)
    }
    assert replaced == OVERRIDDEN.keys()
    assert {each: digest(getattr(*each)) for each in OVERRIDDEN} == OVERRIDDEN


def test_dagster_yaml_names_it_and_run_workers_get_it(instance: DagsterInstance) -> None:
    with DagsterInstance.from_ref(instance.get_ref()) as of_worker:
        for each in (instance, of_worker):
            assert type(each.run_storage) is ours.PooledRunStorage
            assert type(each.event_log_storage) is ours.PooledEventLogStorage
            assert type(each.schedule_storage) is ours.PooledScheduleStorage


def test_a_run_opens_a_few_connections_and_closes_them(folder: Path, connections: dict[str, int]) -> None:
    with DagsterInstance.from_config(str(folder)) as instance:
        materialized(instance)
        before = connections["opened"]
        materialized(instance)
        assert connections["opened"] - before <= 2
    assert connections["opened"] == connections["closed"]
    assert {file.suffix for file in (folder / ".dagster/storage").rglob("*.db*")} == {".db"}


def test_a_folder_goes_on_with_either_storage(folder: Path) -> None:
    with with_plain_storage(folder) as plain:
        first = materialized(plain)
    with DagsterInstance.from_config(str(folder)) as instance:
        second = materialized(instance)
        assert runs_of(instance) == {first, second}
        assert instance.all_logs(first)
    with with_plain_storage(folder) as plain:
        assert runs_of(plain) == {first, second}
        assert [each.run_id for each in plain.fetch_materializations(numbers.key, limit=9).records] == [second, first]


@pytest.mark.long
def test_both_storages_record_the_same(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    with with_plain_storage(other) as plain:
        materialized(plain)
    with DagsterInstance.from_config(str(folder)) as instance:
        materialized(instance)

    def contents(file: Path) -> dict[str, object]:
        with closing(sqlite3.connect(file)) as connection:
            tables = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
            rows = {
                name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()
                for name, sql in tables
                if sql and sql.startswith("CREATE TABLE")
            }
            revision = connection.execute("SELECT * FROM alembic_version").fetchall()
            mode = connection.execute("PRAGMA journal_mode").fetchone()
        return {"tables": tables, "rows": rows, "revision": revision, "mode": mode}

    def of_folder(of: Path) -> list[dict[str, object]]:
        return sorted((contents(file) for file in databases(of)), key=repr)

    assert of_folder(folder) == of_folder(other)


def test_dagsters_migrations_reach_every_file(instance: DagsterInstance, folder: Path) -> None:
    materialized(instance)
    storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
    heads = [each.alembic_version() for each in storages]
    assert all(current == newest for current, newest in heads)
    for file in databases(folder):
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '5771160a95ad'")

    instance.upgrade()

    assert [each.alembic_version() for each in storages] == heads
    assert runs_of(instance)


@pytest.mark.long
def test_processes_and_threads_write_to_the_same_files(instance: DagsterInstance, folder: Path) -> None:
    writers = in_processes(folder, "print(materialized(instance), materialized(instance))", number=2)
    with ThreadPoolExecutor(4) as threads:
        by_threads = list(threads.map(lambda _: recorded(instance), range(20)))
    by_processes = [run for writer in writers for run in writer.communicate(timeout=60)[0].split()]

    assert len(by_processes) == 4
    assert runs_of(instance) == {*by_threads, *by_processes}
    assert all(len(instance.all_logs(run)) == 1 for run in by_threads)
    found = instance.fetch_materializations(numbers.key, limit=99).records
    assert {each.run_id for each in found} == set(by_processes)
    assert all(map(is_intact, databases(folder)))


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_opens_connections_of_its_own_and_a_kill_loses_no_run(folder: Path) -> None:
    program = """
        materialized(instance)
        child = os.fork()
        if not child:
            materialized(instance)
            instance.dispose()
            os._exit(0)
        materialized(instance)
        assert os.waitpid(child, 0)[1] == 0
        print(create_run_for_test(instance).run_id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    [process] = in_processes(folder, program)
    run_id = process.communicate(timeout=60)[0].strip()
    assert process.returncode == -signal.SIGKILL
    with DagsterInstance.from_config(str(folder)) as instance:
        assert run_id in runs_of(instance)
        assert len(runs_of(instance)) == 4
    assert all(map(is_intact, databases(folder)))


def test_a_file_that_was_replaced_is_opened_again(instance: DagsterInstance, folder: Path) -> None:
    """As after the advice for a damaged file, while the UI goes on."""
    create_run_for_test(instance)
    file = folder / ".dagster/storage/history/runs.db"
    file.rename(folder / "damaged.db")
    with with_plain_storage(folder) as plain:
        first = create_run_for_test(plain).run_id
        second = create_run_for_test(instance).run_id
        assert runs_of(instance) == runs_of(plain) == {first, second}
    assert is_intact(file)


def test_a_block_that_fails_changes_nothing(instance: DagsterInstance) -> None:
    run = create_run_for_test(instance)
    storage = instance.run_storage
    assert isinstance(storage, ours.PooledRunStorage)
    with suppress(ZeroDivisionError), storage.connect() as connection:
        connection.execute(text("DELETE FROM runs"))
        raise ZeroDivisionError
    assert runs_of(instance) == {run.run_id}


def test_events_are_seen_as_they_are_stored(instance: DagsterInstance, folder: Path) -> None:
    """As on the UI's page of a run, whose server watches the file of its events."""
    run = create_run_for_test(instance)
    instance.report_engine_event("the first", run)
    seen: queue.Queue[str] = queue.Queue()
    with DagsterInstance.from_config(str(folder)) as of_server:
        of_server.watch_event_logs(run.run_id, None, lambda entry, _: seen.put(entry.message))
        instance.report_engine_event("the second", run)
        assert [seen.get(timeout=30), seen.get(timeout=30)] == ["the first", "the second"]


def test_the_files_of_many_runs_do_not_stay_open(tmp_path: Path, connections: dict[str, int]) -> None:
    pool = ours.EnginePool()
    for number in range(3 * ours.MAX_FILES):
        with pool.connection(f"sqlite:///{tmp_path}/{number}.db") as connection:
            connection.execute(text("SELECT 1"))
    assert connections["opened"] - connections["closed"] == ours.MAX_FILES
    pool.dispose()
    assert connections["opened"] == connections["closed"]


def test_an_interrupt_waits_for_the_transaction(tmp_path: Path) -> None:
    pool, url = ours.EnginePool(), f"sqlite:///{tmp_path}/runs.db"

    def interrupted() -> None:
        with pool.connection(url) as connection:
            connection.execute(text("CREATE TABLE runs (id TEXT)"))
            signal.raise_signal(signal.SIGINT)
            connection.execute(text("INSERT INTO runs VALUES ('a')"))

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pool.connection(url) as connection:
        assert connection.execute(text("SELECT count(*) FROM runs")).scalar() == 1


def test_an_interrupt_waits_until_the_connections_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pool, url = ours.EnginePool(), f"sqlite:///{tmp_path}/runs.db"
    with pool.connection(url) as connection:
        connection.execute(text("CREATE TABLE runs (id TEXT)"))
    dialect = pool.engine(url).dialect
    close, closed = dialect.do_close, []

    def interrupted(connection: sqlite3.Connection) -> None:
        signal.raise_signal(signal.SIGINT)
        close(connection)
        closed.append(connection)

    monkeypatch.setattr(dialect, "do_close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.dispose()
    assert len(closed) == 1
    assert caplog.messages == []
