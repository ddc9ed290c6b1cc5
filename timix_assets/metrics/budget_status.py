"""The words for how a budget stands (values of `budget_health.status` and `project_budget_status`), and whose matter."""

NO_BUDGET, ON_TRACK, AT_RISK, OVER_BUDGET = "no_budget", "on_track", "at_risk", "over_budget"

WORST_FIRST = (OVER_BUDGET, AT_RISK, ON_TRACK, NO_BUDGET)

WORRYING = (OVER_BUDGET, AT_RISK)
"""What a person is told of."""

CLOSED = ("Completed", "Cancelled")
"""Status of the projects whose budgets matter no more; with one that we do not know they still do."""

IN_WORDS = {
    NO_BUDGET: "without a budget",
    ON_TRACK: "on track",
    AT_RISK: "at risk",
    OVER_BUDGET: "over budget",
}
