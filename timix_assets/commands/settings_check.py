"""Checks every setting before a command requests or writes anything."""

from timix_assets.ingest.connection import Connection
from timix_assets.lake.errors import LakeError
from timix_assets.lake.tables import Lake
from timix_assets.settings import Settings, SettingsError
from timix_assets.settings.firm import FirmConfig


def check_settings(settings: Settings) -> None:
    """Checks the key, the months, the firm config, the lake's location and the client's limits and overrides.

    Raises:
        SettingsError, ClientConfigError, OverrideError: A setting cannot be used.
    """
    settings.require_api_key()
    settings.first_month()
    FirmConfig.from_file(settings.firm_config)
    try:
        Lake(settings.lake).check()
    except LakeError as wrong:
        raise SettingsError(str(wrong)) from wrong
    Connection.of(settings).check()
