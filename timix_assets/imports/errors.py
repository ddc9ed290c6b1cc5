"""The errors of imports."""

from timix_assets.errors import TimixAssetsError


class ImportRefused(TimixAssetsError):  # noqa: N818  it reads as what happened
    """An import that cannot begin: its file, mapping or settings do not fit, or it would write too much."""


class ImportStopped(TimixAssetsError):  # noqa: N818
    """An import that ended early. What was written stands in the ledger, so the same import continues it."""
