"""Finished pages beside the tables: `reports/weekly_digest.html`, replaced whole at each run."""

from collections.abc import Callable, Mapping

from obstore.exceptions import BaseError

from .errors import WriteFailed
from .files import replace_file
from .storage import describe_storage_error

FOLDER = "reports"


def put_report(
    lake_url: str, options: Mapping[str, str], name: str, data: bytes, require_lease: Callable[[], None]
) -> str:
    """Stores `data` as `<lake>/reports/<name>`, atomically, and returns where that is.

    Args:
        require_lease: Called before the write; what it raises prevents it.

    Raises:
        WriteFailed: The store did not accept it; the old page is still there.
        StoreUnfit: The store has no conditional writes.
    """
    path = f"{FOLDER}/{name}"
    try:
        replace_file(lake_url, options, path, data, require_lease)
    except (BaseError, OSError) as error:
        raise WriteFailed(
            f"Cannot write the report {lake_url}/{path} ({describe_storage_error(error)}). Free space there or make the store "
            "reachable, then run it again."
        ) from error
    return f"{lake_url}/{path}"
