"""The environment variables that people set, each declared once with its default and its meaning.

Read with an explicit mapping and clock, so that every rule here is a pure function. A wrong value raises `SettingError`
with the variable's name; the README's table is checked against `SETTINGS`.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from zoneinfo import ZoneInfo

from timix_assets import documented
from timix_assets.bounds import BOUNDS, PREFIX, Bound
from timix_assets.keys import holds_a_key, without_keys

ENVIRON: Mapping[str, str] = os.environ

EARLIEST_YEAR = 1970


class SettingError(ValueError):
    """A setting that cannot be used; the message names it and says what would be right.

    The value that it quotes may be the API key, put into the wrong variable: that is masked.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_keys(message))


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: its default as text (empty: none) and what it decides. is_key: it is for the API key."""

    name: str
    default: str
    meaning: str
    is_key: bool = False

    def read(self, environ: Mapping[str, str]) -> str:
        """The value that was set, else the default; surrounding space is no part of it.

        SettingError when it holds an API key, for every value but the key's own may be shown or stored.
        """
        value = environ.get(self.name, "").strip() or self.default
        if holds_a_key(value) and not self.is_key:
            raise SettingError(
                f"{self.name} holds an API key, which would be shown with it; put the key into {API_KEY.name} alone."
            )
        return value


API_KEY = Setting("TIMIX_API_KEY", "", "The API key (`bbl_…`). It needs the Professional plan or higher.", is_key=True)
BASE_URL = Setting("TIMIX_BASE_URL", documented.BASE_URL, "Where the Integration API answers.")
AUTHENTICATION = Setting("TIMIX_AUTHENTICATION", "X-Api-Key", "How the key travels: `X-Api-Key` or `Bearer`.")
LAKE = Setting("TIMIX_LAKE", "data/lake", "Folder or object-store URL that holds the tables. One organization each.")
START_MONTH = Setting(
    "TIMIX_START_MONTH", "", "First month to read, `YYYY-MM`; default January of the year before last."
)
TIME_ZONE = Setting("TIMIX_TIMEZONE", "UTC", "IANA zone that decides the running month and today's date.")
AS_OF = Setting("TIMIX_AS_OF", "", "Date (`YYYY-MM-DD`) up to which rollups count; default today.")
OVERRIDES = Setting("TIMIX_OVERRIDES", "", "YAML file that puts right what the contract guesses wrong.")
FIRM_SETTINGS = Setting("TIMIX_SETTINGS", "", "YAML file of the firm's own settings: calendar, budgets, target, aging.")

RECENT_MONTHS = Setting("TIMIX_RECENT_MONTHS", "2", "Months before the running one that recent refreshes read again.")
CRON_RECENT = Setting("TIMIX_CRON_RECENT", "0 7-19 * * 1-5", "When `refresh_recent` runs, as a cron line.")
CRON_NIGHTLY = Setting("TIMIX_CRON_NIGHTLY", "30 2 * * *", "When `refresh_everything` runs, as a cron line.")
CRON_CLOSE_MONTH = Setting("TIMIX_CRON_CLOSE_MONTH", "0 5 3 * *", "When `close_month` runs, as a cron line.")
CRON_SWEEP = Setting("TIMIX_CRON_SWEEP", "0 4 * * 0", "When the trailing 12 months are read again, as a cron line.")
CRON_COMPACT = Setting("TIMIX_CRON_COMPACT", "0 6 * * 0", "When upkeep of tables and runs runs, as a cron line.")
RUN_RETENTION_DAYS = Setting(
    "TIMIX_RUN_RETENTION_DAYS",
    "90",
    "Days that ended runs and their logs stay; those that show a present state stay on.",
)
CHANGES_SECONDS = Setting(
    "TIMIX_CHANGES_SECONDS", "60", "Seconds between two looks of the sensor `timix_changes`, at least."
)
ALERT_URLS = Setting("TIMIX_ALERT_URLS", "", "Where alerts go: Apprise URLs, between blanks. Each is a secret.")
ALERT_DAYS = Setting("TIMIX_ALERT_DAYS", "14", "A budget that runs out within so many days is worth an alert.")
UI_URL = Setting("TIMIX_UI_URL", "http://127.0.0.1:3000", "Where people open the Dagster UI; links in alerts begin so.")

SETTINGS = (
    API_KEY,
    BASE_URL,
    AUTHENTICATION,
    LAKE,
    START_MONTH,
    TIME_ZONE,
    AS_OF,
    OVERRIDES,
    FIRM_SETTINGS,
    RECENT_MONTHS,
    CRON_RECENT,
    CRON_NIGHTLY,
    CRON_CLOSE_MONTH,
    CRON_SWEEP,
    CRON_COMPACT,
    RUN_RETENTION_DAYS,
    CHANGES_SECONDS,
    ALERT_URLS,
    ALERT_DAYS,
    UI_URL,
)

OURS = (*(setting.name for setting in SETTINGS), *(bound.variable for bound in BOUNDS))
"""Every variable that a user may set."""

SANDBOX_KEY = "TIMIX_SANDBOX_KEY"
"""By this variable a process of ours hands the sandbox that it starts the key to accept: it stands in no command line."""


def check_names(environ: Mapping[str, str] = ENVIRON) -> None:
    """SettingError for a TIMIX_ variable that nobody reads: a mistyped one would leave its default in force without a word."""
    known = {*OURS, SANDBOX_KEY}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            near = get_close_matches(name.removeprefix(PREFIX), [ours.removeprefix(PREFIX) for ours in OURS], n=1)
            what = (
                f"did you mean {PREFIX}{near[0]}?" if near else "take it away; the README lists those that there are."
            )
            raise SettingError(f"{name} is no setting; {what}")


def time_zone(environ: Mapping[str, str] = ENVIRON) -> ZoneInfo:
    name = TIME_ZONE.read(environ)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as unknown:
        raise SettingError(
            f"{TIME_ZONE.name} is {name!r}, which is no IANA time zone; use a name such as Europe/Berlin."
        ) from unknown


def today(environ: Mapping[str, str] = ENVIRON, *, now: datetime | None = None) -> date:
    """The calendar date in the configured zone. now: an aware datetime; the clock when left out."""
    zone = time_zone(environ)
    return (now or datetime.now(zone)).astimezone(zone).date()


def parse_month(text: str, setting: str) -> date:
    """`2025-03` -> 2025-03-01; SettingError naming the setting otherwise."""
    try:
        month = datetime.strptime(text, "%Y-%m").date()
    except ValueError:
        month = date.min
    if month.year < EARLIEST_YEAR:
        raise SettingError(f"{setting} is {text!r}, which is no month to read; write it as YYYY-MM, e.g. 2025-01.")
    return month


def start_month(environ: Mapping[str, str] = ENVIRON, *, now: datetime | None = None) -> date:
    """First day of the first month to read. It moves once a year at most: a partition that leaves is forgotten by Dagster."""
    running = today(environ, now=now)
    text = START_MONTH.read(environ)
    if not text:
        return date(running.year - 2, 1, 1)
    month = parse_month(text, START_MONTH.name)
    if month > running:
        raise SettingError(
            f"{START_MONTH.name} is {text}, which is in the future; choose a month up to {running:%Y-%m}."
        )
    return month


def authentication(environ: Mapping[str, str] = ENVIRON) -> str:
    """`x-api-key` or `bearer`, as the client names them."""
    chosen = AUTHENTICATION.read(environ).casefold()
    if chosen not in ("x-api-key", "bearer"):
        raise SettingError(f"{AUTHENTICATION.name} is {chosen!r}; the API knows X-Api-Key and Bearer.")
    return chosen


def as_of(environ: Mapping[str, str] = ENVIRON, *, now: datetime | None = None) -> date:
    """The date up to which rollups count."""
    text = AS_OF.read(environ)
    if not text:
        return today(environ, now=now)
    try:
        return date.fromisoformat(text)
    except ValueError as unreadable:
        raise SettingError(f"{AS_OF.name} is {text!r}, which is no date; write it as YYYY-MM-DD.") from unreadable


def whole_number(setting: Setting, environ: Mapping[str, str] = ENVIRON, *, at_least: int) -> int:
    """A setting that is a count; SettingError naming it when it is none, or too small."""
    text = setting.read(environ)
    if not text.isdecimal() or int(text) < at_least:
        raise SettingError(f"{setting.name} is {text!r}; write a whole number of at least {at_least}.")
    return int(text)


def refuse_misplaced_keys(environ: Mapping[str, str] = ENVIRON) -> None:
    """SettingError naming the first setting that holds an API key and is not for one."""
    for setting in SETTINGS:
        setting.read(environ)


def limit(bound: Bound, environ: Mapping[str, str] = ENVIRON) -> float:
    """A limit as it was set, else its default; SettingError naming the variable when it is none that may be."""
    text = environ.get(bound.variable, "").strip()
    if not text:
        return bound.default
    number = bound.range.read(text)
    if number is None:
        raise SettingError(f"{bound.variable} is {text!r}; write {bound.range.wanted}.")
    return number


def check_limits(settings: object, bounds: Iterable[Bound]) -> None:
    """SettingError naming the first field of `settings` that is not what its bound may be."""
    for bound in bounds:
        value = getattr(settings, bound.name)
        if not bound.range.admits(value):
            raise SettingError(f"{bound.name} is {value!r}; write {bound.range.wanted}.")


def require_key(environ: Mapping[str, str] = ENVIRON) -> str:
    """The API key; SettingError when it is not set."""
    key = API_KEY.read(environ)
    if not key:
        raise SettingError(
            f"{API_KEY.name} is not set; put your Timix key into .env (see .env.example), or try `make demo`, which needs none."
        )
    return key


def state_folder(environ: Mapping[str, str] = ENVIRON) -> Path:
    """Where locks and the request bucket live: `.dagster/` beside the instance that all commands share."""
    return Path(environ.get("DAGSTER_HOME") or Path.cwd()) / ".dagster"
