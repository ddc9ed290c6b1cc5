"""The state of a table at its current version, read from its Delta log alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from deltalake import DeltaTable

from .delta_log import commits_newest_first
from .storage import files_of, open_store


@dataclass(frozen=True, slots=True)
class TableDetails:
    """A table at its current version.

    Args:
        rows: None if one of its files does not say how many rows it has, as files of other tools may.
        bytes: Of the files of this version, not of earlier ones.
        changed_at: When rows last changed, by the writer's clock; None if that commit has left the log. A refresh that
            finds nothing new commits nothing.
    """

    version: int
    rows: int | None
    bytes: int
    changed_at: datetime | None


def rows_of(table: DeltaTable) -> int | None:
    """The table's rows by its log; None if one of its files does not say how many it has."""
    files = files_of(table)
    if "num_records" not in files.columns or files["num_records"].has_nulls():
        return None if files.height else 0
    return int(files["num_records"].sum())


def details_of(table: DeltaTable, url: str, options: Mapping[str, str]) -> TableDetails:
    commits = commits_newest_first(open_store(url, options), table.version())
    changed = next((commit for commit in commits if commit.changes_rows), None)
    return TableDetails(
        version=table.version(),
        rows=rows_of(table),
        bytes=int(files_of(table)["size_bytes"].sum()),
        changed_at=changed.at if changed and changed.info else None,
    )
