"""How many days lie between work and cash, in each currency, month by month."""

from datetime import date
from decimal import Decimal

import polars as pl

from timix_assets.text.figures import UNKNOWN, day_name, label, number
from timix_assets.text.wording import count_noun

from ..metrics.lockup import LOCKUP_MONTHS, window_months
from ..metrics.params import RollupParams
from . import palette
from .axes import left_axis, legend_row, month_axis, month_positions, round_scale
from .rendering import as_svg, grid, heading, left_out, panel_heading
from .svg import Drawing, curve, dots, together
from .time_axis import MAX_MONTHS, MONTH, latest

MAX_CURRENCIES = 4

_MAX_NAMED, _CURRENCY_LENGTH = 4, 12

_MAX_DAYS = 365
"""A line is drawn up to there; the figures beside it are whole."""

_WIDTH_OF_ONE, _WIDTH_OF_SEVERAL, _HEIGHT = 800, 370, 170
_BETWEEN_COLUMNS, _BETWEEN_ROWS = 64, 24
_LINES = {
    "lockup_days": ("lock-up", palette.LOCKUP),
    "wip_days": ("work without an invoice (WIP)", palette.WAITING_FOR_INVOICE),
    "debtor_days": ("invoices without their payment (debtors)", palette.WAITING_FOR_PAYMENT),
}


def lockup_lines(*, working_capital: pl.DataFrame, lockup_months: pl.DataFrame, params: RollupParams) -> str | None:
    """SVG: WIP days, debtor days and their sum, the lock-up, a panel for each currency; None where no days are known.

    The month-ends of `lockup_months`, then as-of, from `working_capital`: the latest 24 months together. The 4 currencies with
    the longest lock-up as of the as-of date. Unknown days are a gap.
    """
    rows = _points(working_capital, lockup_months, params.as_of)
    known = rows.filter(pl.any_horizontal(pl.col(*_LINES).is_not_null()))
    if known.is_empty():
        return None
    months = latest(known["month"], MONTH, MAX_MONTHS)
    current = params.as_of.replace(day=1)
    recent = rows.filter(pl.col("month").is_between(months[0], months[-1]))
    now = recent.filter(pl.col("month") == current)
    ranked = (
        known.filter(pl.col("month") >= months[0])
        .select(pl.col("currency").unique())
        .join(now.select("currency", *_LINES), on="currency", how="left", nulls_equal=True)
        .sort("lockup_days", "currency", descending=[True, False], nulls_last=True)
    )
    shown = ranked.head(MAX_CURRENCIES)
    width = _WIDTH_OF_ONE if shown.height == 1 else _WIDTH_OF_SEVERAL
    panels = [
        _panel(row, recent.filter(pl.col("currency").eq_missing(pl.lit(row["currency"], pl.String))), months, width)
        for row in shown.iter_rows(named=True)
    ]
    beyond = recent.select(pl.max_horizontal(pl.col(*_LINES).max())).item() > _MAX_DAYS
    title = heading(
        _message(ranked),
        f"At each month's end, and as of {day_name(params.as_of)}. Days: unbilled work ÷ revenue, outstanding ÷ invoiced, "
        f"of the last {count_noun(window_months(params), 'month')}.",
        "Month-ends are computed from today's entries and invoices: work counts as approved from its date on, a part payment",
        "from its invoice's. As-of is without work that waits for approval. A gap: unknown. Currencies are not added up.",
        f"Lines end at {_MAX_DAYS} days." if beyond else "",
        left_out([_name(currency) for currency in ranked["currency"][MAX_CURRENCIES:]]),
    )
    chart = grid(panels, columns=2, column_width=width + _BETWEEN_COLUMNS, between_rows=_BETWEEN_ROWS)
    return as_svg(together(chart, legend_row(dict(_LINES.values()), 0, chart.box[3] + 24)), title)


def _points(working_capital: pl.DataFrame, lockup_months: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """month, currency and the days, at each month's end and as of the as-of date."""
    now = working_capital.select(pl.lit(as_of.replace(day=1)).alias("month"), "currency", *_LINES)
    return pl.concat([lockup_months.select(*LOCKUP_MONTHS), now.select(*LOCKUP_MONTHS)])


def _panel(now: dict[str, object], rows: pl.DataFrame, months: list[date], width: int) -> Drawing:
    at = month_positions(months, width)
    by_month = {name: dict(rows.select("month", pl.col(name).clip(0, _MAX_DAYS)).iter_rows()) for name in _LINES}
    y = round_scale([d for days in by_month.values() for d in days.values() if d is not None], 5, start=_HEIGHT, end=0)
    # A month without a row is a gap too.
    lines = {
        colour: [None if (d := by_month[name].get(month)) is None else (at[month], y(d)) for month in months]
        for name, (_, colour) in _LINES.items()
    }
    return together(
        panel_heading(
            f"{_name(now['currency'])} {_days(now['lockup_days'])}",
            f"WIP {_days(now['wip_days'])}, debtors {_days(now['debtor_days'])}",
        ),
        left_axis(y, width, 5),
        month_axis(months, width, _HEIGHT),
        *(curve(points, colour) for colour, points in lines.items()),
        *(dots([p for p in points if p is not None], colour, diameter=5) for colour, points in lines.items()),
    )


def _name(currency: object) -> str:
    return label(currency if isinstance(currency, str) else None, UNKNOWN, length=_CURRENCY_LENGTH)


def _days(days: object) -> str:
    return count_noun(round(days), "day") if isinstance(days, float) else UNKNOWN


def _message(ranked: pl.DataFrame) -> str:
    """The lock-up of the currency, or the shortest and the longest of several."""
    known = ranked.drop_nulls("lockup_days").select("currency", "lockup_days").rows()
    if not known:
        return "Days from work to cash: lock-up unknown"
    (longest, most), (shortest, least) = known[0], known[-1]
    span = count_noun(round(most), "day")
    if round(most) == round(least):
        return f"{span} from work to cash ({', '.join(_name(currency) for currency, _ in known[:_MAX_NAMED])})"
    return f"{number(Decimal(round(least)))} ({_name(shortest)}) to {span} ({_name(longest)}) from work to cash"
