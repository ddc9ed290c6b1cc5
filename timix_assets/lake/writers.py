"""Which machine wrote a commit: machines without a common state folder share neither the lake lock nor the rate limit."""

from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from timix_assets.state.files import write_atomically
from timix_assets.state.permissions import explain_denied

from .delta_log import Commit
from .errors import LakeError

WRITER = "timixWriter"
"""Key in a commit's info: the id of the writer's state folder."""

RECENT = timedelta(minutes=15)
_FILE = "writer-id"


def writer_id(state_folder: Path) -> str:
    """The random id of a state folder, created on first use. LakeError if the folder belongs to another user."""
    file = state_folder / _FILE
    try:
        known = file.read_text(encoding="utf-8", errors="replace").strip() if file.exists() else ""
        if known.isalnum():
            return known
        created = uuid4().hex
        write_atomically(file, f"{created}\n".encode(), fsync=True)
    except PermissionError as error:
        raise LakeError(
            f"Cannot use the state folder {state_folder}: {explain_denied(state_folder) or error}."
        ) from error
    return created


def is_from_another_machine(commit: Commit, ours: str | None, *, now: datetime) -> bool:
    """Whether another machine made the commit, recently by the clocks of both; good enough for a warning."""
    theirs = commit.info.get(WRITER)
    if commit.at is None or None in (ours, theirs):
        return False
    return theirs != ours and abs(now - commit.at) < RECENT
