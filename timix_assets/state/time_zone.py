"""The time zone of the organization whose data a lake holds, as this machine last read it."""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from .files import write_atomically
from .locations import normalized_location


def store_time_zone(state_folder: Path, lake: str, name: str | None) -> None:
    """Remembers the time zone of the lake's organization; a name that is no IANA time zone counts as none."""
    write_atomically(_file(state_folder, lake), (name if name and is_time_zone(name) else "").encode())


def stored_time_zone(state_folder: Path, lake: str) -> str | None:
    """The time zone of the lake's organization; empty where it has none, None while this machine does not know it."""
    with suppress(OSError, UnicodeDecodeError):
        name = _file(state_folder, lake).read_text(encoding="utf-8")
        return name if name and is_time_zone(name) else ""
    return None


def is_time_zone(name: str) -> bool:
    """Whether it is the name of an IANA time zone on this machine."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _file(state_folder: Path, lake: str) -> Path:
    return state_folder / f"time-zone-{sha256(normalized_location(lake).encode()).hexdigest()[:16]}"
