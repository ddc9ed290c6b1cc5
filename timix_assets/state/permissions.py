"""Who may use the files on this machine: folders for their owner alone, and files that this user is denied.

On Windows, a user's folders belong to that user already.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OWNER_ONLY = 0o700
OTHERS_CAN_READ = stat.S_IRGRP | stat.S_IROTH

_DENIED = re.compile(r"Permission denied|Operation not permitted|os error (?:1|13)\b")


def create_owner_only(folder: Path) -> None:
    """Creates the folder if it does not exist and restricts it to its owner. Raises nothing: a later write will."""
    with suppress(OSError):
        folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        restrict_to_owner(folder)


def restrict_to_owner(folder: Path) -> None:
    """Removes all other users' access to a folder of ours, and so to what is in it. Raises nothing."""
    if os.name != "posix":
        return
    with suppress(OSError):
        found = folder.stat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) != OWNER_ONLY:
            folder.chmod(OWNER_ONLY)


def is_readable_by_others(file: Path) -> bool:
    """Whether other users of this machine can read a file; False if it does not exist."""
    try:
        return os.name == "posix" and bool(file.stat().st_mode & OTHERS_CAN_READ)
    except OSError:
        return False


def is_permission_error(error: BaseException) -> bool:
    """Whether the operating system denied access; storage libraries say so only in their message."""
    return isinstance(error, PermissionError) or _DENIED.search(str(error)) is not None


def explain_denied(folder: Path) -> str | None:
    """Names the first path that this user cannot use, and the command that gives it back.

    Args:
        folder: Searched with all that is in it, or else the nearest existing folder above it.

    Returns:
        The end of a message; None when this user can use every path, so that the reason is another one.
    """
    denied = next((path for path in _paths(folder) if not _is_usable(path)), None)
    if denied is None:
        return None
    us, owner = _name(os.geteuid()), _name(denied.stat().st_uid)
    if us == owner:
        return f"{denied} cannot be read and written by its owner, {us}; allow it with `chmod -R u+rwX {denied}`"
    root = folder if denied.is_relative_to(folder) else denied
    return (
        f"{denied} belongs to {owner} and this process runs as {us}, as after a run with sudo; give it back with "
        f"`sudo chown -R {us} {root}`"
    )


def _paths(folder: Path) -> Iterator[Path]:
    # os.path and not Path: below a folder that is closed to us, Path.exists raises.
    there = next((path for path in (folder, *folder.parents) if os.path.exists(path)), folder)  # noqa: PTH110
    yield there
    if there == folder and folder.is_dir():
        for parent, folders, files in os.walk(folder):
            yield from (Path(parent, name) for name in (*folders, *files))


def _is_usable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0), effective_ids=True)


def _name(uid: int) -> str:
    # Windows does not have it, and asks for no owner.
    import pwd  # noqa: PLC0415

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
