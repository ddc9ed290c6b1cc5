"""Assets that were not computed because others failed, and the message for them."""

from timix_assets.commands.skipped_downstream import SkippedAssets, describe, skipped_by_cause

PARENTS = {
    "timix/a": set[str](),
    "timix/b": set[str](),
    "timix/c": set[str](),
    "rollups/of_a": {"timix/a"},
    "rollups/of_that": {"rollups/of_a"},
    "rollups/of_a_and_b": {"timix/a", "timix/b"},
    "rollups/of_c": {"timix/c"},
}
RAW = {"timix/a", "timix/b", "timix/c"}


def test_finds_indirect_downstream_assets() -> None:
    [group] = skipped_by_cause({"timix/a": "403"}, PARENTS, RAW | {"rollups/of_c"})
    assert group == SkippedAssets(("rollups/of_a", "rollups/of_a_and_b", "rollups/of_that"), ("timix/a",))


def test_groups_by_set_of_causes() -> None:
    groups = skipped_by_cause({"timix/a": "403", "timix/b": "500"}, PARENTS, RAW | {"rollups/of_c"})
    assert [(group.assets, group.failed) for group in groups] == [
        (("rollups/of_a", "rollups/of_that"), ("timix/a",)),
        (("rollups/of_a_and_b",), ("timix/a", "timix/b")),
    ]


def test_one_cause_of_many_assets_is_one_group() -> None:
    [group] = skipped_by_cause(dict.fromkeys(RAW, "the key was revoked"), PARENTS, RAW)
    assert group.failed == ("timix/a", "timix/b", "timix/c")
    assert len(group.assets) == 4


def test_ignores_assets_without_failed_upstream() -> None:
    assert skipped_by_cause({"timix/a": "403"}, PARENTS, PARENTS.keys() - {"rollups/of_c"}) == []


def test_message_names_few_failed_assets_and_counts_many() -> None:
    few = SkippedAssets(("rollups/x",), ("timix/a",))
    many = SkippedAssets(("rollups/x", "rollups/y"), ("timix/a", "timix/b"))
    assert describe(few, max_named=1) == ("rollups/x, because timix/a failed; it keeps its previous content.")
    assert describe(many, max_named=1) == (
        "rollups/x, rollups/y, because 2 upstream assets failed; they keep their previous content."
    )
    assert "because timix/a and timix/b failed" in describe(many, max_named=2)
