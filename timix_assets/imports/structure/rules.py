"""The rules that an element must keep before it is written: billing types, dates, hours that are logged already. Pure."""

from collections.abc import Callable, Mapping, Sequence

from ..steps import RuleBroken
from .element import Element

REQUIRED = {"project": ("billing_types",), "subtask": ("billing_type",)}
"""Level -> columns that a new element must have. The others may be empty, or Timix sets them."""


class Rules:
    """Checks elements.

    Args:
        existing: Level -> id -> element, of everything in Timix.
        hours_on: Why hours may be logged on a subtask, by its id; empty when there are none.
    """

    def __init__(self, existing: Mapping[str, Mapping[str, Element]], hours_on: Callable[[str], str]) -> None:
        self._existing = existing
        self._hours_on = hours_on

    def check(
        self, element: Element, above: Sequence[Element], element_id: str | None = None, before: Element | None = None
    ) -> None:
        """Checks an element; RuleBroken for the first rule that it breaks.

        Args:
            element: With all of its values.
            above: The elements above, from the customer down, as they will be.
            element_id, before: Of an element that is in Timix.
        """
        if before is None:
            for column in REQUIRED.get(element.level, ()):
                if not element.columns.get(column):
                    raise RuleBroken(f"a new {element.level} needs {column}")
        first, last = element.columns.get("start_date"), element.columns.get("end_date")
        if first and last and first > last:
            raise RuleBroken(f"end_date {last} is before start_date {first}")
        if element.level == "project" and element_id is not None:
            self._check_types_in_use(element, element_id)
        if element.level == "subtask":
            self._check_billing_type(element, above, element_id, before)

    def _check_types_in_use(self, project: Element, project_id: str) -> None:
        allowed = project.columns.get("billing_types")
        if not allowed:
            return
        tasks = {task_id for task_id, task in self._existing["task"].items() if task.parent_id == project_id}
        for subtask in self._existing["subtask"].values():
            billing_type = subtask.columns.get("billing_type")
            if subtask.parent_id in tasks and billing_type and billing_type not in allowed:
                raise RuleBroken(f"its subtask {subtask.name} is {billing_type}, which billing_types would not allow")

    def _check_billing_type(
        self, subtask: Element, above: Sequence[Element], subtask_id: str | None, before: Element | None
    ) -> None:
        billing_type = subtask.columns.get("billing_type")
        earlier = before.columns.get("billing_type") if before else None
        if billing_type == earlier:
            return
        allowed = next((each.columns.get("billing_types") for each in above if each.level == "project"), None)
        if allowed and billing_type not in allowed:
            raise RuleBroken(f"the project allows {', '.join(allowed)}, not {billing_type}")
        if earlier and subtask_id and (why := self._hours_on(subtask_id)):
            raise RuleBroken(f"billing_type stays {earlier}: {why}")
