"""Finished pages beside the tables: `reports/weekly_digest.html`, replaced whole at each run."""

from collections.abc import Mapping

from obstore.exceptions import BaseError

from .errors import WriteFailed
from .storage import describe_storage_error, write_file

FOLDER = "reports"


def put_report(lake_url: str, options: Mapping[str, str], name: str, data: bytes) -> str:
    """Stores `data` as `<lake>/reports/<name>`, atomically, and returns where that is.

    Raises:
        WriteFailed: The store did not accept it; the old page is still there.
    """
    path = f"{FOLDER}/{name}"
    try:
        write_file(lake_url, options, path, data)
    except (BaseError, OSError) as error:
        raise WriteFailed(
            f"Cannot write the report {lake_url}/{path} ({describe_storage_error(error)}). Free space there or make the store "
            "reachable, then run it again."
        ) from error
    return f"{lake_url}/{path}"
