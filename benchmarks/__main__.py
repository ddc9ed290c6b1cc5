"""`python -m benchmarks`: measures, prints one table a group, and ends with 1 when a target was missed or a run failed."""

import argparse
import os
import sys
from dataclasses import replace
from functools import partial

from . import (
    aging,
    commands,
    demo,
    imports,
    machine,
    memory,
    pages,
    reading,
    refreshes,
    regression,
    requests,
    rollups,
    services,
    soak,
    start,
    two_machines,
    validate,
    webhooks,
    workspaces,
)
from .child import MeasurementFailedError
from .figures import Figure, Measurement, store, table, write

MEASUREMENTS = (
    Measurement("reading", "two minutes, with dlt five", reading.figures),
    Measurement("validate", "half a minute", validate.figures),
    Measurement("start", "two minutes", start.figures),
    Measurement("demo", "a minute", demo.figures),
    Measurement("commands", "two minutes", commands.figures),
    Measurement("refreshes", "eight minutes", refreshes.figures),
    Measurement("requests", "two minutes, for that is what it measures", requests.figures),
    Measurement("memory", "five minutes", memory.figures),
    Measurement("rollups", "eight minutes", rollups.figures),
    Measurement("workspaces", "three minutes", workspaces.figures),
    Measurement("imports", "a quarter of an hour", imports.figures, by_default=False),
    Measurement("pages", "half an hour", pages.figures, by_default=False),
    Measurement("webhooks", "seven minutes", webhooks.figures, by_default=False),
    Measurement("aging", "an hour", aging.figures, by_default=False),
    Measurement("services", "half an hour", services.figures, by_default=False),
    Measurement("soak", "a quarter of an hour", soak.figures, by_default=False),
    Measurement("two_machines", "a quarter of an hour", two_machines.figures, by_default=False),
)


def main() -> int:
    names = [measurement.name for measurement in MEASUREMENTS]
    options = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    options.add_argument(
        "names",
        nargs="*",
        metavar="figure",
        help=f"{', '.join(names)}; all but imports, pages, webhooks, aging, services, soak and two_machines when none is named",
    )
    options.add_argument("--peers", action="store_true", help="reading: dlt too, in a temporary environment")
    options.add_argument(
        "--write",
        action="store_true",
        help="put the tables into benchmarks/README.md and the figures into figures.json; refused on a busy machine",
    )
    options.add_argument(
        "--short", action="store_true", help="only whether reading costs more CPU than the stored ratio allows"
    )
    asked = options.parse_args()
    if unknown := set(asked.names) - set(names):
        options.error(f"no figure is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")

    if asked.short:
        if asked.write:
            regression.record()
            return 0
        return 0 if regression.check() else 1
    if asked.write and (why := machine.why_busy()):
        print(f"Nothing was measured: {why}. Stop what runs, or leave out --write to see figures that mean little.")
        return 2
    # A user's modules are compiled once, not by each process.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    well = True
    for measurement in MEASUREMENTS:
        wanted = measurement.name in asked.names if asked.names else measurement.by_default
        if measurement.name == "reading" and asked.peers:
            measurement = replace(measurement, measure=partial(reading.figures, peers=True))  # noqa: PLW2901
        if not wanted:
            continue
        if asked.write and (why := machine.why_still_busy()):
            print(f"\nStopped before {measurement.name}: {why}.")
            return 2
        well = _report(measurement, asked.write) and well
    return 0 if well else 1


def _report(measurement: Measurement, written: bool) -> bool:
    """Measures and shows; False when it failed or a target was missed. A failure is shown in place of the figures."""
    on = machine.describe()
    print(f"\n{measurement.name} (takes {measurement.takes})\n{on}", flush=True)
    figures: list[Figure] = []
    try:
        figures.extend(measurement.measure())
        text = table(figures)
    except MeasurementFailedError as failure:
        text = f"```text\nnot measured: {failure}\n```"
    print(text, flush=True)
    if written:
        write(measurement.name, f"{on}\n\n{text}")
        store(measurement.name, {"on": on, "figures": [figure.facts() for figure in figures]})
    return bool(figures) and not any(figure.met is False for figure in figures)


if __name__ == "__main__":
    sys.exit(main())
