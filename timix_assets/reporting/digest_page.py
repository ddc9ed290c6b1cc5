"""The digest as one self-contained HTML page and as Markdown. Whatever stands in a name remains text in both."""

import base64
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from timix_assets.charts import palette
from timix_assets.metrics import BY_NAME
from timix_assets.metrics.budget_policy import AT_RISK, LABELS, OVER_BUDGET, SCOPES
from timix_assets.metrics.budgets import unit_of
from timix_assets.text.figures import UNKNOWN, day_name, isolated, month_name, number, one_line, percent, points_from
from timix_assets.text.printable import markdown
from timix_assets.text.wording import count_noun

from .digest import MAX_CHECKS, Digest
from .digest_changes import BalanceChange
from .summary import MONEY_FIGURES, OF_THE_MONTH, Budget, money_figure

PAGE = "weekly_digest.html"
MAX_BUDGETS, MAX_NAMES, MAX_CHANGES = 25, 30, 20
_NAME_LENGTH, _MESSAGE_LENGTH = 60, 600
_CURRENCIES_ACROSS = 6
_FULL_BAR = 150
"""A bar of use is as long as this many percent of the cap."""


def as_html(digest: Digest) -> str:
    """The page: no script, no request, and no markup from the data. 100 to 300 kB, most of it charts."""
    environment = Environment(autoescape=True, **_OPTIONS)
    environment.filters["name"] = lambda name: one_line(name, length=_NAME_LENGTH)
    return _render(PAGE, digest, environment)


def as_markdown(digest: Digest) -> str:
    """The same text, without the charts. Each expression of the template is escaped, as autoescape does for HTML."""
    environment = Environment(autoescape=False, finalize=_escaped, **_OPTIONS)
    # Escaping would make the isolation of Hebrew visible, so it comes first.
    environment.filters["name"] = lambda name: Markup(isolated(markdown(one_line(name, length=_NAME_LENGTH))))
    return _render("weekly_digest.md", digest, environment)


_OPTIONS: Any = {
    "loader": PackageLoader("timix_assets.reporting"),
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
}


def _render(template: str, digest: Digest, environment: Environment) -> str:
    environment.filters |= {
        "amount": _amount,
        "bar": _bar,
        "count": count_noun,
        "cut": lambda text: one_line(text, length=_MESSAGE_LENGTH),
        "data_uri": _data_uri,
        "day": day_name,
        "money": money_figure,
        "month": month_name,
        "percent": lambda ratio: "" if ratio is None else percent(ratio),
        "points": points_from,
        "moved": _moved,
        "signed": _signed,
        "use": _use,
        "when": _when,
    }
    over, at_risk = ([b for b in digest.summary.projects if b.status == status] for status in (OVER_BUDGET, AT_RISK))
    return environment.get_template(f"{template}.jinja").render(
        digest=digest,
        summary=digest.summary,
        figures=MONEY_FIGURES,
        of_the_month=OF_THE_MONTH,
        across=_CURRENCIES_ACROSS,
        over=over,
        at_risk=at_risk,
        most_budgets=MAX_BUDGETS,
        most_names=MAX_NAMES,
        most_changes=MAX_CHANGES,
        most_checks=MAX_CHECKS,
        labels=LABELS,
        scopes=SCOPES,
        alt={name: BY_NAME[name].description.partition(".")[0] for name in digest.charts},
        status_colours={"over": palette.STATUS[OVER_BUDGET], "at_risk": palette.STATUS[AT_RISK]},
    )


def _escaped(value: object) -> str:
    return value if isinstance(value, Markup) else markdown(str(value))


def _amount(value: Decimal | None) -> str:
    return UNKNOWN if value is None else number(value)


def _signed(value: Decimal | int) -> str:
    """+4; −2; 0."""
    return f"{'+' if value > 0 else ''}{number(Decimal(value))}"


def _moved(change: BalanceChange) -> str:
    """+1,234 since then."""
    if change.before is None or change.now is None:
        return f"{_amount(change.before)} then"
    return _signed(change.now - change.before)


def _use(budget: Budget) -> str:
    """1,349 of 1,145 h."""
    if budget.used is None or budget.cap is None:
        return UNKNOWN
    return f"{number(budget.used)} of {number(budget.cap)} {unit_of(budget.scope, budget.currency)}"


def _bar(budget: Budget) -> str:
    """How long its bar is, as CSS."""
    return f"{min(max(budget.burn or 0, 0) * 100, _FULL_BAR) / _FULL_BAR:.1%}"


def _when(budget: Budget) -> str:
    """When the cap was reached, or will be."""
    if budget.exhaustion_date is None:
        return ""
    return f"{'reached' if budget.is_used_up else 'expected'} {day_name(budget.exhaustion_date)}"


def _data_uri(svg: str) -> str:
    """As an image, a chart executes nothing and loads nothing."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')}"
