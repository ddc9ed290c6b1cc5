"""dlt, a general loading library, in an environment of its own that is thrown away."""

import json
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .child import ROOT, Cost, run
from .stand_in import Service

REQUIREMENT = "dlt[parquet,filesystem]"


@dataclass(frozen=True, slots=True)
class Dlt:
    """An environment with dlt of this version."""

    folder: Path
    version: str

    def read(self, stand_in: Service, rows: int, *options: str) -> Cost:
        """Loads the listing into Parquet files; MeasurementFailedError when rows are missing."""
        with TemporaryDirectory(dir=self.folder) as place:
            settings = {**stand_in.settings, "PLACE": place, "RUNTIME__DLTHUB_TELEMETRY": "false"}
            # -P: this folder has a module named as a package that dlt imports.
            command = [_python(self.folder), "-P", str(ROOT / "benchmarks" / "dlt_loop.py"), str(rows), *options]
            return Cost(**json.loads(run(command, self.folder, settings).splitlines()[-1]))


@contextmanager
def environment_with_dlt() -> Iterator[Dlt]:
    with TemporaryDirectory(prefix="timix-peers-") as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        pip = [_python(folder), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT]
        run(pip, folder, {})
        version = run([_python(folder), "-c", "import dlt; print(dlt.__version__)"], folder, {}).strip()
        yield Dlt(folder, version)


def _python(folder: Path) -> str:
    return str(folder / "venv" / "bin" / "python")
