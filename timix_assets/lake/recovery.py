"""Opens a table in a folder again after a power cut.

A torn log file was never reported as written, because a commit is reported only once its entry is on the disk
(`state.files`). It can only be the newest, because nobody commits on top of a missing entry. So it is renamed, with a warning.
"""

import json
import logging
from pathlib import Path
from uuid import uuid4

from .log_retention import CHECKPOINT, COMMIT, LAST_CHECKPOINT, LOG, version_of

_logger = logging.getLogger(__name__)
_PARQUET = b"PAR1"
_WORDS = ("true", "false", "null")


def set_torn_write_aside(table: Path) -> bool:
    """Renames the newest commit or checkpoint of the table's log if it is torn. Returns whether the table can be opened again."""
    log = table / LOG
    try:
        newest = max(_of_kind(log, COMMIT), default=None)
        if newest is not None and _is_torn(newest.read_bytes()):
            _set_aside(newest)
            return True
        if checkpoint := _torn_checkpoint(log):
            # First the file that points to it, so that the log is read from its beginning.
            (log / LAST_CHECKPOINT).unlink(missing_ok=True)
            _set_aside(checkpoint)
            return True
    except FileNotFoundError:
        return log.is_dir()  # another process renamed it
    except OSError:
        pass
    return False


def _set_aside(torn: Path) -> None:
    aside = torn.rename(torn.with_name(f"torn-{uuid4().hex[:8]}-{torn.name}"))
    _logger.warning(
        "%s is torn, as a power cut leaves a write that was never reported as done; renamed it to %s. The table is at its "
        "version before.",
        torn,
        aside.name,
    )


def is_whole_parquet(file: Path) -> bool:
    """Whether the file ends as a Parquet file does; a truncated file, or one of empty blocks, does not."""
    with file.open("rb") as opened:
        size = opened.seek(0, 2)
        opened.seek(max(0, size - len(_PARQUET)))
        return opened.read() == _PARQUET


def _torn_checkpoint(log: Path) -> Path | None:
    """The newest checkpoint, if it is torn and the log can be read without it."""
    checkpoints = sorted(_of_kind(log, CHECKPOINT))
    if not checkpoints or is_whole_parquet(checkpoints[-1]):
        return None
    is_rebuilt = len(checkpoints) > 1 or (log / f"{0:020}.{COMMIT}").exists()
    return checkpoints[-1] if is_rebuilt else None


def _of_kind(log: Path, kind: str) -> list[Path]:
    return [path for path in log.glob(f"*.{kind}") if version_of(path.name) is not None]


def _is_torn(entry: bytes) -> bool:
    """Whether it is empty, has blocks that never reached the disk, or ends in mid-line. Other damage is not a tear."""
    if not entry or b"\0" in entry:
        return True
    *lines, last = entry.decode(errors="replace").splitlines()
    try:
        for line in (*lines, last):
            json.loads(line)
    except json.JSONDecodeError as error:
        left = error.doc[error.pos :]
        return error.doc == last and (left.startswith('"') or any(word.startswith(left) for word in _WORDS))
    return False
