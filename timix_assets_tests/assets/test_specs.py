"""A snapshot of every asset: lineage, owners and checks cannot change unseen. `python -m` this module rewrites it."""

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
        "partitioned": spec.partitions_def is not None,
        "automated": spec.automation_condition is not None,
        "columns": [column.name for column in columns(spec)],
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


def test_every_asset_is_as_the_snapshot_says() -> None:
    assert snapshot() == json.loads(SNAPSHOT.read_text())


def test_every_asset_explains_itself() -> None:
    for spec in defs.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.description, name
        assert spec.owners, name
        assert spec.kinds, name
        assert spec.group_name, name
        for column in columns(spec):
            assert column.description, f"{name}.{column.name}"


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(snapshot(), indent=1) + "\n")
