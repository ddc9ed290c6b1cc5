"""Whether a process of this machine is alive: it holds a lock file until it ends.

The kernel releases the lock of a killed process, so nothing depends on process ids, which are reused.
"""

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from timix_assets.state.locks import Lock, LockBusy, acquire_lock, exclusive_lock
from timix_assets.state.permissions import explain_denied

from .errors import LakeError

CLAIM_TIMEOUT_SECONDS = 10.0
"""Another process holds our lock file only for the moment in which it checks whether we are alive."""

_OURS: dict[tuple[Path, int], Lock] = {}
"""The lock of this process in each folder, kept for its whole life. By process id: a fork has no lock of its own yet."""


def claim_process_lock(folder: Path) -> str:
    """Locks a file for this process until it ends.

    Returns:
        The name of this process for `is_dead`.

    Raises:
        LakeError: The folder belongs to another user.
    """
    ours = (folder.resolve(), os.getpid())
    if ours not in _OURS:
        path = ours[0] / f"process-{os.getpid()}-{uuid4().hex[:12]}.lock"
        try:
            _OURS[ours] = acquire_lock(path, timeout=CLAIM_TIMEOUT_SECONDS)
        except PermissionError as error:
            raise LakeError(f"Cannot use the state folder {folder}: {explain_denied(folder) or error}.") from error
    return Path(_OURS[ours].lock_file).stem


def is_dead(folder: Path, name: str) -> bool:
    """Whether the process of that name has ended.

    False if it has no lock file here, because it may run on another machine, and if the file belongs to another user.
    """
    path = folder.resolve() / f"{name}.lock"
    if not path.exists():
        return False
    try:
        with exclusive_lock(path):
            return True
    except (LockBusy, PermissionError):
        return False


def remove_lock(folder: Path, name: str) -> None:
    """Removes the lock file of a dead process, unless this user is denied."""
    with suppress(PermissionError):
        (folder / f"{name}.lock").unlink(missing_ok=True)


def dead_processes(folder: Path) -> list[str]:
    """The names of all processes that have ended and left their lock file."""
    return [path.stem for path in sorted(folder.glob("process-*.lock")) if is_dead(folder, path.stem)]
