"""Parsed requests, pages and responses."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from email.utils import formatdate

from .write_validation import InvalidWrite

Headers = Mapping[str, str]

JSON = "application/json"

MAX_DIGITS = 18
"""Maximum number of digits of a page number."""


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A parsed request: the path below the base URL, its query, its origin and time."""

    method: str
    path: str
    query: Mapping[str, str]
    origin: str
    now: float
    key_text: str = field(default="", repr=False)

    @property
    def page(self) -> int:
        """The requested page; 1 if the query names none that can be parsed."""
        text = self.query.get("page", "1")
        return int(text) if is_count(text) else 1

    def window(self) -> tuple[date | None, date | None]:
        """startDate and endDate, both inclusive; raises `InvalidWrite` for an invalid date."""
        return self._day("startDate"), self._day("endDate")

    def _day(self, name: str) -> date | None:
        try:
            return date.fromisoformat(self.query[name]) if self.query.get(name) else None
        except ValueError as unreadable:
            raise InvalidWrite(f"{name} must be a date, YYYY-MM-DD, and is {self.query[name]!r}.") from unreadable


def is_count(text: str) -> bool:
    """Whether the text of a query is a whole number of reasonable length."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS


@dataclass(frozen=True, slots=True)
class PageSlice:
    """Which page of a listing is sent, and its size; `reported_…` is what the envelope says."""

    page: int
    size: int
    reported_page: int
    reported_size: int


ENVELOPE = b'{"items":[%(items)b],"totalCount":%(total)d,"page":%(page)d,"pageSize":%(size)d,"hasMore":%(more)b}'


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing; each item is the JSON of one record. everything: renders the items of the whole listing."""

    items: Sequence[bytes]
    total: int
    page: int
    size: int
    has_more: bool
    everything: Callable[[], Sequence[bytes]]
    layout: bytes = ENVELOPE

    def answer(self) -> "ApiResponse":
        parts = {
            b"items": b",".join(self.items),
            b"total": self.total,
            b"page": self.page,
            b"size": self.size,
            b"more": b"true" if self.has_more else b"false",
        }
        return ApiResponse(200, self.layout % parts, {"X-Total-Count": str(self.total)})


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A finished response. headers: in addition to Content-Length, Content-Type and Date, which they can replace."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=dict)
    content_type: str = f"{JSON}; charset=utf-8"

    def header_pairs(self, now: float) -> list[tuple[bytes, bytes]]:
        plain = {"Content-Type": self.content_type, "Date": formatdate(now, usegmt=True)} | dict(self.headers)
        if self.status not in (204, 304):
            plain.setdefault("Content-Length", str(len(self.body)))
        return [(name.lower().encode(), value.encode("latin-1")) for name, value in plain.items()]


CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    422: "VALIDATION_ERROR",
    425: "TOO_EARLY",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    502: "BAD_GATEWAY",
    503: "UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
}


def error_response(status: int, text: str, headers: Headers | None = None) -> ApiResponse:
    """An error response in the API's format."""
    error = {"code": CODES.get(status, "ERROR"), "message": text}
    return ApiResponse(status, json.dumps({"error": error}, ensure_ascii=False).encode(), headers or {})
