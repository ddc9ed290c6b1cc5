"""What people give a `Workspace`, as settings: read from variables, checked, and what is wrong with it in words."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from dagster import EnvVar
from pydantic import ValidationError

from timix_assets.automation.schedules import cron_expression, schedule_specs
from timix_assets.dagster_internals import IntEnvVar
from timix_assets.errors import TimixAssetsError
from timix_assets.lake.storage import reject_malformed_url
from timix_assets.settings import Settings
from timix_assets.settings.declaration import explain, suggestion
from timix_assets.settings.environment import SECRETS, VARIABLES
from timix_assets.settings.firm import FirmConfig
from timix_assets.settings.webhooks import WebhookSettings
from timix_assets.state.time_zone import stored_time_zone
from timix_assets.text.key_mask import contains_key
from timix_assets.text.wording import quoted, quoted_name

CRON_SETTINGS = {spec.name: spec.cron_setting for spec in schedule_specs(Settings())}
"""Each schedule, and the setting of its cron expression."""

FIELDS = ("home", *(field for field in VARIABLES.values() if field not in WebhookSettings.model_fields))
"""The settings of a workspace."""

_KEY_PART = re.compile(r"[\w.-]+", re.ASCII)
"""Dagster makes the names of ops of them."""

_VARIABLE = re.compile(r"\bTIMIX_[A-Z_]+\b")


class Problems:
    """What is wrong with the settings of a workspace, which is built without them."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self.called: Mapping[str, str] = {}
        """Fields of `Settings` that people give by another argument."""

    def __bool__(self) -> bool:
        return bool(self._found)

    def __str__(self) -> str:
        return " ".join(self._found)

    def add(self, problem: str) -> None:
        """A problem; where it names a variable of the project, the argument is meant."""
        self._found.append(_VARIABLE.sub(self._argument, problem))

    def _argument(self, variable: re.Match[str]) -> str:
        field = VARIABLES.get(variable[0], variable[0])
        return self.called.get(field, field)

    def prefix(self, given: str | Sequence[str] | None, name: str) -> tuple[str, ...]:
        """The parts of the key prefix; of one that cannot be a part, the name instead."""
        given = self.resolved({"key_prefix": given})["key_prefix"]
        if given is None:
            return (name,)
        values = [self._value("key_prefix", part) for part in (given if isinstance(given, list | tuple) else [given])]
        parts = ["" if value is None else str(value) for value in values or [None]]
        for part in parts:
            if not _KEY_PART.fullmatch(part):
                self.add(
                    f"key_prefix: {quoted(part)} cannot be a part of asset keys; use letters, digits, underscores, hyphens and "
                    'dots. Several parts are a list: ["clients", "acme"].'
                )
        return tuple(part if _KEY_PART.fullmatch(part) else name for part in parts)

    def by_name(self, setting: str, given: Any, example: str) -> Mapping[str, Any] | None:
        """What is given as a mapping."""
        if given is None or isinstance(given, Mapping):
            return given
        self.add(f"{setting}: is not a mapping of names; write e.g. {example}.")
        return None

    def known(self, setting: str, given: Any, known: Mapping[str, Any], example: str) -> frozenset[str] | None:
        """Those of the given names that there are; None for all."""
        if given is None:
            return None
        given = [given] if isinstance(given, str) else given
        if not isinstance(given, Iterable):
            self.add(f"{setting}: is not a list of names; write e.g. {example}.")
            return None
        names = list(given) if isinstance(given, Mapping) else [self._value(setting, each) for each in given]
        for name in sorted(names, key=repr):
            # What is no text may have no hash.
            if name not in list(known):
                self.add(f"{setting}: there is no {quoted(name)}; {suggestion(name, known)}")
        return frozenset(name for name in known if name in names)

    def fields(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the given arguments that are settings of a workspace."""
        for field in given:
            if field in WebhookSettings.model_fields:
                self.add(
                    f"{field}: webhooks are received by the project alone (`timix-assets webhooks`); leave it out."
                )
            elif field not in FIELDS:
                self.add(f"{quoted_name(field)}: there is no such field; {suggestion(field, FIELDS)}")
        return {field: given[field] for field in FIELDS if field in given}

    def resolved(self, declared: Mapping[str, Any]) -> dict[str, Any]:
        """With the values of environment variables, and without keys that would be shown."""
        given = {field: self._value(field, value) for field, value in declared.items()}
        for field in sorted(given.keys() - {"api_key"}):
            if contains_key(str(given[field])):
                called = self.called.get(field, field)
                self.add(f"{called}: holds an API key, which would be shown with it; give the key as api_key alone.")
                given[field] = None
        return given

    def _value(self, field: str, value: Any) -> Any:
        if isinstance(value, EnvVar | IntEnvVar):
            variable, value = value.env_var_name, os.environ.get(value.env_var_name)
            # A run that needs the key says that there is none.
            if value is None and field != "api_key":
                called = self.called.get(field, field)
                self._found.append(f"{called}: the variable {variable} is not set; set it where Dagster runs.")
        return value.strip() if isinstance(value, str) else value

    def checked(self, given: dict[str, Any]) -> Settings:
        """The settings, without those that do not fit."""
        while True:
            try:
                settings = Settings.model_validate(given)
                break
            except ValidationError as wrong:
                field = str(wrong.errors(include_url=False)[0]["loc"][0])
                self.add(explain(wrong, Settings, names=self.called, quote=field not in SECRETS))
                del given[field]
        checks: dict[str, Callable[[Settings], Any]] = {
            "start_month": Settings.first_month,
            "lake": lambda settings: reject_malformed_url(settings.lake),
            "firm_config": lambda settings: FirmConfig.from_file(settings.firm_config),
            **{cron: partial(cron_expression, setting=cron) for cron in CRON_SETTINGS.values()},
        }
        for field, check in checks.items():
            try:
                check(settings)
            except TimixAssetsError as wrong:
                self.add(str(wrong))
                settings = settings.model_copy(update={field: Settings.model_fields[field].get_default()})
        zone = stored_time_zone(settings.machine_folder, settings.lake)
        return settings.model_copy(update={"organization_time_zone": zone})
