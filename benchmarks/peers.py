"""The same listing by dlt, a general loading library, in an environment of its own that is thrown away."""

import json
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

from .child import ROOT, Cost, run
from .figures import Figure
from .reading import LATENCY_SECONDS, ROWS
from .stand_in import service

ROUNDS = 3
REQUIREMENT = "dlt[parquet,filesystem]"


def figures() -> list[Figure]:
    with TemporaryDirectory(prefix="timix-peers-") as name, service(ROWS, latency=LATENCY_SECONDS) as stand_in:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        python = str(folder / "venv" / "bin" / "python")
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT], folder, {})
        version = run([python, "-c", "import dlt; print(dlt.__version__)"], folder, {}).strip()
        costs = []
        for number in range(ROUNDS):
            place = {**stand_in.settings, "PLACE": str(folder / str(number)), "RUNTIME__DLTHUB_TELEMETRY": "false"}
            # -P: this folder has a module named as a package that dlt imports.
            said = run([python, "-P", str(ROOT / "benchmarks" / "dlt_loop.py"), str(ROWS)], folder, place)
            costs.append(Cost(**json.loads(said.splitlines()[-1])))
    return [
        Figure(f"wall, dlt {version}", [cost.wall for cost in costs]),
        Figure(f"CPU, dlt {version}", [cost.cpu for cost in costs]),
    ]
