"""When the API key's end is worth a message. Pure: the clock is passed in."""

from dataclasses import dataclass
from datetime import datetime, timedelta

WARN_DAYS = (14, 7, 1)


@dataclass(frozen=True, slots=True)
class Key:
    """The key as /me says: the name that its owner gave it, and its end (aware), None when it has none."""

    name: str
    expires_at: datetime | None


def threshold(key: Key, now: datetime) -> int | None:
    """The smallest number of days among WARN_DAYS that the key has not more than left; None while it has more than all."""
    if key.expires_at is None:
        return None
    return min((days for days in WARN_DAYS if key.expires_at - now <= timedelta(days=days)), default=None)


def is_due(reached: int | None, said: int | None) -> bool:
    """Whether the threshold that was reached is still to be said, given the last one that was said of this key."""
    return reached is not None and (said is None or reached < said)
