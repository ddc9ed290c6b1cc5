"""Every colour of the charts, once: a colour means the same on every picture. Colour-blind eyes can tell them apart."""

from collections.abc import Mapping

from ..metrics.budget_status import AT_RISK, NO_BUDGET, ON_TRACK, OVER_BUDGET

Colour = str
"""#rrggbb."""

STATUS: Mapping[str, Colour] = {
    ON_TRACK: "#3d7ea6",
    AT_RISK: "#e3a01b",
    OVER_BUDGET: "#bf3f2b",
    NO_BUDGET: "#a7adb4",
}
"""Colours of `budget_health.status`."""

BELOW_TARGET, AT_TARGET, ABOVE_TARGET = "#6a3d8a", "#ece9e4", "#1f7a4d"
"""The heat map runs from the first through the second to the third."""

BILLABLE, TOTAL = "#27406b", "#8fa3bf"
REVENUE, REVENUE_SO_FAR, MARGIN = "#5f6b78", "#b4c0cd", "#a84f88"
"""The second: of a month that is not over."""

YOUNGEST, OLDEST = "#cfe5e3", "#0d4f50"
"""Ends of the ramp on which money ages."""

INK, FAINT_INK, HAIRLINE, PAPER = "#22262b", "#6d747c", "#dfe2e6", "#ffffff"
"""Text and limits; secondary text; axes; background."""


def ages(count: int) -> list[Colour]:
    """That many steps from YOUNGEST to OLDEST."""
    young, old = _channels(YOUNGEST), _channels(OLDEST)
    steps = (i / max(count - 1, 1) for i in range(count))
    return ["#" + "".join(f"{round(a + (b - a) * s):02x}" for a, b in zip(young, old, strict=True)) for s in steps]


def _channels(colour: Colour) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))
