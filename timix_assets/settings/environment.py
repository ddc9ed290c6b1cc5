"""The settings that people make by environment variables, `TIMIX_` and the field's name: declared, read and checked here.

To add one, add a field to `Settings` and run `make docs`.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError

from timix_assets import vendor
from timix_assets.settings.declaration import explain
from timix_assets.settings.errors import SettingsError
from timix_assets.settings.limits import ClientLimits, ImportLimits, LakeLimits, QuarantineLimits
from timix_assets.settings.webhooks import WebhookSettings
from timix_assets.state.time_zone import is_time_zone, stored_time_zone
from timix_assets.text.key_mask import contains_key
from timix_assets.text.wording import excerpt, quoted

PREFIX = "TIMIX_"
FILE_SUFFIX = "_FILE"
"""TIMIX_API_KEY_FILE names a file that holds what TIMIX_API_KEY would: each secret can be given so."""

RENAMED = {"TIMIX_TURN_SECONDS": "TIMIX_LOCK_TIMEOUT_SECONDS"}
"""Variables of earlier versions, refused with the new name: ignored, their value would silently be the default's."""

NEAR = 0.87
"""Similarity from which a variable counts as a misspelt one of ours: every name with one wrong letter is more similar."""

FIRST_DAY = date(1970, 1, 1)
MAX_SECRET_BYTES = 64_000

Authentication = Literal["x-api-key", "bearer"]
"""How the key is sent."""


def parse_month(text: str, name: str) -> date:
    """`2025-03` -> 2025-03-01; SettingsError naming the option or variable otherwise."""
    try:
        return _month(text)
    except ValueError as wrong:
        raise SettingsError(f"{name}: {quoted(text)} {wrong}") from None


def _month(text: str) -> date:
    try:
        month = datetime.strptime(text, "%Y-%m").date()
    except ValueError:
        month = date.min
    if month < FIRST_DAY:
        raise ValueError("is not a month that can be read; write it as YYYY-MM, e.g. 2025-01.")
    return month


def _first_day(day: date | None) -> date | None:
    """Partitions are months: one that began later would be left out."""
    return day and day.replace(day=1)


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day < FIRST_DAY:
        raise ValueError("is not a date; write it as YYYY-MM-DD.")
    return day


def _if_text(parse: Callable[[str], Any]) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _time_zone(name: str) -> str:
    if name and not is_time_zone(name):
        raise ValueError("is not an IANA time zone; use a name such as Europe/Berlin.")
    return name


_OWNER = re.compile(r"team:[\w-]+|\w[\w.%+-]*@[\w.-]+\.[a-z]{2,7}", re.ASCII | re.IGNORECASE)
"""Dagster accepts all of these, and says of no other which variable it comes from."""


def _owners(text: str) -> str:
    for owner in text.split():
        if not _OWNER.fullmatch(owner):
            raise ValueError("is not a list of owners; write team:finance or an e-mail address, separated by spaces.")
    return text


class Settings(WebhookSettings, ClientLimits, QuarantineLimits, LakeLimits, ImportLimits):
    """Every setting of one process. Built once, by `from_environment` or with explicit fields, and passed down."""

    api_key: SecretStr = Field(
        default=SecretStr(""),
        repr=False,
        description="The API key (`bbl_…`). It needs the Professional plan or higher.",
    )
    base_url: str = Field(default=vendor.BASE_URL, description="Base URL of the Integration API.")
    authentication: Annotated[Authentication, _if_text(str.casefold)] = Field(
        default="x-api-key", description="How the key is sent: `X-Api-Key` or `Bearer`."
    )
    lake: str = Field(
        default="data/lake", description="Folder or object-store URL that holds the tables of one organization."
    )
    start_month: Annotated[date | None, _if_text(_month), AfterValidator(_first_day)] = Field(
        default=None, description="First month to read (`YYYY-MM`). Default: January of the year before last."
    )
    timezone: Annotated[str, AfterValidator(_time_zone)] = Field(
        default="",
        description="IANA time zone that decides the current month, today's date and when schedules run. Default: the "
        "organization's as soon as the lake knows it, else UTC.",
    )
    as_of: Annotated[date | None, _if_text(_day)] = Field(
        default=None, description="Date (`YYYY-MM-DD`) as of which rollups are computed. Default: today."
    )
    overrides: str = Field(
        default="", description="YAML file that corrects what the contract assumes about your workspace."
    )
    firm_config: str = Field(
        default="",
        alias="settings",
        description="YAML file of the firm config: work calendar, budget policy, targets, aging buckets, money policy, "
        "timesheets.",
    )
    recent_months: int = Field(
        default=2, ge=0, le=1200, description="Months before the current one that recent refreshes read again."
    )
    cron_recent: str = Field(default="0 7-19 * * 1-5", description="When `refresh_recent` runs, as a cron expression.")
    cron_nightly: str = Field(default="30 2 * * *", description="When `refresh_everything` runs, as a cron expression.")
    cron_close_month: str = Field(default="0 5 3 * *", description="When `close_month` runs, as a cron expression.")
    cron_sweep: str = Field(
        default="0 4 * * 0", description="When the last 12 months are read again, as a cron expression."
    )
    cron_compact: str = Field(
        default="0 6 * * 0", description="When tables are compacted and old runs deleted, as a cron expression."
    )
    run_retention_days: int = Field(
        default=90,
        ge=1,
        le=36_500,
        description="Days after which runs and their logs are deleted, except runs that show a current state.",
    )
    changes_seconds: int = Field(
        default=60,
        ge=1,
        le=86_400,
        description="Shortest interval between two probes of the sensor `timix_changes`, in seconds.",
    )
    allow_writes: bool = Field(
        default=False,
        description="`1` lets imports write to Timix, in runs that say `apply`. Every write changes the live organization.",
    )
    import_folder: str = Field(
        default="data/imports",
        description="Folder of the files and mappings that runs may import; a run names a file in it.",
    )
    alert_urls: SecretStr = Field(
        default=SecretStr(""),
        repr=False,
        description="Receivers of alerts: Apprise URLs, separated by spaces. Each is a secret.",
    )
    alert_digest: Literal["text", "page"] = Field(
        default="text",
        description="What the weekly summary sends: its `text`, or also the weekly digest as an attached `page`.",
    )
    alert_days: int = Field(
        default=14,
        ge=0,
        le=36_500,
        description="A budget that will be used up within this many days is worth an alert.",
    )
    ui_url: str = Field(
        default="http://127.0.0.1:3000", description="Where people open the Dagster UI; links in alerts start with it."
    )

    owners: Annotated[str, AfterValidator(_owners)] = Field(
        default="team:timix-data",
        description="Who owns the assets in the Dagster UI: `team:finance` or e-mail addresses, separated by spaces.",
    )

    home: Path = Field(default_factory=Path.cwd, exclude=True, description="The folder of the Dagster instance.")
    workspace: str = Field(default="", exclude=True, description="The name of one of several workspaces.")
    organization_time_zone: str | None = Field(
        default=None,
        exclude=True,
        description="The organization's time zone, as it was last read; empty where it has none, None while unknown.",
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """The settings of these variables; the process's own when left out.

        Blanks around a value do not count, and an empty variable is not set. A secret may come from the file that its
        `_FILE` variable names; a file that is empty sets no alert and no webhook.

        Raises:
            SettingsError: A variable is misspelt, holds a value that does not fit, or holds an API key that is shown
                with it; a secret's file cannot be read.
        """
        environ = os.environ if environ is None else environ
        reject_misspelt(environ)
        given: dict[str, Any] = {}
        for variable, field in VARIABLES.items():
            value = _value(variable, environ)
            if field in SECRETS:
                value = _secret(variable, value, environ)
            if contains_key(value) and field != "api_key":
                raise SettingsError(
                    f"{variable} holds an API key, which would be shown with it; put the key into TIMIX_API_KEY alone."
                )
            if value:
                given[field] = value
        home = environ.get("DAGSTER_HOME")
        try:
            settings = cls.model_validate({**given, **({"home": home} if home else {})})
            known = stored_time_zone(settings.machine_folder, settings.lake)
            return settings.model_copy(update={"organization_time_zone": known})
        except ValidationError as wrong:
            problem = explain(wrong, cls, names={field: variable for variable, field in VARIABLES.items()})
        raise SettingsError(problem)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that decides the current month and today's date."""
        return ZoneInfo(self.zone_name)

    @property
    def zone_name(self) -> str:
        """Its IANA name: the setting, else the organization's time zone, else UTC."""
        return self.timezone or self.organization_time_zone or "UTC"

    def today(self, now: datetime | None = None) -> date:
        """The calendar date in the time zone. now: an aware datetime; the clock when left out."""
        return (now or datetime.now(self.zone)).astimezone(self.zone).date()

    def as_of_date(self, now: datetime | None = None) -> date:
        """The date as of which rollups are computed."""
        return self.as_of or self.today(now)

    def first_month(self, now: datetime | None = None) -> date:
        """First day of the first month to read; SettingsError when it is in the future.

        It moves once a year at most: Dagster forgets a partition that leaves.
        """
        today = self.today(now)
        if self.start_month is None:
            return date(today.year - 2, 1, 1)
        if self.start_month > today:
            raise SettingsError(
                f"TIMIX_START_MONTH: {self.start_month:%Y-%m} is in the future; set a month up to {today:%Y-%m}."
            )
        return self.start_month

    @property
    def state_folder(self) -> Path:
        """Where a workspace keeps its process locks and the state of its alerts, and the project also its webhooks."""
        return self.machine_folder / "workspaces" / self.workspace if self.workspace else self.machine_folder

    @property
    def machine_folder(self) -> Path:
        """Where lake locks and the rate limiter's state are kept: `.dagster/` beside the instance that all commands share.

        Two workspaces with one key share its limit, and two with one lake its lock.
        """
        return self.home / ".dagster"

    @property
    def webhook_inbox(self) -> Path | None:
        """The file of the inbox; None without a secret, so that no webhook is received."""
        return self.state_folder / "webhooks.sqlite" if self.webhook_secrets.get_secret_value() else None

    def require_api_key(self) -> str:
        """The API key; SettingsError when it is not set."""
        return require_api_key(self.api_key.get_secret_value())


def key_setting(workspace: str) -> str:
    """What people call the setting of the key. workspace: the name of one of several; empty for the project."""
    return f"the api_key of the workspace {workspace}" if workspace else "TIMIX_API_KEY"


def require_api_key(key: str) -> str:
    """The same key; SettingsError when it is empty."""
    if not key:
        raise SettingsError(
            "TIMIX_API_KEY is not set; put your Timix key into .env (see .env.example), or try `timix-assets demo`, which needs "
            "none."
        )
    return key


VARIABLES = {
    f"{PREFIX}{(field.alias or name).upper()}": name
    for name, field in sorted(Settings.model_fields.items(), key=lambda each: each[0] not in Settings.__annotations__)
    if not field.exclude
}
"""Each variable, and the field of `Settings` that it sets; those that people set first, before limits and webhooks."""

SECRETS = {name for name, field in Settings.model_fields.items() if field.annotation is SecretStr}
"""Fields whose value is never shown, and may come from a file."""

NAMES = (*VARIABLES, *(f"{variable}{FILE_SUFFIX}" for variable, field in VARIABLES.items() if field in SECRETS))
"""Every variable that people can set."""


def reject_misspelt(environ: Iterable[str]) -> None:
    """SettingsError for a variable that is nearly one of ours, or was one in an earlier version.

    Others that begin with TIMIX_ belong to somebody else: Kubernetes sets TIMIX_ASSETS_SERVICE_HOST for a service that is
    called timix-assets, and another firm's key may be TIMIX_ACME_API_KEY.
    """
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in NAMES:
            continue
        if name in RENAMED:
            raise SettingsError(f"{name} is now called {RENAMED[name]}; rename it.")
        if near := get_close_matches(name, NAMES, n=1, cutoff=NEAR):
            raise SettingsError(f"{excerpt(name)} is not a setting; did you mean {near[0]}?")


def _value(variable: str, environ: Mapping[str, str]) -> str:
    return environ.get(variable, "").strip()


def _secret(variable: str, value: str, environ: Mapping[str, str]) -> str:
    """The secret of the variable, else of the file that its `_FILE` variable names."""
    path = _value(f"{variable}{FILE_SUFFIX}", environ)
    if not path:
        return value
    if value:
        raise SettingsError(f"{variable} and {variable}{FILE_SUFFIX} are both set; set one of them.")
    where = f"{variable}{FILE_SUFFIX}: {excerpt(path)}"
    try:
        with Path(path).open("rb") as file:
            value = file.read(MAX_SECRET_BYTES + 1).decode().strip()
    except UnicodeDecodeError:
        raise SettingsError(f"{where} is not text; name the file that holds nothing but the secret.") from None
    except (OSError, ValueError) as refused:
        why = getattr(refused, "strerror", None) or "not a path"
        raise SettingsError(f"{where} cannot be read ({why}); correct the path, or leave the variable empty.") from None
    # Alerts and webhooks are optional: there an empty file is as an empty variable.
    if (not value and VARIABLES[variable] == "api_key") or len(value) > MAX_SECRET_BYTES:
        raise SettingsError(
            f"{where} is {'too large' if value else 'empty'}; name the file that holds nothing but the secret."
        )
    return value
