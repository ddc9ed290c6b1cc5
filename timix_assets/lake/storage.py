"""Where the lake lies: a folder, or an object store by URL. Files are put whole or not at all."""

import errno
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

if TYPE_CHECKING:
    from obstore.store import S3Config

FILE_SCHEME = "file://"
_NO_ROOM = re.compile(
    "|".join(rf"os error {code}\b|Errno {code}\b" for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
)


def located(url: str) -> str:
    """An absolute folder, or the URL of an object store, without a slash at its end."""
    if "://" in url and not url.startswith(FILE_SCHEME):
        return url.rstrip("/")
    return str(Path(url.removeprefix(FILE_SCHEME)).expanduser().resolve())


def is_folder(url: str) -> bool:
    return "://" not in url


def open_store(url: str, options: Mapping[str, str]) -> ObjectStore:
    """The store at `url`; a folder is made when it is not there. Objects appear whole, by rename or the store's put."""
    if is_folder(url):
        return LocalStore(url, mkdir=True)
    store: ObjectStore = from_url(url, config=cast("S3Config", dict(options)))
    return store


def open_table(url: str, options: Mapping[str, str]) -> DeltaTable | None:
    """The table as it is now, and the same ever after to whoever holds this object; None if there is none."""
    try:
        return _Table(url, storage_options=dict(options))
    except TableNotFoundError:
        return None


def scan_table(table: DeltaTable, options: Mapping[str, str]) -> pl.LazyFrame:
    return pl.scan_delta(table, storage_options=dict(options) or None)


def is_full_disk(error: Exception) -> bool:
    """Whether there was no room for a file: no space, over the quota, over the size limit. Polars says it in words only."""
    return _NO_ROOM.search(str(error)) is not None


class _Table(DeltaTable):
    """A table whose folder may have blanks or letters beyond ASCII: Polars takes the paths as they are, not as URLs."""

    def file_uris(self, *args: object, **kwargs: object) -> list[str]:
        uris: list[str] = super().file_uris(*args, **kwargs)  # type: ignore[arg-type]
        return uris if "://" in self.table_uri.removeprefix(FILE_SCHEME) else [unquote(uri) for uri in uris]
