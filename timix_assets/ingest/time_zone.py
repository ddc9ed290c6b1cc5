"""The organization's time zone for a machine that has not read it itself: from the lake that another one filled."""

from contextlib import suppress
from pathlib import Path

from timix_assets.settings import Settings
from timix_assets.state.locations import normalized_location
from timix_assets.state.time_zone import store_time_zone, stored_time_zone

_TABLE = "timix/organization"
_QUICKLY = {"timeout": "5s", "connect_timeout": "5s", "max_retries": "1"}
"""A store that does not answer must not hold up the start; whatever needs the lake names the problem."""


def with_organization_time_zone(settings: Settings) -> Settings:
    """The settings with the time zone of the lake's organization, where they have none and this machine does not know it.

    The lake is opened only then, and what it says is stored, so that the next process does not open it.
    """
    if settings.timezone or settings.organization_time_zone is not None:
        return settings
    location = normalized_location(settings.lake)
    if "://" not in location and not (Path(location) / _TABLE).is_dir():
        return settings
    import polars as pl  # noqa: PLC0415 - 0.1 s, and 0.4 s below, that `--version` must not take

    from timix_assets.lake.errors import LakeError  # noqa: PLC0415
    from timix_assets.lake.tables import Lake  # noqa: PLC0415

    with suppress(LakeError, pl.exceptions.PolarsError, OSError):
        options = _QUICKLY if "://" in location else {}
        rows = Lake(settings.lake, options).scan(_TABLE).select(pl.col("time_zone").first()).collect()
        store_time_zone(settings.machine_folder, settings.lake, rows.item() if rows.height else None)
    known = stored_time_zone(settings.machine_folder, settings.lake)
    return settings.model_copy(update={"organization_time_zone": known})
