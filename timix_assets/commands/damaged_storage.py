"""Damaged files of Dagster's run storage: which one, and what to do. No table of the lake depends on them."""

import sqlite3
from pathlib import Path

from timix_assets.settings import SettingsError

DATABASES = ("runs.db", "index.db", "schedules.db")
"""Runs, the index of all events, schedules and sensors. Not the files of single runs' events: they block no other run."""

HEADER, EVERY_PAGE = "SELECT count(*) FROM sqlite_master", "PRAGMA quick_check(1)"
"""Whether a file is a database, in no time; whether all of it is intact, which takes seconds for a large one."""


def damaged_file(storage: Path, *, query: str) -> Path | None:
    """The first of Dagster's databases below its storage folder that SQLite cannot read; None if all are intact.

    Args:
        query: HEADER or EVERY_PAGE.
    """
    files = (file for name in DATABASES for file in storage.rglob(name))
    return next((file for file in files if not _is_intact(file, query)), None)


def check(storage: Path) -> None:
    """Checks the header of each database, before Dagster fails with a long traceback.

    Raises:
        SettingsError: A file is damaged.
    """
    damaged = damaged_file(storage, query=HEADER)
    if damaged:
        raise SettingsError(advice_for(damaged))


def advice_for(file: Path) -> str:
    """The message for a damaged file."""
    return (
        f"{file}, a part of Dagster's run storage, is damaged; the tables of the lake are not affected. Move it away "
        f"(`mv {file} {file}.damaged`) and run this again: Dagster creates a new one, without what the file recorded (such as "
        "past runs, or which schedules are on)."
    )


def _is_intact(file: Path, query: str) -> bool:
    """A file that another process has locked counts as intact: it cannot be checked now."""
    try:
        connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=1)
        try:
            (result,) = connection.execute(query).fetchone()
            return query == HEADER or result == "ok"
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return True
    except sqlite3.DatabaseError:
        return False
