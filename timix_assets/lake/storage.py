"""Where the lake lies: a folder, or an object store by URL. Files are put whole or not at all."""

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from .errors import LakeError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

FILE_SCHEME = "file://"
SCHEMES = ("s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss")
"""Of the object stores that deltalake, obstore and Polars all know."""

# deltalake takes all options in one mapping; obstore wants those of the HTTP client and of retries apart, and none that it
# does not know.
_CLIENT = frozenset(
    {"allow_http", "allow_invalid_certificates", "connect_timeout", "timeout", "proxy_url", "user_agent"}
)
_DELTA_ONLY = frozenset({"aws_s3_allow_unsafe_rename", "aws_s3_locking_provider", "delta_dynamo_table_name"})
_RETRIES = "max_retries"

_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_INTERNALS = re.compile(r"\n\s*(?:Debug source:|0: )")
"""Where obstore's dump and deltalake's backtrace begin."""
_DUMPED_CAUSE = re.compile(r'\b(?:message|error): "([^"]+)"')
_SECRETS = re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]+@|(?<=[\w/])\?[^\s\"]+")
"""Parts of an address that may be credentials: a password, a signature."""

_SLASH_MISSING = re.compile(rf"(?:{'|'.join(SCHEMES)}|file):(?!//)|[a-z][\w+.-]+:/(?!/)", re.IGNORECASE)
"""Of any scheme with one slash, of those that are known without any. One letter alone is a drive."""

_NO_ROOM = re.compile(rf"(?:os error|Errno) ({errno.ENOSPC}|{errno.EDQUOT}|{errno.EFBIG})\b")


def as_written(url: str) -> str:
    """The same; LakeError when it is a URL with a slash too few, which would silently become a folder of that name."""
    if _SLASH_MISSING.match(url):
        scheme, _, rest = url.partition(":")
        raise LakeError(
            f"TIMIX_LAKE is {url}, a URL with a slash too few; write {scheme}://{rest.lstrip('/')}, or ./{url} for a folder "
            "of that name."
        )
    return url


def located(url: str) -> str:
    """An absolute folder, or the URL of an object store, without a slash at its end. LakeError for a mistyped URL."""
    as_written(url)
    if "://" in url and not url.startswith(FILE_SCHEME):
        scheme, _, rest = url.partition("://")
        return f"{scheme}://{rest.rstrip('/')}"
    return str(Path(url.removeprefix(FILE_SCHEME)).expanduser().resolve())


def is_folder(url: str) -> bool:
    return "://" not in url


def check_place(url: str) -> None:
    """LakeError when no lake can be at `url`, as `located` gives it. Asks no object store, and makes no folder."""
    if is_folder(url):
        _check_folder(Path(url))
        return
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in SCHEMES or not rest.partition("/")[0]:
        raise LakeError(
            f"TIMIX_LAKE is {url}, where no lake can be; set it to a folder, or to a bucket or container of an object "
            f"store, such as s3://bucket/lake (known are {', '.join(SCHEMES)})."
        )


def _check_folder(folder: Path) -> None:
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise LakeError(
            f"TIMIX_LAKE is {folder}, which cannot be made or written ({error.strerror}); set it to a folder in which "
            "you may write, or to the URL of an object store."
        ) from error


def open_store(url: str, options: Mapping[str, str]) -> ObjectStore:
    """The store at `url`; a folder is made when it is not there. Objects appear whole, by rename or the store's put."""
    if is_folder(url):
        return LocalStore(url, mkdir=True)
    config = {name.lower(): value for name, value in options.items() if name.lower() not in _DELTA_ONLY}
    client = {name: value for name, value in config.items() if name.removeprefix("aws_") in _CLIENT}
    retries = config.pop(_RETRIES, None)
    store: ObjectStore = from_url(
        url,
        config=cast("S3Config", {name: value for name, value in config.items() if name not in client}),
        # Any mapping here, an empty one too, would hide the environment's.
        client_options=cast("ClientConfig", {name.removeprefix("aws_"): client[name] for name in client}) or None,
        retry_config={"max_retries": int(retries)} if retries is not None else None,
    )
    return store


def open_table(url: str, options: Mapping[str, str]) -> DeltaTable | None:
    """The table as it is now, and the same ever after to whoever holds this object; None if there is none."""
    try:
        return _Table(url, storage_options=dict(options))
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"The table at {url} cannot be opened ({causes(error)}); make sure that TIMIX_LAKE is right, the store can be "
            "reached and its credentials are valid."
        ) from error


def causes(error: Exception) -> str:
    """What an error of a storage library says, on one line: its first cause, the address asked, and its last cause.

    Of a full disk just that.
    """
    if no_room := _NO_ROOM.search(str(error)):
        return os.strerror(int(no_room[1])).lower()
    said, *internals = _INTERNALS.split(_COLOURS.sub("", str(error)).strip(), maxsplit=1)
    first, *below = [line.strip(" ↳") for line in said.splitlines()] or [type(error).__name__]
    asked = [line for line in below if "://" in line][:1]
    last = _DUMPED_CAUSE.findall("".join(internals))[-1:] or below[-1:]
    return ": ".join(_SECRETS.sub("", cause) for cause in dict.fromkeys([first, *asked, *last]))


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
