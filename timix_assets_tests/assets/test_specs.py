"""A snapshot of every asset: its group, lineage, owners, tags and checks cannot change unseen.

Columns are not in it: contract/endpoints.py declares those of raw tables, and docs/metrics.md shows those of rollups.
Rewrite it with `python -m timix_assets_tests.assets.test_specs`.
"""

import json
from pathlib import Path
from typing import Any

from dagster import AssetSpec

from timix_assets.definitions import defs

SNAPSHOT = Path(__file__).with_name("specs.json")


def described(spec: AssetSpec, checks: list[str]) -> dict[str, Any]:
    return {
        "group": spec.group_name,
        "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
        "kinds": sorted(spec.kinds),
        "owners": list(spec.owners),
        "tags": {name: value for name, value in sorted(spec.tags.items()) if name.startswith("timix/")},
        "code_version": spec.code_version,
        "partitioned": spec.partitions_def is not None,
        "automated": spec.automation_condition is not None,
        "checks": checks,
    }


def columns(spec: AssetSpec) -> list[Any]:
    schema = spec.metadata.get("dagster/column_schema")
    return (
        list(schema.value.columns)
        if schema is not None and hasattr(schema, "value")
        else list(schema.columns if schema else [])
    )


def snapshot() -> dict[str, Any]:
    graph = defs.resolve_asset_graph()
    found = {}
    for spec in defs.resolve_all_asset_specs():
        checks = sorted(key.name for key in graph.get(spec.key).check_keys)
        found[spec.key.to_user_string()] = described(spec, checks)
    return dict(sorted(found.items()))


def as_text(specs: dict[str, Any]) -> str:
    """One asset a line and its lists in it: a change of one asset is a change of one line."""
    lines = (f" {json.dumps(name)}: {json.dumps(spec)}" for name, spec in specs.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def test_assets_match_the_snapshot() -> None:
    assert snapshot() == json.loads(SNAPSHOT.read_text())


def test_asset_has_description_owner_kind_group_and_columns() -> None:
    for spec in defs.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.description, name
        assert spec.owners, name
        assert spec.kinds, name
        assert spec.group_name, name
        for column in columns(spec):
            assert column.description, f"{name}.{column.name}"


if __name__ == "__main__":
    SNAPSHOT.write_text(as_text(snapshot()))
