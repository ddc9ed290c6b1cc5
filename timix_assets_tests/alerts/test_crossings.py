"""When a budget is worth a message."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from timix_assets.alerts.crossings import RECOVERY_DAYS, SEVERITY, Budget, Crossing, Standings, look

TODAY = date(2026, 11, 18)
DAYS = 14
APOLLO = Budget("prj-1", "TM", "Apollo", "Acme", "on_track", Decimal(50), Decimal(100), None, None)


def seen(*budgets: Budget, before: Standings | None = None, today: date = TODAY) -> tuple[list[Crossing], Standings]:
    return look(budgets, before, today, DAYS)


def crossings_of(*states: Budget | None) -> list[int]:
    """How many crossings each look finds after the first; None: the budget is not there."""
    _, standings = seen(*[state for state in states[:1] if state])
    found = []
    for state in states[1:]:
        crossed, standings = seen(*([state] if state else []), before=standings)
        found.append(len(crossed))
    return found


def status(word: str | None) -> Budget:
    return replace(APOLLO, status=word)


def runs_out_in(days: int | None) -> Budget:
    return replace(APOLLO, exhaustion_date=None if days is None else TODAY + timedelta(days=days))


def test_the_first_look_only_remembers() -> None:
    crossed, standings = seen(status("over_budget"))
    assert crossed == []
    assert seen(status("over_budget"), before=standings)[0] == []


def test_a_project_that_is_new_after_the_first_look_crosses_when_it_is_at_risk_already() -> None:
    assert len(seen(status("at_risk"), before={})[0]) == 1


def test_a_status_that_gets_worse_crosses_once() -> None:
    assert crossings_of(*map(status, ("on_track", "at_risk", "at_risk", "over_budget", "over_budget"))) == [1, 0, 1, 0]


def test_a_budget_that_was_without_a_cap_crosses_when_it_gets_one_that_it_exceeds() -> None:
    assert crossings_of(*map(status, ("no_budget", "on_track", "no_budget", "over_budget"))) == [0, 0, 1]


def test_a_status_crosses_again_only_after_it_recovered() -> None:
    assert crossings_of(*map(status, ("at_risk", "over_budget", "at_risk", "over_budget"))) == [1, 0, 1]


def test_a_status_that_the_role_hides_for_a_while_is_neither_better_nor_worse() -> None:
    assert crossings_of(*map(status, ("at_risk", None, "at_risk", None, "over_budget"))) == [0, 0, 0, 1]


def test_an_exhaustion_that_comes_within_the_days_crosses_once_on_the_last_of_them() -> None:
    assert crossings_of(*map(runs_out_in, (40, DAYS + 1, DAYS, DAYS - 1, 1))) == [0, 1, 0, 0]


def test_an_exhaustion_comes_near_by_the_mere_passing_of_days() -> None:
    _, standings = seen(runs_out_in(DAYS + 1))
    assert len(seen(runs_out_in(DAYS + 1), before=standings, today=TODAY + timedelta(days=1))[0]) == 1


def test_an_exhaustion_that_wavers_around_the_limit_crosses_once() -> None:
    edge = DAYS + RECOVERY_DAYS
    assert crossings_of(*map(runs_out_in, (40, DAYS, DAYS + 1, DAYS, edge, DAYS))) == [1, 0, 0, 0, 0]


def test_an_exhaustion_crosses_again_after_it_moved_well_away_or_vanished() -> None:
    assert crossings_of(*map(runs_out_in, (40, 10, DAYS + RECOVERY_DAYS + 1, 10, None, 10))) == [1, 0, 1, 0, 1]


def test_a_status_and_an_exhaustion_that_cross_together_are_one_crossing() -> None:
    _, standings = seen(status("on_track"))
    [crossing], _ = seen(replace(runs_out_in(3), status="at_risk"), before=standings)
    assert crossing.worsened


def test_going_over_says_nothing_more_of_the_exhaustion_when_the_cap_is_raised_a_little() -> None:
    assert crossings_of(status("on_track"), status("over_budget"), replace(runs_out_in(3), status="at_risk")) == [1, 0]


def test_a_deleted_project_that_comes_back_as_it_was_does_not_cross_again() -> None:
    assert crossings_of(status("over_budget"), None, status("over_budget")) == [0, 0]


def test_a_budget_whose_cap_was_lifted_has_recovered() -> None:
    hours = replace(APOLLO, scope="Fix")
    money = replace(APOLLO, scope="amount", status="over_budget")
    _, standings = seen(hours, money)
    _, standings = seen(hours, before=standings)
    assert [c.budget.scope for c in seen(hours, money, before=standings)[0]] == ["amount"]


def test_two_budgets_of_one_project_cross_by_themselves() -> None:
    amount = replace(APOLLO, scope="amount")
    _, standings = seen(APOLLO, amount)
    crossed, _ = seen(replace(APOLLO, status="at_risk"), amount, before=standings)
    assert [c.budget.scope for c in crossed] == ["TM"]


@given(st.lists(st.sampled_from([*SEVERITY, None]), min_size=1))
def test_any_sequence_of_statuses_crosses_exactly_once_per_worsening(words: list[str | None]) -> None:
    known = [SEVERITY[word] for word in words if word is not None]
    if words[0] is None:
        known.insert(0, 0)
    worsenings = sum(after > before for before, after in pairwise(known))
    assert sum(crossings_of(*map(status, words))) == worsenings
