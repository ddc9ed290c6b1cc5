"""What many hourly refreshes leave behind: files and log of the tables, run storage, and the memory of a process that stays."""

from collections.abc import Mapping

from .child import measure
from .figures import Figure
from .project import empty_project

REFRESHES = 500
LOOKS = 10

UNITS = {
    "files of the entries' table": "",
    "files of all tables": "",
    "log files of the entries' table": "",
    "lake": "MB",
    "opening the entries' table": "ms",
    "run storage": "MB",
    "peak memory of the process": "MB",
    "CPU of a refresh": "s",
}


def figures(refreshes: int = REFRESHES) -> list[Figure]:
    """The runs of a figure are its values at each look, from the first refresh to the last."""
    with empty_project() as folder:
        looks = measure("aging_child", refreshes, max(1, refreshes // LOOKS), folder=folder, settings={}).reported[
            "looks"
        ]
    before, after = looks[-2], looks[-1]
    return [
        *(Figure(name, [look[name] for look in looks[:-1]], unit) for name, unit in UNITS.items()),
        *(Figure(f"{name}, growth a refresh", [_growth(looks[:-1], name)], unit) for name, unit in UNITS.items()),
        *(
            Figure(f"{name}, after maintenance", [after[name]], UNITS[name])
            for name in UNITS
            if after.get(name, before[name]) != before[name]
        ),
    ]


def _growth(looks: list[Mapping[str, float]], name: str) -> float:
    """From a fifth of the refreshes on: before it, caches fill. Of 500, both looks come just after a checkpoint of the log."""
    last = looks[-1]
    first = next(look for look in looks if look["refreshes"] * 5 >= last["refreshes"])
    return (last[name] - first[name]) / (last["refreshes"] - first["refreshes"])
