"""How many requests a listing takes, and how close to the plan's limit it runs without ever passing it."""

from .child import measure
from .figures import Figure
from .project import empty_project
from .stand_in import REFUSED, service

PER_MINUTE = 300
PAGE_SIZE = 200
ROWS = 2 * PER_MINUTE * PAGE_SIZE - PAGE_SIZE + 1
"""One row more than 599 full pages hold. With `/me` these are 601 requests: one more than two minutes admit, the hardest case."""

MOST_WALL = 1.03


def figures() -> list[Figure]:
    due = -(-ROWS // PAGE_SIZE)
    with service(ROWS, latency=0.020, plan="Professional", per_minute=PER_MINUTE) as stand_in:
        with empty_project(used_before=True) as folder:
            settings = {**stand_in.settings, "DAGSTER_HOME": str(folder)}
            run = measure("refresh", ROWS, folder=folder, settings=settings)
        counts = stand_in.counts()
    pages = counts["/time-reports"]
    requests = sum(counts.values())
    shortest = 60 * requests / PER_MINUTE
    return [
        Figure(f"pages asked for {ROWS:,} rows", [pages], "", due),
        Figure("all requests of the run, with `/me`", [requests], "", due + 1),
        Figure("answers of 429", [counts.get(REFUSED, 0)], "", 0),
        Figure("wall", [run.cost.wall]),
        Figure("wall, times requests / limit", [run.cost.wall / shortest], "", MOST_WALL),
    ]
