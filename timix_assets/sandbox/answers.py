"""What goes over the wire: requests as they are understood, pages, answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from email.utils import formatdate

from .wire import message
from .writing import Refused

Headers = Mapping[str, str]

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is understood: the path below the base URL, its query, where it was sent and when."""

    method: str
    path: str
    query: Mapping[str, str]
    origin: str
    now: float
    key_text: str = field(default="", repr=False)

    @property
    def page(self) -> int:
        """The page that is asked for; 1 when the query names none that can be read."""
        text = self.query.get("page", "1")
        return int(text) if text.isascii() and text.isdigit() else 1

    def window(self) -> tuple[date | None, date | None]:
        """startDate and endDate, both included; raises `Refused` for a day that cannot be read."""
        return self._day("startDate"), self._day("endDate")

    def _day(self, name: str) -> date | None:
        try:
            return date.fromisoformat(self.query[name]) if self.query.get(name) else None
        except ValueError as unreadable:
            raise Refused(f"{name} must be a date, YYYY-MM-DD, and is {self.query[name]!r}.") from unreadable


@dataclass(frozen=True, slots=True)
class Cut:
    """Which page is cut from a listing, and how large; `said_size` is what the envelope says of it."""

    page: int
    size: int
    said_page: int
    said_size: int


ENVELOPE = b'{"items":[%(items)b],"totalCount":%(total)d,"page":%(page)d,"pageSize":%(size)d,"hasMore":%(more)b}'


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing, each item the JSON of one record. everything: makes the items of the whole listing."""

    items: Sequence[bytes]
    total: int
    page: int
    size: int
    has_more: bool
    everything: Callable[[], Sequence[bytes]]
    layout: bytes = ENVELOPE

    def answer(self) -> "Answer":
        parts = {
            b"items": b",".join(self.items),
            b"total": self.total,
            b"page": self.page,
            b"size": self.size,
            b"more": b"true" if self.has_more else b"false",
        }
        return Answer(200, self.layout % parts, {"X-Total-Count": str(self.total)})


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer. headers: beyond Content-Length, Content-Type and Date, which they may replace."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=dict)
    content_type: str = f"{JSON}; charset=utf-8"

    def all_headers(self, now: float) -> list[tuple[bytes, bytes]]:
        plain = {"Content-Type": self.content_type, "Date": formatdate(now, usegmt=True)} | dict(self.headers)
        if self.status != 204:
            plain.setdefault("Content-Length", str(len(self.body)))
        return [(name.lower().encode(), value.encode("latin-1")) for name, value in plain.items()]


CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    502: "BAD_GATEWAY",
    503: "UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
}


def refusal(status: int, text: str, headers: Headers | None = None) -> Answer:
    """An error in the API's own form."""
    return Answer(status, message(CODES.get(status, "ERROR"), text), headers or {})
