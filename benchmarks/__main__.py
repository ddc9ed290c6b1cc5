"""`python -m benchmarks`: measures, prints one table a group, and ends with 1 when a target was missed or a run failed."""

import argparse
import sys

from . import demo, machine, memory, peers, reading, refreshes, requests, rollups, soak, validate
from .child import MeasurementFailedError
from .figures import Figure, Measurement, table, write

MEASUREMENTS = (
    Measurement("reading", "a minute", reading.figures),
    Measurement("validate", "half a minute", validate.figures),
    Measurement("demo", "a minute", demo.figures),
    Measurement("refreshes", "five minutes", refreshes.figures),
    Measurement("requests", "two minutes, for that is what it measures", requests.figures),
    Measurement("memory", "five minutes", memory.figures),
    Measurement("rollups", "three minutes", rollups.figures),
    Measurement("soak", "a quarter of an hour", soak.figures, by_default=False),
    Measurement("peers", "two minutes; installs dlt in a temporary environment", peers.figures, by_default=False),
)


def main() -> int:
    names = [measurement.name for measurement in MEASUREMENTS]
    options = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    options.add_argument(
        "names", nargs="*", metavar="figure", help=f"{', '.join(names)}; all but soak and peers when none is named"
    )
    options.add_argument("--peers", action="store_true", help="measure dlt too")
    options.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    asked = options.parse_args()
    if unknown := set(asked.names) - set(names):
        options.error(f"no figure is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")

    on = machine.describe()
    print(on)
    well = True
    for measurement in MEASUREMENTS:
        wanted = measurement.name in asked.names if asked.names else measurement.by_default
        if wanted or (measurement.name == "peers" and asked.peers):
            well = _report(measurement, on, asked.write) and well
    return 0 if well else 1


def _report(measurement: Measurement, on: str, written: bool) -> bool:
    """Measures and shows; False when it failed or a target was missed. A failure is shown in place of the figures."""
    print(f"\n{measurement.name} (takes {measurement.takes})", flush=True)
    figures: list[Figure] = []
    try:
        figures.extend(measurement.measure())
        text = table(figures)
    except MeasurementFailedError as failure:
        text = f"```text\nnot measured: {failure}\n```"
    print(text, flush=True)
    if written:
        write(measurement.name, f"{on}\n\n{text}")
    return bool(figures) and not any(figure.met is False for figure in figures)


if __name__ == "__main__":
    sys.exit(main())
