"""An outbox as a file of this machine, for a lake in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from timix_assets.alerts.outbox import OutboxBusy, OutboxError
from timix_assets.state.files import write_atomically
from timix_assets.state.locks import LockBusy, acquire_lock


class OutboxFile:
    """An outbox at `path`, with its lock beside it. For the methods see `Storage`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        try:
            lock = acquire_lock(self._path.with_suffix(".lock"))
        except LockBusy as busy:
            raise OutboxBusy(
                f"Another process is delivering from {self._path.name}; the next tick tries again."
            ) from busy
        except OSError as error:
            raise self._inaccessible(error) from error
        try:
            yield
        finally:
            lock.release()

    def read(self) -> bytes | None:
        try:
            return self._path.read_bytes() if self._path.exists() else None
        except OSError as error:
            raise self._inaccessible(error) from error

    def write(self, content: bytes) -> None:
        try:
            # It contains names of customers: for its owner only.
            write_atomically(self._path, content, fsync=True, mode=0o600)
        except OSError as error:
            raise OutboxError(
                f"The alert outbox {self._path} cannot be written ({error.strerror}), so nothing more is sent; free disk "
                "space or make it writable. The next tick continues."
            ) from error

    def attach(self, name: str, data: bytes) -> str:
        path = self._path.with_name(f"{self._path.stem}-{name}")
        write_atomically(path, data, fsync=True, mode=0o600)
        return str(path)

    def fetch(self, attachment: str) -> str:
        return attachment

    def remove(self) -> None:
        """Deletes the file, if it is there and this user may."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _inaccessible(self, error: OSError) -> OutboxError:
        """Most often its files belong to root, after somebody started Dagster with `sudo`."""
        folder = self._path.parent
        return OutboxError(
            f"The alert outbox {self._path} cannot be opened ({error.strerror}); make yourself the owner of {folder} "
            f"(`sudo chown -R $USER {folder}`). The next tick continues."
        )
