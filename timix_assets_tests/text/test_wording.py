"""Nouns agree with their number."""

from timix_assets.text.wording import count_noun


def test_noun_agrees_with_its_number() -> None:
    assert [count_noun(1, "entry", "entries"), count_noun(2, "entry", "entries"), count_noun(1200, "budget")] == [
        "1 entry",
        "2 entries",
        "1,200 budgets",
    ]
