"""The project folder that a command runs in: its .env, its dagster.yaml, and the instance that the UI reads too."""

import os
from pathlib import Path

from dotenv import load_dotenv

from timix_assets.environment import SettingError


def enter(*, dotenv: bool = True) -> Path:
    """The folder whose dagster.yaml rules; sets DAGSTER_HOME to it, so that runs show in the UI. Call before importing assets."""
    if dotenv:
        load_dotenv(Path.cwd() / ".env")
    home = Path(os.environ.get("DAGSTER_HOME") or Path.cwd())
    if not (home / "dagster.yaml").is_file():
        raise SettingError(
            f"there is no dagster.yaml in {home}; start this in the project's folder, or set DAGSTER_HOME to it."
        )
    # The storage folders in dagster.yaml are relative, so the folder counts as much as the variable.
    os.chdir(home)
    os.environ["DAGSTER_HOME"] = str(home.resolve())
    return home


def check_settings() -> None:
    """Refuses what cannot work before anything is asked or written; SettingError, SettingsError or OverrideError says which."""
    from timix_assets import environment  # noqa: PLC0415
    from timix_assets.resources import TimixResource  # noqa: PLC0415

    environment.require_key()
    environment.start_month()
    environment.as_of()
    TimixResource.configured().check()
