"""The location of the lake, a folder or an object store by URL, and access to its tables. Objects appear whole."""

import errno
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from timix_assets.state.locations import FILE_SCHEME, normalized_location
from timix_assets.state.permissions import explain_denied, is_permission_error
from timix_assets.text.wording import excerpt

from .errors import LakeError, WrongLocation
from .months import MONTH, Months
from .recovery import is_whole_parquet, set_torn_write_aside

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss")
"""Object stores that deltalake, obstore and Polars all support."""

# deltalake takes all options in one mapping; obstore takes those of the HTTP client and of retries separately, and rejects
# unknown ones.
_CLIENT = frozenset(
    {"allow_http", "allow_invalid_certificates", "connect_timeout", "timeout", "proxy_url", "user_agent"}
)
_DELTA_ONLY = frozenset({"aws_s3_allow_unsafe_rename", "aws_s3_locking_provider", "delta_dynamo_table_name"})
_RETRIES = "max_retries"

_COLORS = re.compile(r"\x1b\[[\d;]*m")
_INTERNALS = re.compile(r"\n\s*(?:Debug source:|0: )")
"""The start of obstore's dump and of deltalake's backtrace."""
_DUMPED_CAUSE = re.compile(r'\b(?:message|error): "([^"]+)"')
_SECRETS = re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]+@|(?<=[\w/])\?[^\s\"]+")
"""Parts of an address that can be credentials: a password, a signature."""

_URL = re.compile(r"[a-z][\w+.-]+:", re.IGNORECASE)
_PASSWORD = re.compile(r"^([a-z][\w+.-]+:/*)[^/:]*:.*@", re.IGNORECASE)
"""A user and a password before the host; the password can contain any character."""
_USER = re.compile(r"^((?!abfs)[a-z][\w+.-]+:/*)[^/@:]+@", re.IGNORECASE)
"""The same without a password. In Azure's URLs it is the container."""

_SLASH_MISSING = re.compile(rf"(?:{'|'.join(SCHEMES)}|file):(?!//)|[a-z][\w+.-]+:/(?!/)", re.IGNORECASE)
"""Any scheme with one slash, and known schemes without one. A single letter is a drive."""

_FULL_DISK = re.compile(rf"(?:os error|Errno) ({errno.ENOSPC}|{errno.EDQUOT}|{errno.EFBIG})\b")


def reject_malformed_url(url: str) -> str:
    """Returns the URL; WrongLocation if it lacks a slash, which would silently make it a folder of that name."""
    if _SLASH_MISSING.match(url):
        shown = without_secrets(url)
        scheme, _, rest = shown.partition(":")
        raise WrongLocation(
            f"TIMIX_LAKE: {shown} is a URL with a missing slash; write {scheme}://{rest.lstrip('/')}, or ./{shown} for a folder "
            "of that name."
        )
    return url


def without_secrets(url: str) -> str:
    """The URL as a message may quote it: no user, password or signature, and at most 80 characters."""
    if not _URL.match(url):
        return excerpt(url)
    return excerpt(_USER.sub(r"\1", _PASSWORD.sub(r"\1", url)).partition("?")[0])


def normalize_url(url: str) -> str:
    """An absolute folder, or the URL of an object store, without a slash at its end. WrongLocation for a malformed URL."""
    return normalized_location(reject_malformed_url(url))


def is_folder(url: str) -> bool:
    return "://" not in url


def reject_wrong_location(url: str) -> None:
    """WrongLocation if no lake can be at the normalized URL. Sends no request."""
    if is_folder(url):
        # Unlike Path's, it says no of what this user may not look at; who writes there is told so.
        if file := next((each for each in (Path(url), *Path(url).parents) if os.path.isfile(each)), None):  # noqa: PTH113
            raise WrongLocation(
                f"TIMIX_LAKE: {file} is a file, not a folder; set it to a folder, or to the URL of an object store."
            )
        return
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in SCHEMES or not rest.partition("/")[0]:
        raise WrongLocation(
            f"TIMIX_LAKE: {without_secrets(url)} is neither a folder nor a bucket or container of a supported object store "
            f"({', '.join(SCHEMES)}); set it to one, such as s3://bucket/lake."
        )
    if _PASSWORD.search(url):
        raise WrongLocation(
            "TIMIX_LAKE contains a user and a password, which messages and pages would show; set it to "
            f"{without_secrets(url)}, and set the credentials in the store's own variables, such as "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )


def check_folder(folder: Path) -> None:
    """LakeError if the folder cannot be written. Creates none."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        why = explain_denied(folder) if is_permission_error(error) else None
        raise LakeError(
            f"TIMIX_LAKE: cannot create or write the folder {folder} ({why or error.strerror}); "
            f"{'or ' if why else ''}set it to a folder that you can write, or to the URL of an object store."
        ) from error


def open_store(url: str, options: Mapping[str, str]) -> ObjectStore:
    """The store at `url`; a folder is created if it does not exist. Objects appear whole."""
    if is_folder(url):
        return LocalStore(url, mkdir=True)
    config = {name.lower(): value for name, value in options.items() if name.lower() not in _DELTA_ONLY}
    client = {name: value for name, value in config.items() if name.removeprefix("aws_") in _CLIENT}
    if client:
        # A mapping, even an empty one, hides the options of the environment.
        client = _client_options_of_the_environment() | client
    retries = config.pop(_RETRIES, None)
    store: ObjectStore = from_url(
        url,
        config=cast("S3Config", {name: value for name, value in config.items() if name not in client}),
        client_options=cast("ClientConfig", {name.removeprefix("aws_"): client[name] for name in client}) or None,
        retry_config={"max_retries": int(retries)} if retries is not None else None,
    )
    return store


def _client_options_of_the_environment() -> dict[str, str]:
    named = {name.lower(): value for name, value in os.environ.items()}
    return {f"aws_{name}": named[f"aws_{name}"] for name in _CLIENT if f"aws_{name}" in named}


def open_table(url: str, options: Mapping[str, str], version: int | None = None) -> DeltaTable | None:
    """The table at a version, by default its current one, which this object keeps; None if it does not exist."""
    try:
        return _Table(url, version=version, storage_options=dict(options))
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        if is_folder(url) and set_torn_write_aside(Path(url)):
            return open_table(url, options, version)
        if is_folder(url) and is_permission_error(error) and (why := explain_denied(Path(url))):
            raise LakeError(f"Cannot open the table at {url}: {why}.") from error
        raise LakeError(
            f"Cannot open the table at {url} ({describe_storage_error(error)}). Check that TIMIX_LAKE is right, that the store "
            "can be reached and that its credentials are valid."
        ) from error


def describe_storage_error(error: Exception) -> str:
    """An error of a storage library on one line: its first cause, the address of the request, and its last cause.

    For a full disk only that. Credentials in addresses are removed.
    """
    if full := _FULL_DISK.search(str(error)):
        return os.strerror(int(full[1])).lower()
    message, *internals = _INTERNALS.split(_COLORS.sub("", str(error)).strip(), maxsplit=1)
    first, *below = [line.strip(" ↳") for line in message.splitlines()] or [type(error).__name__]
    addresses = [line for line in below if "://" in line][:1]
    last = _DUMPED_CAUSE.findall("".join(internals))[-1:] or below[-1:]
    return ": ".join(_SECRETS.sub("", cause) for cause in dict.fromkeys([first, *addresses, *last]))


def scan_table(table: DeltaTable, options: Mapping[str, str], months: Months | None = None) -> pl.LazyFrame:
    """The table's rows, lazily, or only those of the given months. LakeError if one of their files is damaged."""
    folder = unquote(table.table_uri.removeprefix(FILE_SCHEME)).rstrip("/")
    if is_folder(folder):
        _refuse_damaged(Path(folder), table, months)
    frame = pl.scan_delta(table, storage_options=dict(options) or None)
    return frame.filter(pl.col(MONTH).is_between(months.first, months.last)) if months else frame


def _refuse_damaged(folder: Path, table: DeltaTable, months: Months | None) -> None:
    """LakeError for a file that is missing, truncated or denied: Polars would panic or not name the table."""
    files = files_of(table)
    if months:
        files = files.filter(pl.col(f"partition.{MONTH}").is_between(months.first, months.last))
    for path, size in zip(files["path"], files["size_bytes"], strict=True):
        file = folder / unquote(path)
        if wrong := _what_is_wrong(file, size):
            raise LakeError(
                f"Cannot read the table at {folder}: its file {file} {wrong}. Restore the file from a backup, or an earlier "
                "version of the table (docs/operations.md), or move its folder away and read it again, with all its months."
            )
        if not os.access(file, os.R_OK, effective_ids=True):
            raise LakeError(f"Cannot read the table at {folder}: {explain_denied(folder) or file}.")


def files_of(table: DeltaTable) -> pl.DataFrame:
    """The files of the table's version, with their path, size, rows and partition."""
    return table.files if isinstance(table, _Table) else pl.DataFrame(table.get_add_actions(flatten=True))


def _what_is_wrong(file: Path, size: int) -> str | None:
    try:
        found = file.stat().st_size
        if found < size:
            return f"is truncated: it has {found:,} of {size:,} bytes"
        return None if is_whole_parquet(file) else "is damaged: it does not end as a Parquet file does"
    except FileNotFoundError:
        return "is missing"
    except PermissionError:
        return None


def is_full_disk(error: Exception) -> bool:
    """Whether a file did not fit: no space, over the quota, over the size limit. Polars says so only in its message."""
    return _FULL_DISK.search(str(error)) is not None


class _Table(DeltaTable):
    """A table whose folder can have spaces or non-ASCII letters: Polars takes paths as they are, not as URLs."""

    @cached_property
    def files(self) -> pl.DataFrame:
        return pl.DataFrame(self.get_add_actions(flatten=True))

    def file_uris(self, *args: object, **kwargs: object) -> list[str]:
        uris: list[str] = super().file_uris(*args, **kwargs)  # type: ignore[arg-type]
        return uris if "://" in self.table_uri.removeprefix(FILE_SCHEME) else [unquote(uri) for uri in uris]
