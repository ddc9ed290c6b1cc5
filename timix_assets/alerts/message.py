"""A message for people, and how its parts are written: plain text, one fact a line, units with every figure, no markup."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from timix_assets.text.figures import day_name, label
from timix_assets.text.printable import inert, printable

MAX_NAME_LENGTH = 80
MAX_LINE_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Message:
    """A message for people.

    Args:
        title: One line.
        text: Lines; the last one holds a link.
        asset: Key of the table it is about, such as `rollups/budget_health`; empty for none.
        attachment: A file of this machine to send with it; empty for none. A file that is gone is not sent.
    """

    title: str
    text: str
    asset: str = ""
    attachment: str = ""


def with_link(lines: Sequence[str], link: str) -> str:
    """The lines, then the link after an empty line."""
    return "\n".join([*lines, "", link])


def safe_name(name: str) -> str:
    """A name as Timix shows it, cut to MAX_NAME_LENGTH, that triggers nothing in a chat or an email."""
    return inert(label(name, None, length=MAX_NAME_LENGTH))


def safe_line(text: str) -> str:
    """Text of any origin as one line, cut to MAX_LINE_LENGTH, that triggers nothing in a chat or an email."""
    line = inert(printable(" ".join(text.split())))
    return line if len(line) <= MAX_LINE_LENGTH else f"{line[: MAX_LINE_LENGTH - 1]}…"


def format_amount(value: Decimal) -> str:
    """1,234.5: exact to two decimals, without trailing zeros."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def format_moment(time: datetime) -> str:
    """18 Nov 2026, 12:00 UTC. time: aware."""
    utc = time.astimezone(UTC)
    return f"{day_name(utc.date())}, {utc:%H:%M} UTC"
