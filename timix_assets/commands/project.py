"""The project folder that a command runs in: its .env, its dagster.yaml, and the instance that it shares with the UI."""

import _thread
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from dotenv import load_dotenv

from timix_assets.ingest.time_zone import with_organization_time_zone
from timix_assets.settings import Settings, SettingsError
from timix_assets.settings.environment import reject_misspelt
from timix_assets.state.permissions import create_owner_only

INTERRUPT_AGAIN_AFTER_SECONDS = 0.05
"""Time for the callback to return; an interrupt within it would be ignored as well."""


def enter_project_dir(*, dotenv: bool = True) -> Settings:
    """Makes the project folder the working directory and DAGSTER_HOME, so that runs show in the UI.

    Call it before importing assets.

    Args:
        dotenv: Whether to read the .env of the working directory.

    Returns:
        The settings of its commands.

    Raises:
        SettingsError: There is no project in the folder, or a setting cannot be used.
    """
    if dotenv:
        load_dotenv(Path.cwd() / ".env")
    reject_misspelt(os.environ)
    home = Path(os.environ.get("DAGSTER_HOME") or Path.cwd())
    for name in ("dagster.yaml", "workspace.yaml"):
        # Both: the home of another Dagster project must not get our runs, and our lake with them.
        if not (home / name).is_file():
            # A wrong setting first: it would be the next message, and it may be why the folder is the wrong one.
            Settings.from_environment()
            raise SettingsError(
                f"there is no {name} in {home}; run this in the project folder (`timix-assets init` creates one), and set "
                "DAGSTER_HOME to it or not at all."
            )
    # The storage folders in dagster.yaml are relative, so the working directory matters as well.
    os.chdir(home)
    os.environ["DAGSTER_HOME"] = str(home.resolve())
    settings = Settings.from_environment()
    create_owner_only(settings.state_folder)
    return with_organization_time_zone(settings)


@contextmanager
def sigterm_as_keyboard_interrupt() -> Iterator[None]:
    """In the block, SIGTERM raises KeyboardInterrupt, as Ctrl-C does, so that child processes are stopped.

    An interrupt that arrives in a callback whose exceptions Python ignores (of a weak reference, a finalizer) is raised
    again a moment later; otherwise the command would go on as if nobody had ended it.
    """

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def interrupt_again(ignored: "sys.UnraisableHookArgs") -> None:
        # Dagster raises an interrupt of its own, which is no Exception either.
        if issubclass(ignored.exc_type, Exception):
            hook_before(ignored)
        else:
            threading.Timer(INTERRUPT_AGAIN_AFTER_SECONDS, _interrupt_main_thread).start()

    hook_before, sys.unraisablehook = sys.unraisablehook, interrupt_again
    handler_before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler_before)
        sys.unraisablehook = hook_before


def _interrupt_main_thread() -> None:
    main = threading.main_thread().ident
    if sys.platform == "win32" or main is None:
        _thread.interrupt_main()
    else:
        # A real signal: it ends a wait, which `interrupt_main` does not.
        signal.pthread_kill(main, signal.SIGINT)
