"""Files that are replaced whole, and writes that a power cut cannot undo.

The kernel keeps what is written in memory for up to half a minute, and may put a file's name on the disk before its content.
So content is synced before it gets its name, and the folders that hold the name after that.
"""

import errno
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

_DRAFT = re.compile(r"\..+\.[0-9a-f]{32}")
"""The name of a file that `write_atomically` has not finished."""

_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF})
"""The file system cannot sync folders, or the folder belongs to another user, so that we created nothing in it."""


def write_atomically(path: Path, data: bytes, *, fsync: bool = False, mode: int = 0o666) -> None:
    """Replaces a file: readers see the old content or the new one, never a part.

    Args:
        path: The file; its folder is created if it does not exist.
        fsync: Return only when the file and its name are on the disk.
        mode: The permissions of the file, reduced by the umask.

    Raises:
        OSError: The file could not be written, or not synced; the old content is still there unless only the sync of
            the folder failed.
    """
    existing = next(folder for folder in path.parents if folder.exists())
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
        if fsync:
            _sync(draft)
        draft.replace(path)
        if fsync:
            sync([path], below=existing)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def remove_stale_drafts(folder: Path, *, before: float) -> int:
    """Removes the drafts that killed writers left, at any depth, and returns their number.

    Args:
        folder: Searched with all that is in it; it does not have to exist.
        before: Drafts that were last written after this time are kept, in seconds since 1970.

    Raises:
        OSError: A draft could not be removed.
    """
    removed = 0
    for path in folder.rglob(".*"):
        if _DRAFT.fullmatch(path.name) and path.is_file() and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def sync(files: Iterable[Path], *, below: Path) -> None:
    """Returns when the files and their names are on the disk.

    Args:
        below: The topmost folder to sync; every folder from here down to a file's own is synced.

    Raises:
        OSError: A file or folder could not be synced.
    """
    folders: dict[Path, None] = {}
    for file in files:
        _sync(file)
        folders |= dict.fromkeys(folder for folder in file.parents if folder.is_relative_to(below))
    for folder in folders:
        try:
            _sync(folder)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
