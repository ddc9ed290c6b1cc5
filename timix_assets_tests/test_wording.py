"""Words that go by a number."""

import pytest

from timix_assets.wording import counted, numbered


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 months were never read and count as empty; read them."),
        (1, "1 month was never read and counts as empty; read it."),
        (1200, "1,200 months were never read and count as empty; read them."),
    ],
)
def test_a_sentence_goes_by_its_number(count: int, said: str) -> None:
    sentence = "[month was|months were] never read and [counts|count] as empty; read [it|them]."
    assert numbered(count, sentence) == said


def test_a_noun_goes_by_its_number() -> None:
    assert [counted(1, "entry", "entries"), counted(2, "entry", "entries"), counted(1200, "budget")] == [
        "1 entry",
        "2 entries",
        "1,200 budgets",
    ]
