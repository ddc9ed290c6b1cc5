"""Checks every setting before a command requests or writes anything."""

from timix_assets.ingest.connection import Connection
from timix_assets.lake.errors import LakeError
from timix_assets.lake.tables import Lake
from timix_assets.settings import Settings, SettingsError
from timix_assets.settings.firm import FirmConfig


def check_settings(settings: Settings) -> None:
    """Checks what the definitions are built from, the key, the lake's location and the client's limits and overrides.

    Raises:
        SettingsError, ClientConfigError, OverrideError: A setting cannot be used.
    """
    settings.require_api_key()
    check_definitions(settings)
    try:
        Lake(settings.lake).check()
    except LakeError as wrong:
        raise SettingsError(str(wrong)) from wrong
    Connection.of(settings).check()


def check_definitions(settings: Settings) -> None:
    """Checks the settings without which the code location does not load: the months, the firm config, the cron expressions.

    Raises:
        SettingsError: A setting cannot be used.
    """
    settings.first_month()
    FirmConfig.from_file(settings.firm_config)
    for name, field in Settings.model_fields.items():
        if name.startswith("cron_") and getattr(settings, name) != field.default:
            # Dagster decides, and most people set none: then the commands that do without it do not import it.
            from timix_assets.automation.schedules import cron_expression  # noqa: PLC0415

            cron_expression(settings, name)
