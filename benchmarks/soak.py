"""Many refreshes of one lake while faults strike at random: afterwards no table may be wrong."""

from .child import measure
from .figures import Figure
from .project import empty_project

REFRESHES = 200
SEED = 20_261_124


def figures() -> list[Figure]:
    with empty_project() as folder, empty_project() as undisturbed:
        told = measure("soak_child", REFRESHES, SEED, undisturbed, folder=folder, settings={}).told
    return [
        Figure("tables that were wrong after a refresh", [told["wrong"]], "", at_most=0),
        Figure("tables that differ from an undisturbed lake at the end", [told["different"]], "", at_most=0),
        Figure("runs that ended without a sentence", [told["speechless"]], "", at_most=0),
        Figure("refreshes", [told["refreshes"]], ""),
        Figure("of them with a failed asset", [told["red"]], ""),
        Figure("of them killed", [told["killed"]], ""),
        Figure("requests struck by a fault", [told["struck"]], ""),
        Figure("kinds of fault", [told["kinds"]], ""),
        Figure("requests", [told["requests"]], ""),
        Figure("of them asked again, in retries and second readings", [told["again"]], ""),
        Figure("tables and exports looked at", [told["looked_at"]], ""),
        Figure("wall", [told["seconds"]]),
    ]
