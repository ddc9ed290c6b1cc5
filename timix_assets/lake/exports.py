"""Official exports, stored byte for byte, and the files that they replaced.

A replaced file stays as `exports/.replaced/<path>.<UTC time>` until maintenance deletes it: not below its report, and with
another suffix, so that a reader of `*.csv` does not take it for a current one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from timix_assets.state.files import remove_stale_drafts

from .errors import LakeError, WriteFailed
from .files import replace_file
from .storage import describe_storage_error, is_folder, open_store

FOLDER = "exports"
REPLACED = f"{FOLDER}/.replaced"
_PATH = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)
_TIME = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True, slots=True)
class Exported:
    """A stored export.

    Args:
        replaced: The location of the file that it replaced; None if there was none, or the content was the same.
    """

    url: str
    size: int
    sha256: str
    replaced: str | None = None


class Exports:
    """The exports of one lake. require_lease: called before files are written or deleted; what it raises prevents it."""

    def __init__(
        self, lake_url: str, options: Mapping[str, str], require_lease: Callable[[], None] = lambda: None
    ) -> None:
        self._require_lease = require_lease
        self._lake_url = lake_url
        self._options = options

    def put(self, path: str, data: bytes, *, now: datetime | None = None) -> Exported:
        """Stores `data` as `<lake>/exports/<path>`, atomically. The same content is not written again.

        Args:
            path: Such as `revenue_report/2025-01.csv`.
            now: The time that names the replaced file, which is stored first; by default the clock's.

        Raises:
            WriteFailed: The store did not accept it.
            StoreUnfit: The store has no conditional writes.
            LakeError: The path is malformed.
        """
        if not _PATH.fullmatch(path):
            raise LakeError(f"{path!r} is not an export path; write it like revenue_report/2025-01.csv.")
        url = f"{self._lake_url}/{FOLDER}/{path}"
        exported = Exported(url, len(data), sha256(data).hexdigest())
        try:
            before = self._bytes_of(path)
            if before == data:
                return exported
            replaced = f"{REPLACED}/{path}.{(now or datetime.now(UTC)).astimezone(UTC):{_TIME}}"
            for target, content in ((replaced, before), (f"{FOLDER}/{path}", data)):
                if content is not None:
                    replace_file(self._lake_url, self._options, target, content, self._require_lease)
        except (BaseError, OSError) as error:
            raise WriteFailed(
                f"Cannot write the export {url} ({describe_storage_error(error)}). Free space there or make the store "
                "reachable, then run it again."
            ) from error
        return exported if before is None else replace(exported, replaced=f"{self._lake_url}/{replaced}")

    def get(self, path: str) -> bytes | None:
        """The file's content; None if it does not exist. LakeError if it cannot be read."""
        with self._readable(f"The export {self._lake_url}/{FOLDER}/{path}"):
            return self._bytes_of(path)

    def of_report(self, report: str) -> list[str]:
        """The paths of a report's monthly files, latest month first. LakeError if the store cannot list them."""
        folder = f"{FOLDER}/{report}"
        with self._readable(f"The folder {self._lake_url}/{folder}"):
            found = self._store.list_with_delimiter(folder)["objects"]
        paths = (file["path"].removeprefix(f"{FOLDER}/") for file in found if file["path"].endswith(".csv"))
        return sorted(paths, reverse=True)

    def delete_replaced(self, *, before: datetime) -> int:
        """Deletes the files that were replaced before that time; their number. LakeError if the store refuses."""
        deleted = 0
        with self._readable(f"The folder {self._lake_url}/{REPLACED}"):
            for batch in self._store.list(REPLACED):
                old = [file["path"] for file in batch if (at := _replaced_at(file["path"])) and at < before]
                if old:
                    self._require_lease()
                    self._store.delete(old)
                deleted += len(old)
        return deleted

    def remove_drafts(self, *, before: datetime) -> int:
        """Removes what killed writes of exports left before that time, and returns the number of files.

        An object store keeps none. LakeError if a file cannot be removed.
        """
        if not is_folder(self._lake_url):
            return 0
        folder = Path(self._lake_url, FOLDER)
        with self._readable(f"The folder {folder}"):
            return remove_stale_drafts(folder, before=before.timestamp())

    @cached_property
    def _store(self) -> ObjectStore:
        return open_store(self._lake_url, self._options)

    def _bytes_of(self, path: str) -> bytes | None:
        with suppress(FileNotFoundError):
            return bytes(self._store.get(f"{FOLDER}/{path}").bytes())
        return None

    @contextmanager
    def _readable(self, what: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            raise LakeError(
                f"{what} cannot be read or changed ({describe_storage_error(error)}). Make the store reachable, then run "
                "it again."
            ) from error


def _replaced_at(path: str) -> datetime | None:
    """The time in its name; None if a person added or renamed it."""
    with suppress(ValueError):
        return datetime.strptime(path.rpartition(".csv.")[2], _TIME).replace(tzinfo=UTC)
    return None
