"""An outbox as an object of the lake, for a lake in an object store: each machine that evaluates the alert finds it there.

It is written by conditional puts, so a process that read it before another one wrote it fails before it sends. The first write
of a tick marks the object as open, the last one as closed. A process that was killed leaves it open: others wait until it has
stood still for longer than any attempt takes, each by its own clock.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, NoReturn
from uuid import uuid4

from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import ObjectStore

from timix_assets.alerts.outbox import OutboxBusy, OutboxError
from timix_assets.alerts.outbox_file import OutboxFile
from timix_assets.lake.conditional_puts import version_of
from timix_assets.lake.lease import now
from timix_assets.lake.storage import describe_storage_error

if TYPE_CHECKING:
    from obstore import UpdateVersion

FOLDER = "_timix_alerts"
FAILURES = (BaseError, OSError, NotImplementedError)
"""The last: conditional puts are turned off."""
STILL_SECONDS = 50.0
"""Longer than an attempt takes, and less than the time between two ticks."""

# Metadata of the object.
OPEN = "open"
WRITE = "write"
"""Another value in each write: whether an answer got lost can be seen by it."""

_SEEN_OPEN: "dict[str, tuple[UpdateVersion | None, float]]" = {}
"""The version that this process saw last of each object that another one left open, and since when."""


class OutboxObject:
    """An outbox at `_timix_alerts/<name>` in the lake. For the methods see `Storage`.

    Args:
        store: The lake's object store.
        lake: How messages name it.
        name: Of the object.
        earlier: Where earlier releases kept the outbox on this machine: read while there is no object.
        clock: Returns seconds, as `now`.
    """

    def __init__(
        self, store: ObjectStore, lake: str, name: str, earlier: OutboxFile, *, clock: Callable[[], float] = now
    ) -> None:
        self._store = store
        self._name = name
        self._path = f"{FOLDER}/{name}"
        self._place = f"{lake}/{self._path}"
        self._earlier = earlier
        self._clock = clock
        self._content: bytes | None = None
        self._version: UpdateVersion | None = None
        self._is_open = False

    def __str__(self) -> str:
        return self._place if self._version else str(self._earlier)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        try:
            self._content, self._version, marks = self._get()
        except FAILURES as error:
            self._fail("read", error)
        if OPEN in marks and not self._stood_still():
            self._refuse()
        try:
            yield
        finally:
            if self._is_open:
                # If this fails, it is taken for that of a killed process.
                with suppress(OutboxError):
                    self._put(self._content or b"", is_open=False)

    def read(self) -> bytes | None:
        if self._version is None:
            return self._earlier.read()
        # Adopted: somebody who deletes the object wants to start over.
        self._earlier.remove()
        return self._content

    def write(self, content: bytes) -> None:
        self._put(content, is_open=True)

    def attach(self, name: str, data: bytes) -> str:
        attachment = f"{self._name.removesuffix('.json')}-{name}"
        try:
            self._store.put(f"{FOLDER}/{attachment}", data)
        except FAILURES as error:
            self._fail("written", error)
        return attachment

    def fetch(self, attachment: str) -> str:
        name = PurePath(attachment).name
        try:
            data = bytes(self._store.get(f"{FOLDER}/{name}").bytes())
        except FileNotFoundError:
            # Of this machine, from an earlier release.
            return attachment
        except FAILURES as error:
            self._fail("read", error)
        return self._earlier.attach(name, data)

    def _put(self, content: bytes, *, is_open: bool) -> None:
        self._is_open, write = False, uuid4().hex
        try:
            version = self._put_if_unchanged(content, {WRITE: write} | ({OPEN: "yes"} if is_open else {}))
            if version is None:
                # A repeated request meets its own first one, whose answer got lost.
                _, version, marks = self._get()
                if marks.get(WRITE) != write:
                    self._refuse()
        except FAILURES as error:
            self._fail("written", error)
        self._content, self._version, self._is_open = content, version, is_open

    def _put_if_unchanged(self, content: bytes, marks: dict[str, str]) -> "UpdateVersion | None":
        """Returns the new version; None if the object is not as it was read."""
        try:
            return version_of(self._store.put(self._path, content, mode=self._version or "create", attributes=marks))
        except (AlreadyExistsError, PreconditionError):
            return None

    def _get(self) -> "tuple[bytes | None, UpdateVersion | None, dict[str, str]]":
        """The content of the object, its version and its marks; nothing if there is no object."""
        try:
            answer = self._store.get(self._path)
        except FileNotFoundError:
            return None, None, {}
        return bytes(answer.bytes()), version_of(answer.meta), dict(answer.attributes)

    def _stood_still(self) -> bool:
        version, since = _SEEN_OPEN.get(self._place, (None, 0.0))
        if version != self._version:
            _, since = _SEEN_OPEN[self._place] = self._version, self._clock()
        return self._clock() - since >= STILL_SECONDS

    def _refuse(self) -> NoReturn:
        raise OutboxBusy(f"Another process is delivering from {self._path}; the next tick tries again.")

    def _fail(self, what: str, error: Exception) -> NoReturn:
        raise OutboxError(
            f"The alert outbox {self._place} cannot be {what} ({describe_storage_error(error)}), so nothing more is sent. Check "
            "that the store can be reached and that its credentials may write there. The next tick continues."
        ) from error
