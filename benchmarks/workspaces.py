"""What a code location of several workspaces costs to load: each code server and each run loads it whole."""

from .child import measure
from .figures import Figure
from .project import empty_project

COUNTS = (1, 5, 20)
ROUNDS = 3
MOST_SECONDS_A_FIRM, MOST_MB_A_FIRM = 1, 10


def figures() -> list[Figure]:
    found, cpu, memory = [], {}, {}
    with empty_project() as folder:
        for count in COUNTS:
            rounds = [measure("workspaces_child", count, folder=folder, settings={}) for _ in range(ROUNDS)]
            cpu[count] = [each.cost.cpu for each in rounds]
            memory[count] = [each.peak_mb for each in rounds]
            firms = "1 workspace" if count == 1 else f"{count} workspaces"
            found += [
                Figure(f"{firms}, definitions loaded", cpu[count], "s CPU"),
                Figure(f"{firms}, memory of the process", memory[count], "MB"),
                Figure(f"{firms}, snapshot", [each.reported["snapshot_mb"] for each in rounds], "MB"),
            ]
    first, last = COUNTS[0], COUNTS[-1]

    def of_one(measured: dict[int, list[float]]) -> list[float]:
        return [(high - low) / (last - first) for low, high in zip(measured[first], measured[last], strict=True)]

    return [
        *found,
        Figure("one more workspace, definitions loaded", of_one(cpu), "s CPU", MOST_SECONDS_A_FIRM),
        Figure("one more workspace, memory", of_one(memory), "MB", MOST_MB_A_FIRM),
    ]
