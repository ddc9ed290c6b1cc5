"""The inbox of webhooks: which events came, and up to which one the sensor has looked. One SQLite file on this machine.

An event is in the file before it is answered, so it outlives a killed process. It may not outlive a power cut: syncing
the disk for each event costs more than an event is worth, which only makes the sensor look sooner.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from timix_assets.errors import TimixAssetsError

PAGE_BYTES = 4096
BUSY_SECONDS = 1.0
"""How long a write waits for one of another process; each takes less than a millisecond."""

CHECKPOINT_WRITES = 500
"""SQLite's log of writes goes into the file after so many; an event takes up to 16 kB of the log."""

_TABLES = """
create table if not exists events (
  number integer primary key autoincrement, key text not null unique, type text, received_at real not null,
  copies integer not null default 1, last_copy_at real not null);
create table if not exists refusals (reason text primary key, requests integer not null, last_at real not null);
create table if not exists looks (one integer primary key check (one = 1), up_to integer not null, at real not null);
"""


class InboxError(TimixAssetsError):
    """The inbox cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Looks:
    """newest: the number of the latest event; 0 without any. up_to: the latest one before the last look. at: its time."""

    newest: int = 0
    up_to: int = 0
    at: float | None = None

    @property
    def new(self) -> int:
        """Events since the last look."""
        return max(0, self.newest - self.up_to)


@dataclass(frozen=True, slots=True)
class Seen:
    """How often something came, and when it came last (seconds since 1970). copies: of events, repeats included."""

    what: str | None
    count: int
    copies: int
    last_at: float


class Inbox:
    """An open inbox.

    Args:
        path: The file; it is created.
        max_mb: Its largest size. Full, it drops its oldest events.
    """

    def __init__(self, path: Path, max_mb: int) -> None:
        self._path = path
        with self._explained():
            self._file = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._file.execute(f"pragma page_size = {PAGE_BYTES}")
            self._file.execute("pragma journal_mode = wal")
            self._file.execute("pragma synchronous = normal")
            # `_checkpoint` does it in a thread: it syncs the disk, and the event in turn would wait for that.
            self._file.execute("pragma wal_autocheckpoint = 0")
            self._file.executescript(_TABLES)
            self._file.execute(f"pragma max_page_count = {max_mb * 1024 * 1024 // PAGE_BYTES}")
        path.chmod(0o600)
        self._writes = 0
        self._checkpointing: threading.Thread | None = None

    def close(self) -> None:
        if self._checkpointing is not None:
            self._checkpointing.join()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, key: str, event_type: str | None, now: float) -> bool:
        """Stores an event; False if it has come before.

        Raises:
            InboxError: It could not be stored.
        """
        with self._explained():
            try:
                return self._add(key, event_type, now)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                    raise
            self._drop_oldest()
            return self._add(key, event_type, now)

    def count_refusal(self, reason: str, now: float) -> None:
        """Counts a request that was refused. reason: one of few texts, since each is a row."""
        with self._explained():
            self._file.execute(
                "insert into refusals values (?, 1, ?) "
                "on conflict (reason) do update set requests = requests + 1, last_at = excluded.last_at",
                (reason, now),
            )
        self._count_write()

    def looks(self) -> Looks:
        with self._explained():
            [(newest, up_to, at)] = self._file.execute(
                "select coalesce((select max(number) from events), 0), coalesce(max(up_to), 0), max(at) from looks"
            )
        return Looks(newest, up_to, at)

    def record_look(self, up_to: int, now: float) -> None:
        """A look begins that shows what the events up to this one are about."""
        with self._explained():
            self._file.execute("insert or replace into looks values (1, ?, ?)", (up_to, now))

    def events(self) -> list[Seen]:
        """The events that are kept, by type; the most frequent first."""
        return self._seen(
            "select type, count(*), sum(copies), max(last_copy_at) from events group by type order by 2 desc, 1"
        )

    def refusals(self) -> list[Seen]:
        """The requests that were refused, by reason; the latest first."""
        return self._seen("select reason, requests, requests, last_at from refusals order by last_at desc")

    def _seen(self, query: str) -> list[Seen]:
        with self._explained():
            return [Seen(*row) for row in self._file.execute(query)]

    def _add(self, key: str, event_type: str | None, now: float) -> bool:
        [(copies,)] = self._file.execute(
            "insert into events (key, type, received_at, last_copy_at) values (?, ?, ?, ?) "
            "on conflict (key) do update set copies = copies + 1, last_copy_at = excluded.last_copy_at returning copies",
            (key, event_type, now, now),
        ).fetchall()
        self._count_write()
        return bool(copies == 1)

    def _drop_oldest(self) -> None:
        """The older half. The newest stays, so what nobody has looked at yet is still noticed."""
        self._file.execute("delete from events where number <= (select (min(number) + max(number)) / 2 from events)")

    def _count_write(self) -> None:
        self._writes += 1
        if self._writes >= CHECKPOINT_WRITES and (self._checkpointing is None or not self._checkpointing.is_alive()):
            self._writes = 0
            self._checkpointing = threading.Thread(target=self._checkpoint, name="timix-inbox-checkpoint", daemon=True)
            self._checkpointing.start()

    def _checkpoint(self) -> None:
        # What is wrong with the disk, the next write says.
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._path, timeout=0)) as file:
            file.execute("pragma wal_checkpoint(passive)")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise InboxError(
                f"The inbox of webhooks {self._path} cannot be used ({error}); free disk space, make it writable, or delete "
                "it: it holds nothing that the next look at Timix does not show."
            ) from error
