"""Refuses replacements that remove suspiciously many rows or empty a column."""

from collections.abc import Mapping
from dataclasses import dataclass

from timix_assets.settings.limits import LakeLimits
from timix_assets.text.wording import count_noun

from .errors import ShrinkRefused

_ACCEPT = (
    "accept it once with `timix-assets refresh --accept-shrink`, or with the run tag timix/accept_shrink set to true"
)


@dataclass(frozen=True, slots=True)
class ShrinkGuard:
    """The limits on what a replacement may remove.

    Args:
        max_removed_share: The largest share of the scope's rows, by key, that may be removed; from 0 to 1.
        from_rows: Scopes with fewer rows, and columns with fewer values, are not checked.
        keep_columns: A column with values must not lose them all. Off for computed tables, where settings and dates can
            rightly empty a column. Columns whose name starts with an underscore describe a read and may. A column that is
            not written at all, such as a person's own, must not lose a single value.
        accept: Allow everything; meant for one run.
    """

    max_removed_share: float = LakeLimits().max_removed_share
    from_rows: int = LakeLimits().guard_from_rows
    keep_columns: bool = True
    accept: bool = False

    @property
    def checks_columns(self) -> bool:
        return self.keep_columns and not self.accept

    def check_rows(self, scope: str, rows: int, removed: int) -> None:
        """ShrinkRefused if too many of the `rows` would be removed."""
        if not self.accept and rows >= self.from_rows and removed > self.max_removed_share * rows:
            check = (
                "the key can still read everything"
                if self.keep_columns
                else "its inputs are complete and the as-of date (TIMIX_AS_OF) and the settings are as intended"
            )
            raise ShrinkRefused(
                f"{scope}: would remove {removed:,} of {rows:,} rows (limit {self.max_removed_share:.0%}); table left "
                f"unchanged. Check that {check}; if the rows are really gone, {_ACCEPT}."
            )

    def check_emptied(self, scope: str, emptied: Mapping[str, int]) -> None:
        """ShrinkRefused for columns that would lose every value. emptied: the number of values that each has now."""
        lost = {
            name: values
            for name, values in emptied.items()
            if values >= self.from_rows and self.checks_columns and not name.startswith("_")
        }
        if lost:
            raise ShrinkRefused(
                f"{scope}: would remove every value of {', '.join(lost)} ({next(iter(lost.values())):,} in the first); table "
                "left unchanged. Check that the key's role can still read them and that no field was renamed; if the values "
                f"are really gone, {_ACCEPT}."
            )

    def check_unknown(self, scope: str, unknown: Mapping[str, int]) -> None:
        """ShrinkRefused for columns that the new rows do not have. unknown: the number of values that each has now."""
        lost = [f"{name} ({count_noun(values, 'value')})" for name, values in unknown.items() if values]
        if lost:
            raise ShrinkRefused(
                f"{scope}: would remove {', '.join(lost)}: the column is not among those to write; table left unchanged. "
                f"Keep your own columns in your own tables; to remove these values, {_ACCEPT}."
            )
