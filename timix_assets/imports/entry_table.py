"""The table `imports/time_entries`: a line per row, with its plan and outcome."""

from collections.abc import Mapping

from timix_assets.contract.schema import Column, Type

from .outcome import FIRST, LAST
from .plan import Line
from .steps import Step

COLUMNS = (
    *FIRST,
    Column("entry_id", Type.ID, "The time entry; null while there is none."),
    Column("user_id", Type.ID, "The person; null where none was found.", personal=True),
    Column("person", Type.TEXT, "The person's name, or what the row says.", personal=True),
    Column("subtask_id", Type.ID, "The subtask; null where none was found."),
    Column("subtask", Type.TEXT, "Its path: customer / project / task / subtask."),
    Column("date", Type.DAY, "The day of the work.", personal=True),
    Column("hours", Type.HOURS, "How long the work took.", personal=True),
    Column("text", Type.TEXT, "What was done, with the row's mark.", personal=True),
    *LAST,
)


def values_of(line: Line, record_id: str | None) -> Mapping[str, object]:
    """The columns of a time entry. record_id: of the one that was written."""
    entry = line.entry
    is_known = entry is not None and line.step is not Step.REFUSE
    return {
        "entry_id": record_id or (line.before.id if line.before else None),
        "user_id": entry.user_id if entry and is_known else None,
        "person": line.person or None,
        "subtask_id": entry.subtask_id if entry and is_known else None,
        "subtask": line.subtask or None,
        "date": entry.date if entry else line.day,
        "hours": entry.hours if entry else line.hours,
        "text": entry.text if entry else None,
    }
