"""A range of months, as tables are partitioned and replaced by it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from .errors import LakeError

MONTH = "month"
"""The column that a table is partitioned by: the first day of the row's month, a Date."""


@dataclass(frozen=True, slots=True)
class Months:
    """The months from `first` to `last`, both included, each as its first day. LakeError for other dates."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.first.day != 1 or self.last.day != 1 or self.first > self.last:
            raise LakeError(
                f"{self.first} to {self.last} is not a range of months; give the first day of its first month and the first day "
                "of its last month, in that order."
            )

    def __iter__(self) -> Iterator[date]:
        month = self.first
        while month <= self.last:
            yield month
            month = date(month.year + month.month // 12, month.month % 12 + 1, 1)

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}" if self.first == self.last else f"{self.first:%Y-%m} to {self.last:%Y-%m}"

    @property
    def described(self) -> str:
        """`month 2026-11`; `months 2026-09 to 2026-11`."""
        return f"month {self}" if self.first == self.last else f"months {self}"

    def overlaps(self, other: "Months") -> bool:
        return self.first <= other.last and other.first <= self.last
