"""Restatement alerts: the figures of a closed month changed afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl
from pydantic import TypeAdapter

from timix_assets.alerts.message import Message, format_amount, safe_line, with_link
from timix_assets.lake.tables import Lake
from timix_assets.metrics.amounts import sum_of_known
from timix_assets.metrics.restatements import PROTECTED
from timix_assets.text.figures import month_name
from timix_assets.text.wording import count_noun

RESTATEMENTS = "rollups/restatements"

RESTATEMENT_STATE: TypeAdapter[Mapping[str, str]] = TypeAdapter(dict[str, str])
"""Month -> what was reported of it."""


@dataclass(frozen=True, slots=True)
class Restatement:
    """What changed in a closed month, in one currency.

    Args:
        people: How many people's figures differ.
        projects: How many projects' figures differ.
        differences: Now less when closed, by figure; None where it is not known.
    """

    month: date
    currency: str | None
    people: int
    projects: int
    differences: Mapping[str, Decimal | None]

    @property
    def line(self) -> str:
        figures = (_figure(name, amount, self.currency) for name, amount in self.differences.items() if amount != 0)
        return safe_line(
            f"{month_name(self.month)}: {', '.join(figures) or 'differences that cancel out'} "
            f"({count_noun(self.people, 'person', 'people')}, {count_noun(self.projects, 'project')})."
        )


def _figure(name: str, amount: Decimal | None, currency: str | None) -> str:
    if amount is None:
        return f"{name} cannot be compared"
    unit = "h" if name == "hours" else currency or ""
    return f"{name} {'+' if amount > 0 else '−'}{format_amount(abs(amount))} {unit}".rstrip()


def read_restatements(lake: Lake) -> list[Restatement]:
    """The closed months whose figures differ, by month and currency.

    Raises:
        TableMissing: `rollups/restatements` does not exist.
    """
    changed = (
        lake.scan(RESTATEMENTS)
        .filter("is_restated")
        .group_by("month", "currency")
        .agg(
            pl.col("user_id").n_unique().alias("people"),
            pl.col("project_id").n_unique().alias("projects"),
            *(sum_of_known(f"{name}_difference").alias(name) for name in PROTECTED),
        )
        .sort("month", "currency")
        .collect()
    )
    return [
        Restatement(
            row["month"], row["currency"], row["people"], row["projects"], {name: row[name] for name in PROTECTED}
        )
        for row in changed.iter_rows(named=True)
    ]


def find_new(found: Sequence[Restatement], before: Mapping[str, str]) -> tuple[list[Restatement], dict[str, str]]:
    """The restatements of months that say something else than was reported, and what is reported after this tick.

    A month that is as it was when it was closed is forgotten: it is new when it changes again.
    """
    after: dict[str, str] = {}
    for each in found:
        month = each.month.isoformat()
        after[month] = "\n".join(filter(None, [after.get(month), each.line]))
    return [each for each in found if after[each.month.isoformat()] != before.get(each.month.isoformat())], after


def restatement_message(new: Sequence[Restatement], asset: str, link: str) -> Message:
    """One message for all months that changed."""
    months = sorted({each.month for each in new})
    title = (
        f"{month_name(months[0])}, a closed month, has changed"
        if len(months) == 1
        else f"{len(months)} closed months have changed"
    )
    note = (
        f"Figures now less those of the day on which the month was closed, by project and person in the table. {link}"
    )
    return Message(title, with_link([f"• {each.line}" for each in new], note), asset)
