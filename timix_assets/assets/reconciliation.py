"""Our figures beside Timix's own: both numbers, the difference, and the tolerance. Where they differ, one of us is wrong."""

from dataclasses import replace
from decimal import Decimal

import polars as pl

from timix_assets import environment
from timix_assets.assets.held import Held
from timix_assets.assets.reckoning import Reckoning
from timix_assets.lake.tables import Lake
from timix_assets.metrics.amounts import sum_of_known
from timix_assets.metrics.budget_status import AT_RISK, NO_BUDGET, ON_TRACK, OVER_BUDGET

TOLERANCE = Decimal("0.01")
"""Largest difference, in hours or in the row's currency, that rounding may explain."""

STATUS_OF = {"on-track": ON_TRACK, "warning": AT_RISK, "critical": OVER_BUDGET}
"""Timix's word for a budget -> ours. A project without a cap is on-track there."""


def budget_statuses(lake: Lake, reckoning: Reckoning) -> Held:
    """Project by project. Timix reports as of now, so an earlier as-of cannot be compared."""
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
    ours_in_their_words = pl.col("project_budget_status").replace(NO_BUDGET, ON_TRACK)
    # A word that we do not know, or a project that only one side has, is no agreement.
    agree = (ours_in_their_words == pl.col("theirs")).fill_null(False)
    differing = both.filter(~agree).drop("theirs").sort("project_id")
    began_earlier = _began_earlier(lake, reckoning).join(differing.lazy(), on="project_id", how="semi")
    cause = _first_cause(began_earlier, reckoning, "of them")
    held = Held(
        differing,
        "[project has|projects have] another budget status in Timix",
        {"projects compared": str(both.height), "agree": str(both.height - differing.height)},
        f"; {cause}look at the caps and at which entries Timix counts.",
    )
    return _unless_in_the_past(reckoning, held)


def revenue(lake: Lake, reckoning: Reckoning) -> Held:
    """Project, month and currency, for the months that both have. Timix's month is whole: ours must be over, or today's."""
    as_of = reckoning.settings.as_of
    cut_short = as_of.replace(day=1) if as_of < environment.today() else None
    ours = lake.scan("rollups/project_profitability").select(
        "project_id", "month", "currency", pl.col("revenue").alias("our_revenue")
    )
    theirs = lake.scan("timix/revenue_report").select(
        "project_id", "month", "currency", pl.col("revenue").alias("timix_revenue")
    )
    months = ours.select("month").unique().join(theirs.select("month").unique(), on="month")
    months = months.filter(pl.col("month") != cut_short) if cut_short else months
    return _compared(
        ours.join(months, on="month", how="semi"),
        theirs.join(months, on="month", how="semi"),
        ["project_id", "month", "currency"],
        [("our_revenue", "timix_revenue")],
        "[row of revenue differs|rows of revenue differ] from Timix's report",
    )


def unbilled(lake: Lake, reckoning: Reckoning) -> Held:
    """Hours and money of each currency."""
    ours = (
        lake.scan("rollups/unbilled_aging")
        .filter(pl.col("hours") > 0)
        .group_by("currency")
        .agg(pl.col("hours").sum().alias("our_hours"), sum_of_known("amount").alias("our_amount"))
    )
    theirs = lake.scan("timix/unbilled_time_report").select(
        "currency", pl.col("total_hours").alias("timix_hours"), pl.col("total_amount").alias("timix_amount")
    )
    held = _compared(
        ours,
        theirs,
        ["currency"],
        [("our_hours", "timix_hours"), ("our_amount", "timix_amount")],
        "[currency differs in its|currencies differ in their] unbilled total from Timix's report",
    )
    below = held.offending.filter(
        (pl.col("our_hours") < pl.col("timix_hours")) | (pl.col("our_amount") < pl.col("timix_amount"))
    )
    cause = _first_cause(_began_earlier(lake, reckoning), reckoning, "projects") if below.height else ""
    advice = f"{held.detail.removesuffix('.')}; {cause}look at which entries Timix counts."
    return _unless_in_the_past(reckoning, replace(held, detail=advice))


def _began_earlier(lake: Lake, reckoning: Reckoning) -> pl.LazyFrame:
    """project_id of the projects that began before the first loaded month; their earlier entries only Timix has."""
    projects = lake.scan("timix/projects").filter(pl.col("start_date") < reckoning.settings.first_month)
    return projects.select(pl.col("id").alias("project_id"))


def _first_cause(began_earlier: pl.LazyFrame, reckoning: Reckoning, whose: str) -> str:
    """The beginning of a sentence of advice; empty without such projects."""
    count = began_earlier.select(pl.len()).collect().item()
    if not count:
        return ""
    return (
        f"{count:,} {whose} began before the first loaded month ({reckoning.settings.first_month:%Y-%m}), and Timix counts "
        f"earlier entries, so first set {environment.START_MONTH.name} earlier and refresh; then "
    )


def _compared(
    ours: pl.LazyFrame, theirs: pl.LazyFrame, key: list[str], pairs: list[tuple[str, str]], sentence: str
) -> Held:
    """Rows whose difference is above the tolerance. A row that only one side has counts as 0 on the other.

    A figure that is unknown in a row that is there, such as money at a rate that the key may not see, is no 0: it is not
    compared, and told as such.
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
    beyond = pl.any_horizontal(pl.col(f"{our}_difference").abs() > TOLERANCE for our in of_ours)
    unknown = compared.filter(pl.any_horizontal(pl.col(f"{our}_difference").is_null() for our in of_ours)).height
    by_currency = compared.group_by("currency").agg(sum_of_known(name).alias(name) for name in (*of_ours, *of_theirs))
    totals = {
        f"{row['currency']}: {our.replace('_', ' ')}": f"{_said(row[our])} (Timix: {_said(row[their])})"
        for row in by_currency.sort("currency").iter_rows(named=True)
        for our, their in pairs
    }
    figures = {
        "rows compared": str(compared.height),
        **({"of them with a figure that is unknown, and so not compared": str(unknown)} if unknown else {}),
        "tolerance": str(TOLERANCE),
        **totals,
    }
    offending = compared.filter(beyond).sort(key)
    return Held(offending, sentence, figures, f"{_farthest(offending, key, pairs)}.")


def _with_presence(rows: pl.LazyFrame, name: str) -> pl.LazyFrame:
    return rows.with_columns(pl.lit(True).alias(name))


def _farthest(offending: pl.DataFrame, key: list[str], pairs: list[tuple[str, str]]) -> str:
    """The row with the largest difference, with both figures; nothing when no row differs."""
    if offending.is_empty():
        return ""
    differences = pl.max_horizontal(pl.col(f"{our}_difference").abs() for our, _ in pairs)
    row = offending.sort(differences, descending=True).row(0, named=True)
    where = ", ".join(str(row[name]) for name in key)
    both = ", ".join(f"{our.replace('_', ' ')} {_said(row[our])}, Timix's {_said(row[their])}" for our, their in pairs)
    return f" by more than {TOLERANCE}; the farthest is {where}: {both}"


def _said(figure: Decimal | None) -> str:
    return "unknown" if figure is None else f"{figure:,.2f}"


def _unless_in_the_past(reckoning: Reckoning, held: Held) -> Held:
    as_of = reckoning.settings.as_of
    if as_of >= environment.today():
        return held
    said = f"Timix reports as of today and {environment.AS_OF.name} is {as_of}, so the two cannot be compared"
    return replace(held, offending=held.offending.clear(), figures={**held.figures, "not compared": said})
