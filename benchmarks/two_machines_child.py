"""In a process of its own, on one of two machines: looks for changes, one after another, until its input ends."""

import sys
import threading
from pathlib import Path

from dagster import DagsterInstance, build_sensor_context

from timix_assets.automation.changes import timix_changes
from timix_assets.definitions import defs
from timix_assets.resources import LakeResource, timix_resource
from timix_assets.settings import Settings

PAUSE_SECONDS = 10.0
"""Less than the sensor's minute: the reserve is used up."""


def main() -> None:
    """Prints a line for each look: `looked` or `no room`."""
    ended = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(ended,), daemon=True).start()
    settings = Settings.from_environment()
    resources = {
        "timix": timix_resource(settings),
        "lake": LakeResource(url=settings.lake, state_folder=str(settings.state_folder)),
    }
    sensor, repository, cursor = timix_changes(settings), defs.get_repository_def(), None
    with DagsterInstance.from_config(str(Path.cwd())) as instance:
        while not ended.wait(PAUSE_SECONDS):
            with build_sensor_context(instance, cursor, repository_def=repository, resources=resources) as context:
                tick = sensor.evaluate_tick(context)
            cursor = tick.cursor or cursor
            print("no room" if (tick.skip_message or "").startswith("No room") else "looked", flush=True)


def _wait_for_the_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    main()
