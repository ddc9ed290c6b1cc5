"""How a row's names find people and subtasks."""

import re
import unicodedata

import pytest

from timix_assets.imports import directory
from timix_assets.imports.directory import Directory, NoMatch, Person, Subtask

SAME = {
    "a mark of direction": ("אבג", "אבג\N{RIGHT-TO-LEFT MARK}"),
    "marks around it": ("אבג", "\N{RIGHT-TO-LEFT EMBEDDING}אבג\N{POP DIRECTIONAL FORMATTING}"),
    "a byte order mark": ("Acme", "\N{BOM}Acme"),
    "another Unicode form": ("Müller", unicodedata.normalize("NFD", "Müller")),
    "a soft hyphen": ("Beratung", "Bera\N{SOFT HYPHEN}tung"),
    "a no-break space": ("Acme Ltd", "Acme\N{NO-BREAK SPACE}Ltd"),
    "a mark within a letter": ("Müller", "Mu\N{ZERO WIDTH JOINER}\N{COMBINING DIAERESIS}ller"),
}


def subtask(number: int, *names: str) -> Subtask:
    customer, project, task, name = names
    return Subtask(f"sub-{number}", (customer, project, task, name), ("Active",) * 4, "TM")


@pytest.mark.parametrize("names", SAME.values(), ids=SAME)
def test_names_that_look_equal_are_equal(names: tuple[str, str]) -> None:
    for stored, given in (names, names[::-1]):
        found = Directory([Person("u1", "", stored, is_active=True)], [subtask(1, stored, "P", "T", "S")])
        assert found.person(given).id == "u1"
        assert found.subtask({"customer": given, "subtask": "s"}).id == "sub-1"


def test_first_level_that_does_not_fit_is_named() -> None:
    found = Directory(
        [], [subtask(1, "Acme", "Website", "Build", "Design"), subtask(2, "Beta", "Shop", "Test", "Acme")]
    )
    for path, level in (
        ({"customer": "Gamma", "project": "Website"}, "customer"),
        ({"customer": "ACME", "project": "Shop", "task": "Test", "subtask": "Acme"}, "project"),
        ({"customer": "Acme", "subtask": "Acme"}, "subtask"),
        ({"subtask": "Beta / Shop / Build / Acme"}, "task"),
    ):
        with pytest.raises(NoMatch, match=f": there is no such {level}$"):
            found.subtask(path)


SEVERAL = Directory(
    [],
    [
        subtask(1, "Acme", "Website", "Build", "Design"),
        subtask(2, "Acme", "Website", "Build", "Test"),
        subtask(3, "Beta", "Shop", "Build", "Test"),
        subtask(4, "Beta", "Shop", "Sell", "Test"),
        subtask(5, "Beta", "Shop", "Sell", "Test"),
    ],
)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            {"customer": "Acme", "project": "Website", "task": "Build"},
            "2 subtasks fit “Acme / Website / Build”: Design (sub-1), Test (sub-2); name the subtask too, or the id,",
        ),
        (
            {"customer": "Acme", "task": "Build"},
            "Website / Design (sub-1), Website / Test (sub-2); name the project and subtask too, or the id,",
        ),
        (
            {"subtask": "test"},
            "4 subtasks fit “test”: Acme / Website / Build (sub-2), Beta / Shop / Build (sub-3), Beta / Shop / Sell (sub-4), …; "
            "name the customer, project and task too, or the id,",
        ),
        (
            {"subtask": "Beta / Shop / Sell / Test"},
            "2 subtasks fit “Beta / Shop / Sell / Test”: sub-4, sub-5; name the id,",
        ),
    ],
)
def test_what_is_missing_of_an_ambiguous_path_is_named(path: dict[str, str], said: str) -> None:
    with pytest.raises(NoMatch) as refused:
        SEVERAL.subtask(path)
    assert f"{said} in a column or under `values` of the field subtask in a mapping" in f"{refused.value}"


@pytest.mark.parametrize(
    ("joined", "said"),
    [
        ("Acme / Nowhere / Build", "no subtask is at “Acme / Nowhere / Build”: there is no such project"),
        ("Nowhere / Website", "no subtask is at “Nowhere / Website”: there is no such customer"),
        (
            "Acme / Website / Build",
            "no subtask is at “Acme / Website / Build”: below it are Design (sub-1), Test (sub-2); name",
        ),
    ],
)
def test_path_without_a_subtask_is_read_from_the_customer_on(joined: str, said: str) -> None:
    with pytest.raises(NoMatch, match=re.escape(said)):
        SEVERAL.subtask({"subtask": joined})


def test_name_of_invisible_marks_is_no_name() -> None:
    found = Directory([], [Subtask("sub-1", ("", "P", "T", "S"), ("Active",) * 4, "TM")])
    with pytest.raises(NoMatch, match="no customer, project, task or subtask is named"):
        found.subtask({"customer": "\N{RIGHT-TO-LEFT MARK}"})


def test_refused_row_does_not_go_through_all_subtasks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Directory([], [subtask(n, f"C{n % 50}", f"P{n}", "Build", "Design") for n in range(500)])
    compared: list[str] = []
    fold = directory.folded
    monkeypatch.setattr(directory, "folded", lambda name: compared.append(name) or fold(name))
    with pytest.raises(NoMatch, match="there is no such project"):
        found.subtask({"customer": "C1", "project": "Nowhere", "task": "Build"})
    assert compared == ["C1", "Nowhere", "Build"]
