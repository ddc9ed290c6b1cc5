"""Errors of exports and queries."""

from timix_assets.errors import TimixAssetsError


class ExportError(TimixAssetsError):
    """An export that cannot be made. The message says why and what to do instead; no file was written."""


class QueryError(TimixAssetsError, ValueError):
    """SQL that cannot be run. The message says what is wrong with it."""
