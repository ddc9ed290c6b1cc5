"""`python -m benchmarks --short`: whether reading costs more CPU than the stored ratio to the bare loop allows.

A ratio, so that the machine does not matter; CPU of several turns and their median, so that its load matters little.
"""

import json
from statistics import median

from . import machine
from .figures import FIGURES_FILE, store, stored
from .reading import cpu_ratio, spread

NAME = "short"
ROWS = 100_000
TURNS, MORE_TURNS = 3, 4
MOST_OF_STORED = 1.2


def check() -> bool:
    """Measures and says; False when the ratio is beyond the stored one by a fifth. A first miss is measured again."""
    limit: float = stored(NAME)["cpu_ratio"] * MOST_OF_STORED
    ratios = cpu_ratio(ROWS, TURNS)
    if median(ratios) > limit:
        ratios += cpu_ratio(ROWS, MORE_TURNS)
    well = median(ratios) <= limit
    print(
        f"CPU of reading, times the bare loop: {spread(ratios)}, at most {limit:.2f}: {'fine' if well else 'too much'}."
    )
    if not well:
        print(
            "Reading got slower: profile it (benchmarks/NOTES.md says what was tried). Where the cost is meant, store the new "
            f"ratio in {FIGURES_FILE.name} by `python -m benchmarks --short --write`."
        )
    return well


def record() -> None:
    """Stores the ratio. On a busy machine too: CPU in turns suffers little from it, and the load is stored with it."""
    on = machine.describe()
    ratios = cpu_ratio(ROWS, TURNS + MORE_TURNS)
    store(NAME, {"on": on, "rows": ROWS, "cpu_ratio": round(median(ratios), 3), "runs": [round(r, 3) for r in ratios]})
    print(json.dumps(stored(NAME), indent=2))
