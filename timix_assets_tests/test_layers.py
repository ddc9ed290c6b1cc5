"""The layers of docs/architecture.md: imports point down, and no modules import each other in a circle."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "timix_assets"
PAGE = PACKAGE.parent / "docs" / "architecture.md"

LAYERS = (
    {"errors", "interrupts", "quick_imports", "vendor"},
    {"text", "state"},
    {"request_gate", "contract"},
    {"settings"},
    {"webhooks"},
    {"api", "lake", "metrics", "sandbox"},
    {"charts", "ingest"},
    {"reporting"},
    {"alerts", "imports"},
    {"dagster_internals", "namespace"},
    {"runs", "partitions", "launchpad"},
    {"resources"},
    {"assets"},
    {"automation"},
    {"workspace_settings"},
    {"workspace"},
    {"component"},
    {"definitions"},
    {"commands"},
    {"cli"},
)
"""From the bottom up. A module imports from its own package and from the layers below."""

SEPARATE = {"api", "contract", "lake", "metrics"}
MAY_USE = {("metrics", "contract")}
"""Packages that know nothing of each other, but for these."""

WITHOUT_DAGSTER = SEPARATE | {
    "ingest",
    "charts",
    "settings",
    "sandbox",
    "text",
    "state",
    "request_gate",
    "reporting",
    "imports",
    "webhooks",
}


def _imports() -> Iterator[tuple[str, str]]:
    """(importing module, imported module), below timix_assets; and of others the first name, after a colon."""
    modules = {_name(path) for path in PACKAGE.rglob("*.py")}
    for path in PACKAGE.rglob("*.py"):
        importer = _name(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for target in _targets(node, importer, is_package=path.name == "__init__.py"):
                if not target.startswith("timix_assets"):
                    yield importer, f":{target.partition('.')[0]}"
                    continue
                below = target.removeprefix("timix_assets").removeprefix(".")
                while below and below not in modules:
                    below = below.rpartition(".")[0]
                yield importer, below


def _targets(node: ast.AST, importer: str, *, is_package: bool) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    module = node.module or ""
    if node.level:
        parts = ["timix_assets", *importer.split(".")]
        kept = parts[: len(parts) - node.level + is_package]
        module = ".".join([*kept, module]).rstrip(".")
    return [f"{module}.{name.name}" for name in node.names]


def _name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")


def _layer(package: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if package in layer)


@pytest.fixture(scope="module")
def imports() -> list[tuple[str, str]]:
    return sorted({(importer, imported) for importer, imported in _imports() if importer and imported})


@pytest.fixture
def inside(imports: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(importer, imported) for importer, imported in imports if not imported.startswith(":")]


def test_imports_follow_the_arrows_of_the_page(inside: list[tuple[str, str]]) -> None:
    [picture] = re.findall(r"^```mermaid\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    arrows = set(re.findall(r"^ +(\w+)(?:\[.*\])? --> (\w+)", picture, re.MULTILINE))
    boxes = {node: node for arrow in arrows for node in arrow}
    for node, modules in re.findall(r'(\w+)\["([^"<]+)', picture):
        boxes |= {re.sub(r"/|\.py", "", module): node for module in modules.split(" · ")}
    imported = {(boxes[a.partition(".")[0]], boxes[b.partition(".")[0]]) for a, b in inside}
    assert arrows <= imported
    paths, longer = set(arrows), set(arrows)
    while longer:
        longer = {(a, d) for a, b in paths for c, d in arrows if b == c} - paths
        paths |= longer
    assert {(above, below) for above, below in imported if above != below} <= paths


def test_every_module_has_a_layer() -> None:
    packages = {_name(path).partition(".")[0] for path in PACKAGE.rglob("*.py")} - {""}
    assert packages == set().union(*LAYERS)


def test_imports_point_down(inside: list[tuple[str, str]]) -> None:
    upward = [
        f"{importer} imports {imported}"
        for importer, imported in inside
        if (above := importer.partition(".")[0]) != (below := imported.partition(".")[0])
        and (_layer(above) <= _layer(below) or ({above, below} <= SEPARATE and (above, below) not in MAY_USE))
    ]
    assert not upward


def test_no_import_cycles(inside: list[tuple[str, str]]) -> None:
    below: dict[str, set[str]] = {}
    for importer, imported in inside:
        below.setdefault(importer, set()).add(imported)
    left = {name: set(targets) for name, targets in below.items()}
    while free := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in free:
            del left[name]
    assert not left


@pytest.mark.parametrize("package", sorted(WITHOUT_DAGSTER))
def test_package_is_free_of_dagster(package: str, imports: list[tuple[str, str]]) -> None:
    assert not [each for each in imports if each[0].partition(".")[0] == package and each[1] == ":dagster"]


def test_client_is_free_of_polars(imports: list[tuple[str, str]]) -> None:
    assert not [each for each in imports if each[0].startswith("api") and each[1] == ":polars"]
