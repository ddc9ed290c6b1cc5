"""What can go wrong in the lake. Every message is one sentence for the person on call: what, where, what to do next."""

# ruff: noqa: N818 - they read as what happened: `except WriteConflict`


class LakeError(Exception):
    """Any refusal or failure of the lake. What a table held before is still there and readable."""


class TableMissing(LakeError):
    """The table was never written."""


class MonthsMissing(LakeError):
    """A table is kept by month and the call names none, or the other way round."""


class RowsOutsideRange(LakeError):
    """Rows lie outside the months that are to be replaced."""


class DuplicateKeys(LakeError):
    """Two rows share a key, so that additions and changes could not be told apart."""


class UnstorableColumn(LakeError):
    """A column's type has no counterpart in Delta, or a key column is not there."""


class SchemaChanged(LakeError):
    """A column's type is not the one that the table holds; Delta would cast it silently."""


class ShrinkRefused(LakeError):
    """The replacement would remove suspiciously many rows."""


class WriteConflict(LakeError):
    """Another writer replaced the same rows after our read began: older data must not replace newer."""


class WriteFailed(LakeError):
    """Files or the commit could not be written: disk full, store out of reach."""


class OtherOrganization(LakeError):
    """The lake holds another organization's data."""


class TurnTimeout(LakeError):
    """Another process held the lake for too long."""
