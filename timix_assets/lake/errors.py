"""Errors of the lake. Each message says what happened, to which table, and what to do next."""

from timix_assets.errors import TimixAssetsError

# ruff: noqa: N818 - they read as what happened: `except WriteConflict`


class LakeError(TimixAssetsError):
    """Root of the lake's errors. The table is unchanged and readable."""


class WrongLocation(LakeError):
    """No lake can be at the location, whatever is there."""


class TableMissing(LakeError):
    """The table does not exist."""


class OutdatedRollup(LakeError):
    """An earlier version computed the table, without columns that this one reads."""


class MonthsMissing(LakeError):
    """A table is partitioned by month but the call names no months, or the other way round."""


class RowsOutsideRange(LakeError):
    """A row's month is not one of those to replace."""


class DuplicateKeys(LakeError):
    """Two rows have the same key, so that added and changed rows cannot be distinguished."""


class UnstorableColumn(LakeError):
    """A column's type has no counterpart in Delta, or a key column is missing."""


class SchemaChanged(LakeError):
    """A column's type differs from the table's; Delta would cast it silently."""


class ShrinkRefused(LakeError):
    """The replacement would remove suspiciously many rows or values."""


class WriteConflict(LakeError):
    """Another writer committed the same rows after this read started; older data must not replace newer."""


class WriteFailed(LakeError):
    """Files or the commit could not be written: the disk is full, or the store cannot be reached."""


class StoreUnfit(LakeError):
    """The object store has no conditional writes, so two writers could overwrite each other."""


class OtherOrganization(LakeError):
    """The lake belongs to another organization."""


class LakeLockTimeout(LakeError):
    """Another process held the lake lock for too long."""


class LeaseLost(LakeError):
    """Another machine may write to the lake now, so this process must not."""
