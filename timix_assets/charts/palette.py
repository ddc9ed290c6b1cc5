"""Every colour of the charts, once: a colour has the same meaning in every chart. Colour-blind eyes can tell them apart."""

from collections.abc import Mapping

from ..metrics.budget_policy import AT_RISK, NO_BUDGET, ON_TRACK, OVER_BUDGET
from ..metrics.timesheets import AWAITING_APPROVAL, COMPLETE, MISSING, NOT_DUE, UNSUBMITTED

Colour = str
"""#rrggbb."""

STATUS: Mapping[str, Colour] = {
    ON_TRACK: "#3d7ea6",
    AT_RISK: "#e3a01b",
    OVER_BUDGET: "#bf3f2b",
    NO_BUDGET: "#a7adb4",
}
"""Colours of `budget_health.status`."""

TIMESHEET: Mapping[str, Colour] = {
    MISSING: "#8c2f39",
    UNSUBMITTED: "#d9a441",
    AWAITING_APPROVAL: "#9db4c0",
    COMPLETE: "#dfe9dc",
    NOT_DUE: "#f6f4f0",
}
"""Colours of `timesheet_compliance.status`."""

BELOW_TARGET, AT_TARGET, ABOVE_TARGET = "#6a3d8a", "#ece9e4", "#1f7a4d"
"""The heat map runs from the first through the second to the third."""

BILLABLE, TOTAL = "#27406b", "#8fa3bf"
REVENUE, REVENUE_SO_FAR, MARGIN, LOSS = "#5f6b78", "#b4c0cd", "#a84f88", "#b5483a"
"""The second: of a month that is not over. The last: a margin of 0 or below."""

EARNED, COST = "#b9c6d6", "#8a5a2b"
"""Of fixed-price projects."""

WAITING_FOR_INVOICE, WAITING_FOR_PAYMENT, LOCKUP = "#7c9a5e", "#b07d3c", "#33302b"
"""Lock-up is the sum of the two."""
BILLED_SHARE, WRITTEN_DOWN = "#4f6d7a", "#d8b4a0"

YOUNGEST, OLDEST = "#cfe5e3", "#0d4f50"
"""Ends of the ramp on which money ages."""

INK, FAINT_INK, HAIRLINE, PAPER = "#22262b", "#6d747c", "#dfe2e6", "#ffffff"
"""Text and limits; secondary text; axes; background."""


def ages(count: int) -> list[Colour]:
    """That many steps from YOUNGEST to OLDEST."""
    return [between(YOUNGEST, OLDEST, i / max(count - 1, 1)) for i in range(count)]


def between(first: Colour, second: Colour, share: float) -> Colour:
    """The colour that lies that share of the way from the first to the second."""
    return "#" + "".join(
        f"{round(a + (b - a) * share):02x}" for a, b in zip(_channels(first), _channels(second), strict=True)
    )


def _channels(colour: Colour) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))
