"""The project folder that a command runs in: its .env, its dagster.yaml, and the instance that the UI reads too."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from dotenv import load_dotenv

from timix_assets import environment
from timix_assets.environment import SettingError


def enter(*, dotenv: bool = True) -> Path:
    """The folder whose dagster.yaml rules; sets DAGSTER_HOME to it, so that runs show in the UI. Call before importing assets.

    SettingError in another folder, and for a TIMIX_ variable that there is not.
    """
    if dotenv:
        load_dotenv(Path.cwd() / ".env")
    environment.check_names()
    home = Path(os.environ.get("DAGSTER_HOME") or Path.cwd())
    for name in ("dagster.yaml", "workspace.yaml"):
        # Both: another Dagster project's home would take our runs, and our lake with them.
        if not (home / name).is_file():
            raise SettingError(
                f"there is no {name} in {home}; start this in the project's folder, and set DAGSTER_HOME to it or not at all."
            )
    # The storage folders in dagster.yaml are relative, so the folder counts as much as the variable.
    os.chdir(home)
    os.environ["DAGSTER_HOME"] = str(home.resolve())
    return home


def check_settings() -> None:
    """Refuses what cannot work before anything is asked or written; SettingError, SettingsError or OverrideError says which."""
    from timix_assets.firm_settings import load_firm_settings  # noqa: PLC0415
    from timix_assets.lake.errors import LakeError  # noqa: PLC0415
    from timix_assets.lake.tables import Lake  # noqa: PLC0415

    environment.require_key()
    environment.start_month()
    environment.as_of()
    environment.authentication()
    load_firm_settings(environment.FIRM_SETTINGS.read(environment.ENVIRON)).check()
    try:
        Lake(environment.LAKE.read(environment.ENVIRON)).check()
    except LakeError as wrong:
        raise SettingError(str(wrong)) from wrong
    # Only now: the resource takes its defaults from the environment when it is imported.
    from timix_assets.resources import TimixResource  # noqa: PLC0415

    TimixResource.configured().check()


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: what is under way is given up, what was started is ended."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
