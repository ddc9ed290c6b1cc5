"""Compares rollups with Timix's own reports: both figures, their difference, and the tolerance."""

from dataclasses import replace
from decimal import Decimal

import polars as pl

from timix_assets.assets.checks.outcome import RuleOutcome
from timix_assets.assets.rollup_context import RollupContext
from timix_assets.contract.schema import MONTH
from timix_assets.lake.tables import Lake
from timix_assets.metrics.amounts import amount, sum_of_known
from timix_assets.metrics.budget_policy import AT_RISK, NO_BUDGET, ON_TRACK, OVER_BUDGET
from timix_assets.metrics.invoices import in_currency
from timix_assets.metrics.limits import within_limits
from timix_assets.metrics.receivables import open_invoices

TOLERANCE = Decimal("0.01")
"""Largest difference, in hours or in the row's currency, that rounding may explain."""

_BILLING = "customer_billing_report"

STATUS_OF = {"on-track": ON_TRACK, "warning": AT_RISK, "critical": OVER_BUDGET}
"""Timix's budget status -> ours. Timix reports a project without a cap as on-track."""


def budget_statuses(lake: Lake, context: RollupContext) -> RuleOutcome:
    """The status of each project. Timix reports as of now, so an earlier as-of date cannot be compared."""
    ours = (
        lake.scan("rollups/budget_health")
        .filter(pl.col("level") == "project")
        .group_by("project_id")
        .agg(pl.col("project_budget_status").first(), pl.col("burn").max().alias("highest_burn"))
    )
    theirs = lake.scan("timix/budget_health_report").select(
        "project_id",
        pl.col("status").alias("timix_status"),
        pl.col("status").replace_strict(STATUS_OF, default=None).alias("theirs"),
        "percent_used",
    )
    both = ours.join(theirs, on="project_id", how="full", coalesce=True).collect()
    comparable_status = pl.col("project_budget_status").replace(NO_BUDGET, ON_TRACK)
    # An unknown status, or a project that only one side has, counts as a difference.
    agree = (comparable_status == pl.col("theirs")).fill_null(False)
    differing = both.filter(~agree).drop("theirs").sort("project_id")
    began_earlier = _began_earlier(lake, context).join(differing.lazy(), on="project_id", how="semi")
    cause = _first_cause(began_earlier, context, "of them")
    outcome = RuleOutcome(
        differing,
        "project",
        f"with another budget status in Timix; {cause}compare the caps, and which entries Timix counts.",
        {"projects compared": str(both.height), "agree": str(both.height - differing.height)},
    )
    return _unless_in_the_past(context, outcome)


def revenue(lake: Lake, context: RollupContext) -> RuleOutcome:
    """By project, month and currency, for the months that both have. Timix's figure is of the whole month, so a month that an
    earlier as-of date cuts short is left out.
    """
    as_of = context.params.as_of
    cut_short = as_of.replace(day=1) if as_of < context.settings.today() else None
    ours = lake.scan("rollups/project_profitability").select(
        "project_id", "month", "currency", pl.col("revenue").alias("our_revenue")
    )
    theirs = _report(lake, context, "revenue_report").select(
        "project_id", "month", "currency", pl.col("revenue").alias("timix_revenue")
    )
    months = ours.select("month").unique().join(theirs.select("month").unique(), on="month")
    months = months.filter(pl.col("month") != cut_short) if cut_short else months
    return _compared(
        ours.join(months, on="month", how="semi"),
        theirs.join(months, on="month", how="semi"),
        ["project_id", "month", "currency"],
        [("our_revenue", "timix_revenue")],
        "revenue figure",
    )


def unbilled(lake: Lake, context: RollupContext) -> RuleOutcome:
    """Hours and money by currency. Timix may count what is on a Draft invoice as billed: either reading is agreement."""
    ours = (
        lake.scan("rollups/unbilled_aging")
        .filter(pl.col("hours") > 0)
        .group_by("currency")
        .agg(
            pl.col("hours").sum().alias("our_hours"),
            sum_of_known("amount").alias("our_amount"),
            pl.col("on_draft_invoice_hours").sum(),
            sum_of_known("on_draft_invoice_amount"),
        )
    )
    theirs = _report(lake, context, "unbilled_time_report").select(
        "currency", pl.col("total_hours").alias("timix_hours"), pl.col("total_amount").alias("timix_amount")
    )
    outcome = _compared(
        _without_drafts_if_timix_is(ours, theirs),
        theirs,
        ["currency"],
        [("our_hours", "timix_hours"), ("our_amount", "timix_amount")],
        "unbilled total",
    )
    below = outcome.violations.filter(
        (pl.col("our_hours") < pl.col("timix_hours")) | (pl.col("our_amount") < pl.col("timix_amount"))
    )
    cause = _first_cause(_began_earlier(lake, context), context, "projects") if below.height else ""
    advice = f"{outcome.explanation.removesuffix('.')}; {cause}compare which entries Timix counts."
    return _unless_in_the_past(context, replace(outcome, explanation=advice))


def _without_drafts_if_timix_is(ours: pl.LazyFrame, theirs: pl.LazyFrame) -> pl.LazyFrame:
    """Our totals; without what is on Draft invoices where both hours and money then equal Timix's."""
    hours = pl.col("our_hours") - pl.col("on_draft_invoice_hours")
    money = pl.col("our_amount") - pl.col("on_draft_invoice_amount")
    equal = ((hours - pl.col("timix_hours")).abs() <= amount(TOLERANCE)) & (
        ((money - pl.col("timix_amount")).abs() <= amount(TOLERANCE)).fill_null(True)
    )
    return (
        ours.join(theirs, on="currency", how="left")
        .with_columns(
            pl.when(equal).then(hours).otherwise("our_hours").alias("our_hours"),
            pl.when(equal).then(money).otherwise("our_amount").alias("our_amount"),
        )
        .drop("timix_hours", "timix_amount")
    )


def receivables(lake: Lake, context: RollupContext) -> RuleOutcome:
    """What each customer owes, by currency. Timix's report has a row per month of issue, as of the day on which it was read.

    So only invoices issued in the months that every refresh reads again are compared: an older month of the report may not
    know what was paid since.
    """
    params = context.params
    first = pl.select(pl.lit(params.as_of).dt.month_start().dt.offset_by(f"-{context.settings.recent_months}mo")).item()
    reported = lake.metadata.months_known(f"timix/{_BILLING}")
    months = [month for month in reported if first <= month <= params.as_of]
    owed = in_currency(
        open_invoices(_report(lake, context, "invoices"), params),
        customers=lake.scan("timix/customers"),
        organization=lake.scan("timix/organization"),
    )
    is_comparable = pl.col("issue_date").dt.month_start().is_in(months).fill_null(False)
    key = ["customer_id", "currency"]
    outcome = _compared(
        owed.filter(is_comparable).group_by(key).agg(sum_of_known("balance").alias("our_outstanding")),
        _report(lake, context, _BILLING)
        .filter(pl.col(MONTH).is_in(months))
        .group_by(key)
        .agg(sum_of_known("outstanding_amount").alias("timix_outstanding")),
        key,
        [("our_outstanding", "timix_outstanding")],
        "outstanding figure",
    )
    others = owed.filter(~is_comparable).group_by("currency").agg(sum_of_known("balance")).sort("currency").collect()
    left_out = {
        f"{currency}: not compared": f"{_formatted(balance)} of invoices without an issue date or issued before {first:%Y-%m}"
        for currency, balance in others.iter_rows()
    }
    advice = f"{outcome.explanation.removesuffix('.')} (issued since {first:%Y-%m}); compare these invoices' payments in Timix."
    return _unless_in_the_past(context, replace(outcome, explanation=advice, figures={**outcome.figures, **left_out}))


def _report(lake: Lake, context: RollupContext, name: str) -> pl.LazyFrame:
    return within_limits(name, lake.scan(f"timix/{name}"), context.firm.money_policy)


def _began_earlier(lake: Lake, context: RollupContext) -> pl.LazyFrame:
    """project_id of the projects of which not every month since the start was read: only Timix has all their entries."""
    projects = lake.scan("timix/projects").filter(pl.col("start_date") < context.params.complete_since)
    return projects.select(pl.col("id").alias("project_id"))


def _first_cause(began_earlier: pl.LazyFrame, context: RollupContext, whose: str) -> str:
    """The beginning of the advice; empty without such projects."""
    count = began_earlier.select(pl.len()).collect().item()
    if not count:
        return ""
    return (
        f"{count:,} {whose} started before {context.params.complete_since:%Y-%m}, since when every month was read, and Timix "
        "counts earlier entries, so first read those months too (`timix-assets refresh --from`, TIMIX_START_MONTH); then "
    )


def _compared(
    ours: pl.LazyFrame, theirs: pl.LazyFrame, key: list[str], pairs: list[tuple[str, str]], noun: str
) -> RuleOutcome:
    """Rows whose difference is above the tolerance. A row that only one side has counts as 0 on the other.

    A figure that is null in an existing row, such as money at a rate that the key may not see, is not 0: it is not compared,
    and the figures say how many of these there are.
    """
    of_ours, of_theirs = zip(*pairs, strict=True)
    both = _with_presence(ours, "is_ours").join(_with_presence(theirs, "is_theirs"), on=key, how="full", coalesce=True)
    compared = (
        both.with_columns(
            *(pl.when("is_ours").then(our).otherwise(0).alias(our) for our in of_ours),
            *(pl.when("is_theirs").then(their).otherwise(0).alias(their) for their in of_theirs),
        )
        .with_columns((pl.col(our) - pl.col(their)).alias(f"{our}_difference") for our, their in pairs)
        .drop("is_ours", "is_theirs")
        .collect()
    )
    beyond = pl.any_horizontal(pl.col(f"{our}_difference").abs() > amount(TOLERANCE) for our in of_ours)
    unknown = compared.filter(pl.any_horizontal(pl.col(f"{our}_difference").is_null() for our in of_ours)).height
    by_currency = compared.group_by("currency").agg(sum_of_known(name).alias(name) for name in (*of_ours, *of_theirs))
    totals = {
        f"{row['currency']}: {our.replace('_', ' ')}": f"{_formatted(row[our])} (Timix: {_formatted(row[their])})"
        for row in by_currency.sort("currency").iter_rows(named=True)
        for our, their in pairs
    }
    figures = {
        "rows compared": str(compared.height),
        **({"rows not compared (unknown figure)": str(unknown)} if unknown else {}),
        "tolerance": str(TOLERANCE),
        **totals,
    }
    violations = compared.filter(beyond).sort(key)
    return RuleOutcome(violations, noun, f"other than in Timix's report{_largest(violations, key, pairs)}.", figures)


def _with_presence(rows: pl.LazyFrame, name: str) -> pl.LazyFrame:
    return rows.with_columns(pl.lit(True).alias(name))


def _largest(violations: pl.DataFrame, key: list[str], pairs: list[tuple[str, str]]) -> str:
    """The row with the largest difference, with both figures; empty when no row differs."""
    if violations.is_empty():
        return ""
    differences = pl.max_horizontal(pl.col(f"{our}_difference").abs() for our, _ in pairs)
    row = violations.sort(differences, descending=True).row(0, named=True)
    where = ", ".join(str(row[name]) for name in key)
    both = ", ".join(
        f"{our.replace('_', ' ')} {_formatted(row[our])}, Timix's {_formatted(row[their])}" for our, their in pairs
    )
    return f" by more than {TOLERANCE}; the largest difference is {where}: {both}"


def _formatted(figure: Decimal | None) -> str:
    return "unknown" if figure is None else f"{figure:,.2f}"


def _unless_in_the_past(context: RollupContext, outcome: RuleOutcome) -> RuleOutcome:
    as_of = context.params.as_of
    if as_of >= context.settings.today():
        return outcome
    reason = f"Timix reports as of today and TIMIX_AS_OF is {as_of}, so the two cannot be compared"
    return replace(outcome, violations=outcome.violations.clear(), figures={**outcome.figures, "not compared": reason})
