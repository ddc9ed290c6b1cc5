"""Private names of Dagster have one home."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "timix_assets"
PRIVATE = re.compile(r"^\s*(?:from|import)\s+(?:dagster(?:_\w+)?\._|dagster_shared)", re.MULTILINE)


def test_only_dagster_internals_imports_private_names() -> None:
    found = {path.name for path in PACKAGE.rglob("*.py") if PRIVATE.search(path.read_text(encoding="utf-8"))}
    assert found == {"dagster_internals.py"}
