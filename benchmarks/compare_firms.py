"""`python -m benchmarks.compare_firms 5000`: all rollups of as many generated firms, against the second computation.

Prints how many firms were compared and how many differ, and the first difference; exits with 1 if there is one. Each core has
a share of the firms and a seed of its own, so that the same command compares the same firms.
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings

from timix_assets_tests.metrics.test_against_the_oracle import any_small_firm, assert_every_rollup_equals_the_oracles

CORES = os.cpu_count() or 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("firms", type=int)
    parser.add_argument("--seed", type=int, default=0, help="of the first core; the others count on from it")
    asked = parser.parse_args()
    # One thread a process, as many processes as cores: the firms are small.
    os.environ["POLARS_MAX_THREADS"] = "1"
    shares = [asked.firms // CORES + (core < asked.firms % CORES) for core in range(CORES)]
    seeds = range(asked.seed, asked.seed + CORES)
    with ProcessPoolExecutor(CORES, get_context("spawn")) as processes:
        results = list(processes.map(compare, shares, seeds))
    differences = [difference for _, found in results for difference in found]
    print(f"{sum(compared for compared, _ in results)} firms compared, {len(differences)} differ.")
    if differences:
        print(f"The first:\n{differences[0]}")
    sys.exit(bool(differences))


def compare(firms: int, first_seed: int) -> tuple[int, list[str]]:
    """How many firms were compared, and what each that differs says."""
    compared, differences = 0, list[str]()

    @seed(first_seed)
    @settings(
        max_examples=firms,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @any_small_firm
    def each(tables: Any, params: Any) -> None:
        nonlocal compared
        compared += 1
        try:
            assert_every_rollup_equals_the_oracles(tables, params)
        except AssertionError as difference:
            differences.append(f"{difference}\n{tables}\n{params}")

    each()
    return compared, differences


if __name__ == "__main__":
    main()
