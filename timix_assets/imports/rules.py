"""The rules that an entry must keep before it is written: hours, budgets, closed months, rates, people. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from datetime import date
from decimal import Decimal

from .directory import Caps, Person, Subtask
from .entry import MAX_TEXT_LENGTH, Entry
from .mapping import ImportMapping
from .permissions import KeyOwner
from .steps import RuleBroken

MAX_HOURS = Decimal(24)
"""Longest entry. Source: the vendor's page logging-time. Also the longest day of a person."""

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""The contract reads no other days, so an entry on one could not be found again."""

_NOTHING = Decimal(0)

Budget = tuple[str, str, str]
"""(level, id, scope)"""


class Rules:
    """Checks entries one after the other; each that passes counts for those after it.

    Args:
        mapping: Its `over_budget` says whether that rule is on.
        owner: Whom the key acts for.
        caps: The hour caps.
        closed: The closed months, of which nothing may be changed.
        used: (level, id, scope) -> hours that count against the cap already; absent where unknown.
        existing: The entries of the days in question, in Timix.
    """

    def __init__(
        self,
        mapping: ImportMapping,
        owner: KeyOwner,
        caps: Caps,
        closed: Set[date],
        used: Mapping[tuple[str, str, str], Decimal],
        existing: Iterable[Entry],
    ) -> None:
        self._mapping = mapping
        self._owner = owner
        self._caps = caps
        self._closed = closed
        self._used = dict(used)
        self._hours: dict[tuple[str, date], Decimal] = defaultdict(Decimal)
        for entry in existing:
            self._hours[entry.user_id, entry.date] += entry.hours

    def check(
        self, entry: Entry, person: Person, subtask: Subtask, before: Entry | None, subtask_before: Subtask | None
    ) -> None:
        """Checks a new entry, or one that replaces `before`; RuleBroken for the first rule that it breaks.

        Args:
            person, subtask: Of the entry.
            before: The entry as it is in Timix; None for a new one.
            subtask_before: The subtask of that; None also where it is not known.
        """
        self._check_values(entry, subtask)
        rate = entry.over(before).customer_rate if before else entry.customer_rate
        if rate is not None and subtask.billing_type == "OVH":
            raise RuleBroken(f"overhead (OVH) has no customer rate, not {_number(rate)}")
        if refusal := self._owner.refusal(person.id, sets_rate=entry.customer_rate is not None):
            raise RuleBroken(refusal)
        self._check_person(entry, person)
        if refusal := closed_month([entry.date, before.date if before else entry.date], self._closed):
            raise RuleBroken(refusal)
        hours, budgets = defaultdict[tuple[str, date], Decimal](Decimal), defaultdict[Budget, Decimal](Decimal)
        for each, sign, charged in ((before, -1, subtask_before), (entry, 1, subtask)):
            if each is not None:
                hours[each.user_id, each.date] += sign * each.hours
                for budget in charged.budgets if charged else ():
                    budgets[budget] += sign * each.hours
        total = self._hours[entry.user_id, entry.date] + hours[entry.user_id, entry.date]
        if total > MAX_HOURS:
            raise RuleBroken(f"{person.name} would have {_number(total)} hours on {entry.date}")
        self._charge(budgets)
        for day, change in hours.items():
            self._hours[day] += change

    def release(self, entry: Entry, subtask: Subtask | None) -> None:
        """Counts an entry no longer, since it will be deleted. subtask: of the entry; None where it is not known."""
        self._hours[entry.user_id, entry.date] -= entry.hours
        self._charge(dict.fromkeys(subtask.budgets if subtask else (), -entry.hours))

    def _check_values(self, entry: Entry, subtask: Subtask) -> None:
        if not 0 < entry.hours <= MAX_HOURS:
            raise RuleBroken(f"hours must be more than 0 and at most {MAX_HOURS}, not {_number(entry.hours)}")
        if not FIRST_YEAR <= entry.date.year <= LAST_YEAR:
            raise RuleBroken(f"the day {entry.date} is not in the years {FIRST_YEAR} to {LAST_YEAR}")
        if len(entry.text) > MAX_TEXT_LENGTH:
            raise RuleBroken(
                f"the text has {len(entry.text):,} characters with its mark, more than {MAX_TEXT_LENGTH:,}"
            )
        if entry.customer_rate is not None and not _is_rate(entry.customer_rate):
            raise RuleBroken(f"rate must be at least 0 with at most 4 decimals, not {_number(entry.customer_rate)}")
        if subtask.closed:
            raise RuleBroken(f"no time can be logged: {subtask.closed}")

    def _check_person(self, entry: Entry, person: Person) -> None:
        if not person.is_active and person.last_day is None:
            raise RuleBroken(f"{person.name} is not active")
        if person.first_day and entry.date < person.first_day:
            raise RuleBroken(f"{person.name} started on {person.first_day}")
        if person.last_day and entry.date > person.last_day:
            raise RuleBroken(f"{person.name} left on {person.last_day}")

    def _charge(self, budgets: Mapping[Budget, Decimal]) -> None:
        """Counts hours against every cap of known use, or refuses them; a cap of 0 is no cap."""
        known = {budget: hours for budget, hours in budgets.items() if budget in self._used}
        for budget, hours in known.items():
            cap, used = self._caps.get(budget), self._used[budget]
            if self._mapping.over_budget == "refuse" and cap and hours > 0 and used + hours > cap:
                left = max(_NOTHING, cap - used)
                raise RuleBroken(
                    f"over budget: the {budget[0]} has {_number(left)} of {_number(cap)} hours left, and this needs "
                    f"{_number(hours)}"
                )
        for budget, hours in known.items():
            self._used[budget] += hours


def closed_month(days: Iterable[date], closed: Set[date]) -> str:
    """The first of these days' months that is closed: `the month 2026-10 is closed`; empty when none is."""
    return next((f"the month {day:%Y-%m} is closed" for day in sorted(days) if day.replace(day=1) in closed), "")


def _is_rate(value: Decimal) -> bool:
    return value >= 0 and value == round(value, 4)


def _number(value: Decimal) -> str:
    return f"{value.normalize():,f}"
