"""Files that are kept as they came: official exports, byte for byte."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from obstore.exceptions import BaseError

from .errors import LakeError, WriteFailed
from .storage import causes, open_store

FOLDER = "exports"
_PATH = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Exported:
    """url: where the file lies. size: in bytes. sha256: of its bytes, in hexadecimal digits."""

    url: str
    size: int
    sha256: str


def put_export(lake_url: str, options: Mapping[str, str], path: str, data: bytes) -> Exported:
    """Stores `data` as `<lake_url>/exports/<path>`; a reader sees the old file or the new one. WriteFailed if not."""
    if not _PATH.fullmatch(path):
        raise LakeError(f"{path!r} is no path of an export; write it like revenue_report/2025-01.csv.")
    url = f"{lake_url}/{FOLDER}/{path}"
    try:
        open_store(lake_url, options).put(f"{FOLDER}/{path}", data)
    except (BaseError, OSError) as error:
        raise WriteFailed(
            f"The export {url} could not be written ({causes(error)}); make room or make the store "
            "reachable, then run it again."
        ) from error
    return Exported(url, len(data), sha256(data).hexdigest())
