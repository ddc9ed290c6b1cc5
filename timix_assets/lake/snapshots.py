"""The state of a table that a replacement is based on, by version and never by a clock: old rows must not replace new ones."""

from dataclasses import dataclass

from deltalake import DeltaTable


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table at one moment.

    Args:
        version: Its last commit; -1 if the table does not exist.
        table_id: Created with the table, so that a table that was deleted and created again is recognized.
    """

    version: int
    table_id: str | None

    def last_version_in(self, table: DeltaTable) -> int:
        """The last version of `table` that the snapshot includes; -1 if it is another table, or an older copy."""
        if _id_of(table) != self.table_id or table.version() < self.version:
            return NO_TABLE.version
        return self.version


NO_TABLE = Snapshot(-1, None)


def snapshot_of(table: DeltaTable | None) -> Snapshot:
    return NO_TABLE if table is None else Snapshot(table.version(), _id_of(table))


def _id_of(table: DeltaTable) -> str:
    return str(table.metadata().id)
