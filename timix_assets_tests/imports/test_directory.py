"""How a row's names find people and subtasks."""

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
