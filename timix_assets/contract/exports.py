"""Whether a CSV is the export of its report: by the header of the previous one, or by the declared columns."""

import re
from collections.abc import Iterable, Sequence

from timix_assets.text.csv_table import CsvTable, quoted

from .schema import Endpoint, normalized

_KNOWN_SHARE = 0.5
"""A header of the report has at least this share of the declared columns, or of its own fields declared."""

_FIGURE = re.compile(r"[^\w\s]*(?:[A-Z]{3}\s?)?\d[\d\s.,:/'’+TZ-]*(?:%|[^\w\s]|\s?[A-Z]{3})?")
"""A number or a date in any common notation: 1,234.50, -3, €1.200, 40%, USD 12, 2026-10-01, 1/10/2026."""


def rejection_reason(
    endpoint: Endpoint, export: CsvTable, before: CsvTable | None, accepted: Sequence[CsvTable] = ()
) -> str | None:
    """Why a CSV is not accepted as the export of this report; None when it is.

    The first export of a workspace in another language has undeclared names: it is recognized by its shape or, where it
    has no rows, by the names of an accepted one.

    Args:
        endpoint: The report.
        export: The CSV to judge.
        before: The last accepted one, of that file or of another month; columns may be added to it, but not removed.
        accepted: Others of the same run.
    """
    if before is not None:
        if gone := _missing(before.header, export.header):
            return f"its header lacks {_named(gone)}, which the previous one had"
        if before.ends_its_line and not export.ends_its_line:
            return "its last line has no line break, unlike the previous one: it may be truncated"
        return None
    if (
        _is_declared(endpoint, export.header)
        or any(not _missing(other.header, export.header) for other in accepted)
        or (export.rows and _may_be_translated(endpoint, export))
    ):
        return None
    return f"its first line ({_named(export.header)}) has too few columns of this report"


def added_columns(export: CsvTable, before: CsvTable | None) -> list[str]:
    """The names that the previous one did not have."""
    return _missing(export.header, before.header) if before is not None else []


def _missing(names: Iterable[str], others: Iterable[str]) -> list[str]:
    known = set(map(normalized, others))
    return [name for name in names if normalized(name) not in known]


def _is_declared(endpoint: Endpoint, header: Sequence[str]) -> bool:
    json_names = {
        normalized(word): column.name for column in endpoint.columns for word in (column.name, *column.json_names)
    }
    known = {json_names[word] for word in map(normalized, header) if word in json_names}
    return len(known) > 1 and len(known) >= _KNOWN_SHARE * min(len(header), len(endpoint.columns))


def _may_be_translated(endpoint: Endpoint, export: CsvTable) -> bool:
    """Whether it has about as many columns as are declared, with distinct names that are not numbers, and figures below."""
    header = export.header
    names = {normalized(name) for name in header}
    is_names = len(names) == len(header) and all(name and not _is_number(name) for name in names)
    has_figures = any(_FIGURE.fullmatch(cell.strip()) for row in export.first_rows for cell in row)
    return is_names and has_figures and len(header) >= _KNOWN_SHARE * len(endpoint.columns)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _named(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(quoted(name) for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown
