"""Key expiry alerts: the API key is about to expire."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AliasChoices, Field, TypeAdapter

from timix_assets.alerts.message import Message, format_moment, safe_name, with_link
from timix_assets.settings.environment import key_setting
from timix_assets.text.wording import count_noun

WARNING_DAYS = (14, 7, 1)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The key as /me reports it: the name that its owner gave it, and when it expires (aware), None for never."""

    name: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyExpiryState:
    """The last alert. key: name and expiry of the key; threshold: its number of days, of WARNING_DAYS."""

    key: tuple[str, str]
    threshold: Annotated[int, Field(validation_alias=AliasChoices("threshold", "said"))]


KEY_EXPIRY_STATE = TypeAdapter(KeyExpiryState)


def reached_threshold(key: ApiKey, now: datetime) -> int | None:
    """The smallest of WARNING_DAYS that is at least the time left; None while more than all of them is left."""
    if key.expires_at is None:
        return None
    return min((days for days in WARNING_DAYS if key.expires_at - now <= timedelta(days=days)), default=None)


def is_due(reached: int | None, reported: int | None) -> bool:
    """Whether to alert on the reached threshold. reported: the threshold of the key's last alert, None for none."""
    return reached is not None and (reported is None or reached < reported)


def key_expiry_message(key: ApiKey, now: datetime, asset: str, link: str, workspace: str = "") -> Message:
    """The message for a key that expires; it must have an expiry. workspace: the name of one of several."""
    assert key.expires_at is not None
    left = key.expires_at - now
    when = format_moment(key.expires_at)
    name = f"The Timix API key {safe_name(key.name)}" if key.name else "The Timix API key"
    if left.total_seconds() <= 0:
        title, text = f"{name} has expired", f"It expired on {when}; requests with it fail."
    else:
        title = f"{name} expires in {count_noun(max(1, left.days), 'day')}"
        text = f"It expires on {when}; after that, requests with it fail."
    advice = f"Create a new key in Timix, set it as {key_setting(workspace)} and restart Dagster."
    return Message(title, with_link([f"{text} {advice}"], f"As reported by /me at the last refresh. {link}"), asset)
