"""The rules of entries that replace others: what the old ones took is given back. Pure."""

from datetime import date
from decimal import Decimal

import pytest

from timix_assets.imports.directory import Person, Subtask
from timix_assets.imports.entry import Entry
from timix_assets.imports.mapping import ImportMapping
from timix_assets.imports.permissions import KeyOwner
from timix_assets.imports.rules import Rules
from timix_assets.imports.steps import RuleBroken

ANN = Person("ann", "", "Ann", is_active=True)
DESIGN, TEST = (
    Subtask(each, ("Acme", "Website", "Build", each), (None,) * 4, "TM", "build", "website")
    for each in ("design", "test")
)
MONDAY, TUESDAY = date(2026, 11, 9), date(2026, 11, 10)


def entry(subtask: Subtask, hours: int, day: date = MONDAY) -> Entry:
    return Entry(ANN.id, subtask.id, day, Decimal(hours))


def rules(*existing: Entry, project: int = 0, design: int = 0) -> Rules:
    """Rules with a cap of 10 hours for the project and for the subtask Design, of which so many are used."""
    budgets = ("project", "website", "TM"), ("subtask", "design", "hours")
    used = dict(zip(budgets, map(Decimal, (project, design)), strict=True))
    caps = dict.fromkeys(budgets, Decimal(10))
    return Rules(ImportMapping(), KeyOwner(None, "Owner"), caps, set(), used, existing)


def test_move_within_a_project_charges_it_with_the_difference() -> None:
    there = entry(DESIGN, 6)
    checked = rules(there, project=8, design=6)
    checked.check(entry(TEST, 8), ANN, TEST, there, DESIGN)
    with pytest.raises(RuleBroken, match="the project has 0 of 10 hours left, and this needs 1"):
        checked.check(entry(TEST, 1), ANN, TEST, None, None)


def test_move_gives_the_hours_of_its_old_subtask_back() -> None:
    there = entry(DESIGN, 6)
    checked = rules(there, project=6, design=6)
    with pytest.raises(RuleBroken, match="has 4 of 10 hours left, and this needs 5"):
        checked.check(entry(DESIGN, 5), ANN, DESIGN, None, None)
    checked.check(entry(TEST, 6), ANN, TEST, there, DESIGN)
    checked.check(entry(DESIGN, 4), ANN, DESIGN, None, None)


def test_move_gives_the_hours_of_its_old_day_back() -> None:
    there = entry(TEST, 9)
    checked = rules(there, entry(DESIGN, 12))
    with pytest.raises(RuleBroken, match="Ann would have 25 hours on 2026-11-09"):
        checked.check(entry(TEST, 4), ANN, TEST, None, None)
    checked.check(entry(TEST, 9, TUESDAY), ANN, TEST, there, TEST)
    checked.check(entry(TEST, 4), ANN, TEST, None, None)


def test_entry_that_will_be_deleted_gives_its_hours_back() -> None:
    there = entry(DESIGN, 10)
    checked = rules(there, project=10, design=10)
    with pytest.raises(RuleBroken, match="over budget: the project has 0 of 10 hours left"):
        checked.check(entry(DESIGN, 1), ANN, DESIGN, None, None)
    checked.release(there, DESIGN)
    checked.check(entry(DESIGN, 10), ANN, DESIGN, None, None)
