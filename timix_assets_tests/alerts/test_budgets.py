"""When budget alerts fire, and their message."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from timix_assets.alerts.budgets import (
    RECOVERY_DAYS,
    SEVERITY,
    BudgetStates,
    BudgetTransition,
    budget_message,
    find_transitions,
)
from timix_assets.reporting.summary import Budget

TODAY = date(2026, 11, 18)
DAYS = 14
LINK = "http://127.0.0.1:3000/assets/rollups/budget_health"
ASSET = "rollups/budget_health"
APOLLO = Budget("prj-1", "TM", "Apollo", "Acme", "on_track", Decimal(50), Decimal(100), None, None)


def tick(
    *budgets: Budget, before: BudgetStates | None = None, today: date = TODAY
) -> tuple[list[BudgetTransition], BudgetStates]:
    return find_transitions(budgets, before, today, DAYS)


def transitions_of(*states: Budget | None) -> list[int]:
    """How many transitions each tick finds after the first; None: the budget is absent."""
    _, states_before = tick(*[state for state in states[:1] if state])
    found = []
    for state in states[1:]:
        transitions, states_before = tick(*([state] if state else []), before=states_before)
        found.append(len(transitions))
    return found


def status(word: str | None) -> Budget:
    return replace(APOLLO, status=word)


def runs_out_in(days: int | None) -> Budget:
    return replace(APOLLO, exhaustion_date=None if days is None else TODAY + timedelta(days=days))


def test_first_tick_only_records() -> None:
    transitions, states_before = tick(status("over_budget"))
    assert transitions == []
    assert tick(status("over_budget"), before=states_before)[0] == []


def test_alerts_on_new_project_already_at_risk() -> None:
    assert len(tick(status("at_risk"), before={})[0]) == 1


def test_alerts_once_per_worse_status() -> None:
    assert transitions_of(*map(status, ("on_track", "at_risk", "at_risk", "over_budget", "over_budget"))) == [
        1,
        0,
        1,
        0,
    ]


def test_alerts_on_new_cap_already_exceeded() -> None:
    assert transitions_of(*map(status, ("no_budget", "on_track", "no_budget", "over_budget"))) == [0, 0, 1]


def test_alerts_again_only_after_recovery() -> None:
    assert transitions_of(*map(status, ("at_risk", "over_budget", "at_risk", "over_budget"))) == [1, 0, 1]


def test_hidden_status_keeps_previous_state() -> None:
    assert transitions_of(*map(status, ("at_risk", None, "at_risk", None, "over_budget"))) == [0, 0, 0, 1]


def test_alerts_once_when_exhaustion_comes_within_days() -> None:
    assert transitions_of(*map(runs_out_in, (40, DAYS + 1, DAYS, DAYS - 1, 1))) == [0, 1, 0, 0]


def test_alerts_when_days_pass_until_exhaustion() -> None:
    _, states_before = tick(runs_out_in(DAYS + 1))
    assert len(tick(runs_out_in(DAYS + 1), before=states_before, today=TODAY + timedelta(days=1))[0]) == 1


def test_fluctuating_exhaustion_date_alerts_once() -> None:
    edge = DAYS + RECOVERY_DAYS
    assert transitions_of(*map(runs_out_in, (40, DAYS, DAYS + 1, DAYS, edge, DAYS))) == [1, 0, 0, 0, 0]


def test_exhaustion_alerts_again_after_it_moved_away() -> None:
    assert transitions_of(*map(runs_out_in, (40, 10, DAYS + RECOVERY_DAYS + 1, 10, None, 10))) == [1, 0, 1, 0, 1]


def test_status_and_exhaustion_together_are_one_transition() -> None:
    _, states_before = tick(status("on_track"))
    [transition], _ = tick(replace(runs_out_in(3), status="at_risk"), before=states_before)
    assert transition.is_worse_status


def test_no_exhaustion_alert_after_over_budget() -> None:
    assert transitions_of(status("on_track"), status("over_budget"), replace(runs_out_in(3), status="at_risk")) == [
        1,
        0,
    ]


def test_restored_project_does_not_alert_again() -> None:
    assert transitions_of(status("over_budget"), None, status("over_budget")) == [0, 0]


def test_lifted_cap_counts_as_recovery() -> None:
    hours = replace(APOLLO, scope="Fix")
    money = replace(APOLLO, scope="amount", status="over_budget")
    _, states_before = tick(hours, money)
    _, states_before = tick(hours, before=states_before)
    assert [c.budget.scope for c in tick(hours, money, before=states_before)[0]] == ["amount"]


def test_budgets_of_one_project_are_independent() -> None:
    amount = replace(APOLLO, scope="amount")
    _, states_before = tick(APOLLO, amount)
    transitions, _ = tick(replace(APOLLO, status="at_risk"), amount, before=states_before)
    assert [c.budget.scope for c in transitions] == ["TM"]


@given(st.lists(st.sampled_from([*SEVERITY, None]), min_size=1))
def test_any_status_sequence_alerts_once_per_worsening(words: list[str | None]) -> None:
    known = [SEVERITY[word] for word in words if word is not None]
    if words[0] is None:
        known.insert(0, 0)
    worsenings = sum(after > before for before, after in pairwise(known))
    assert sum(transitions_of(*map(status, words))) == worsenings


AT_RISK = replace(APOLLO, status="at_risk", used=Decimal("83.5"), exhaustion_date=TODAY + timedelta(days=9))


def test_message_has_burn_cap_date_and_link() -> None:
    message = budget_message([BudgetTransition(AT_RISK, "on_track", is_worse_status=True)], TODAY, TODAY, ASSET, LINK)
    assert message.title == "Apollo: time and materials budget at risk"
    assert message.text == (
        "• Apollo, customer Acme: time and materials budget at risk (was on track). Burn 83 %: 83.5 of 100 h. "
        f"At this rate exhausted on 27 Nov 2026.\n\nAs of 18 Nov 2026. {LINK}"
    )


def test_message_has_currency_and_day_of_reached_cap() -> None:
    over = replace(
        AT_RISK,
        scope="amount",
        status="over_budget",
        used=Decimal("12000.50"),
        cap=Decimal("12000"),
        currency="EUR",
        exhaustion_date=date(2026, 11, 17),
    )
    text = budget_message([BudgetTransition(over, "at_risk", is_worse_status=True)], TODAY, TODAY, ASSET, LINK).text
    assert "amount budget over budget (was at risk). Burn 100 %: 12,000.5 of 12,000 EUR. Cap reached on" in text


def test_one_message_has_a_line_per_transition() -> None:
    soon = BudgetTransition(replace(AT_RISK, status="on_track"), "on_track", is_worse_status=False)
    message = budget_message([soon, soon, soon], TODAY, TODAY, ASSET, LINK)
    assert message.title == "3 budgets need attention"
    assert message.text.count("• Apollo, customer Acme: time and materials budget running out soon.") == 3


def test_message_isolates_hebrew_names() -> None:
    named = replace(AT_RISK, project="פרויקט תשתיות", customer="שמש בע״מ")
    message = budget_message([BudgetTransition(named, "on_track", is_worse_status=True)], TODAY, TODAY, ASSET, LINK)
    assert message.title == "\u2067פרויקט תשתיות\u2069: time and materials budget at risk"
    assert "customer \u2067שמש בע״מ\u2069: time" in message.text
