"""What is told of assets that were not computed, because others failed."""

from timix_assets.commands.not_computed import NotComputed, by_cause, sentence

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


def test_what_is_computed_from_a_failed_asset_is_told_also_when_others_stand_between() -> None:
    [group] = by_cause({"timix/a": "403"}, PARENTS, RAW | {"rollups/of_c"})
    assert group == NotComputed(("rollups/of_a", "rollups/of_a_and_b", "rollups/of_that"), ("timix/a",))


def test_two_causes_are_two_lines_and_what_has_both_is_a_third() -> None:
    groups = by_cause({"timix/a": "403", "timix/b": "500"}, PARENTS, RAW | {"rollups/of_c"})
    assert [(group.assets, group.failed) for group in groups] == [
        (("rollups/of_a", "rollups/of_that"), ("timix/a",)),
        (("rollups/of_a_and_b",), ("timix/a", "timix/b")),
    ]


def test_one_cause_is_one_line_however_many_assets_failed_by_it() -> None:
    [group] = by_cause(dict.fromkeys(RAW, "the key was revoked"), PARENTS, RAW)
    assert group.failed == ("timix/a", "timix/b", "timix/c")
    assert len(group.assets) == 4


def test_what_did_not_begin_for_another_reason_has_no_failed_asset_to_blame() -> None:
    assert by_cause({"timix/a": "403"}, PARENTS, PARENTS.keys() - {"rollups/of_c"}) == []


def test_the_sentence_names_the_failed_assets_when_they_are_few_and_counts_them_when_they_are_many() -> None:
    few = NotComputed(("rollups/x",), ("timix/a",))
    many = NotComputed(("rollups/x", "rollups/y"), ("timix/a", "timix/b"))
    assert sentence(few, most_named=1) == ("rollups/x, because timix/a failed; it stays as the last refresh left it.")
    assert sentence(many, most_named=1) == (
        "rollups/x, rollups/y, because 2 assets that they are computed from failed; they stay as the last refresh left them."
    )
    assert "because timix/a and timix/b failed" in sentence(many, most_named=2)
