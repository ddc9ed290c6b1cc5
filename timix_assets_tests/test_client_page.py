"""The examples of docs/client.md, run in order against the sandbox."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from timix_assets.sandbox.server import Sandbox

PAGE = Path(__file__).parents[1] / "docs" / "client.md"


def test_examples_of_the_client_page_run(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIMIX_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("TIMIX_API_KEY", sandbox.key)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}

    examples = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), namespace)

    assert len(examples) == 9
    assert namespace["project"] == namespace["projects"][0]
    assert {entry["date"][:7] for entry in namespace["entries"]} == {"2026-10"}
    assert namespace["customer"]["name"] == "Example Limited"
    assert (namespace["entry"]["hours"], namespace["entry"]["date"]) == (Decimal("1.25"), "2026-11-16")
    assert (tmp_path / "revenue.csv").read_bytes().count(b"\n") > 1
    assert "hours in October" in capsys.readouterr().out
