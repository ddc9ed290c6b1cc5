"""Reads a whole listing, though rows come and go while its pages are read.

Timix promises neither an order nor a snapshot: a row inserted or deleted between two pages shifts the others, so that
one is seen twice or not at all. The rows of such an attempt do not add up, and the listing is read again from page 1.
One case cannot be detected: a row deleted and another inserted between the same two pages. The responses do not differ.
"""

import math
from array import array
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from timix_assets.text.doctor_advice import SEE_WHAT_IS_SENT
from timix_assets.text.wording import count_noun

from .concurrency import map_unordered
from .errors import ContractError, EmptyResponse, Invalid, ListingUnstable, NotFound
from .limits import Limits

Row = dict[str, Any]
RowKey = Callable[[Row], str | None]
"""Gives the key of a row as text; None for a row without one."""

_ROW_FIELDS = ("items", "data", "rows")
_ENVELOPE_ONLY = {"hasMore", "pageSize"}
"""Fields that only an envelope has. An object with one of them is not a row, even if its rows are missing."""
_HASH_PARTITIONS = 64
_MIN_FULL_PAGE = 10
"""From a server that sends no paging metadata, fewer rows are the whole listing: none uses so small a page size."""
_MAX_PAGES = 50_000
"""Of a listing without a total: after this many pages it is considered endless."""
_API_CHANGED = f"the API has changed: {SEE_WHAT_IS_SENT}."
_MAX_ROWS = 10**12
"""A larger totalCount is not a number of rows."""
_FLAGS: Mapping[str | int, bool] = {True: True, False: False, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing. A page of a later attempt makes all pages of earlier attempts void.

    attempt: counts from 1, as number does.
    items: the rows as sent.
    total, pages: rows and pages of the whole listing, where the server sends a total; else None.
    """

    attempt: int
    number: int
    items: list[Row]
    total: int | None
    pages: int | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """The rows and paging metadata of one response. Metadata that the server does not send is None."""

    items: list[Row]
    total: int | None
    has_more: bool | None
    page_size: int | None = None


def envelope_of(what: object, body: Any, headers: Mapping[str, str], *, object_is_row: bool = False) -> Envelope:
    """Reads `{items, totalCount, hasMore}`, the same with `data` or `rows`, or a bare list.

    Args:
        what: Names the request in errors.
        body: The JSON of the response.
        headers: X-Total-Count is the total where the body has none.
        object_is_row: An object that is not an envelope is one row.

    Raises:
        ContractError: The body has another shape, or its totalCount or hasMore cannot be read.
    """
    outer = body if isinstance(body, dict) else {}
    name = next((name for name in _ROW_FIELDS if name in outer), None)
    if name is None and outer and object_is_row and not _ENVELOPE_ONLY & outer.keys():
        return Envelope([outer], 1, None)
    items = outer[name] if name else body
    if not isinstance(items, list):
        where = f"“{name}” is {_kind(items)}" if name else f"the answer is {_kind(items)} without “items”"
        raise ContractError(
            f"{what}: expected a list of rows, but {where}; the API has changed or the path is not a listing: "
            f"{SEE_WHAT_IS_SENT}."
        )
    for row in items:
        if type(row) is not dict:
            raise ContractError(f"{what}: expected each row to be an object, but one is {_kind(row)}; {_API_CHANGED}")
    counted = outer.get("totalCount")
    total = _total(what, headers.get("x-total-count") if counted is None else counted)
    size = outer.get("pageSize")
    return Envelope(items, total, _has_more(what, outer.get("hasMore")), size if type(size) is int else None)


def only_page(what: object, envelope: Envelope) -> Page:
    """The page of a request without paging; ContractError when the server says that there are more rows."""
    rows = len(envelope.items)
    if envelope.has_more or (envelope.total or 0) > rows:
        raise ContractError(
            f"{what}: the response has {rows:,} rows and says there are more, but the server refuses page and pageSize; "
            "set parameters.page and parameters.pageSize by an override to the names that it knows."
        )
    return Page(1, 1, envelope.items, envelope.total, 1)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _total(what: object, value: object) -> int | None:
    if value is None:
        return None
    try:
        total = (
            Decimal(value) if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else Decimal(-1)
        )
        # Bounded first: as an int, 1e999999999 would fill the memory.
        if 0 <= total <= _MAX_ROWS and total == int(total):
            return int(total)
    except (ArithmeticError, ValueError):
        pass
    raise ContractError(f"{what}: totalCount is not a number of rows; {_API_CHANGED}")


def _has_more(what: object, value: object) -> bool | None:
    """true and false, also as text or as 1 and 0. Anything else raises: ignoring it could silently miss rows."""
    if value is None:
        return None
    word = value.strip().casefold() if isinstance(value, str) else value
    if isinstance(word, bool | str | int) and word in _FLAGS:
        return _FLAGS[word]
    raise ContractError(f"{what}: hasMore is neither true nor false; {_API_CHANGED}")


def key_of_fields(names: Sequence[str]) -> RowKey:
    """Reads the key that these fields make together; the id 7 equals "7". Without names, no row has a key."""

    def of_one(row: Row) -> str | None:
        value = row.get(names[0])
        return value if type(value) is str or value is None else str(value)

    def of_several(row: Row) -> str | None:
        values = [row.get(name) for name in names]
        return None if None in values or not values else "\x00".join(map(str, values))

    return of_one if len(names) == 1 else of_several


def read_listing(
    what: object,
    fetch: Callable[[int, int], Envelope],
    key: RowKey,
    limits: Limits,
    notify: Callable[[str], None],
) -> Generator[Page, None, None]:
    """Yields every page of a listing, in any order; starts again from page 1 while the rows do not add up.

    Duplicates that two attempts agree on are the server's own and not a sign of change: they are passed on.

    Args:
        what: Names the listing in messages.
        fetch: Gets the page of a number (from 1) in pages of a size.
        key: Identifies rows; on a page where no row has a key, whole rows are compared.
        limits: Page size, concurrency and the number of attempts.
        notify: Called with one message when the listing is read again.

    Raises:
        ListingUnstable: The listing changed during every attempt.
    """
    known_duplicates: set[int] = set()
    reason = ""
    for attempt in range(1, limits.listing_attempts + 1):
        if attempt > 1:
            notify(f"{what}: {reason}; reading the listing again (attempt {attempt} of {limits.listing_attempts}).")
        try:
            checksum = _ListingChecksum(key, limits.page_size)
            for number, envelope in _pages(what, fetch, checksum, limits):
                yield Page(attempt, number, envelope.items, envelope.total, checksum.last_page)
            duplicates = checksum.duplicates()
            if duplicates <= known_duplicates:
                return
            known_duplicates |= duplicates
            reason = f"{count_noun(len(duplicates), 'key')} came more than once"
        except _ListingChanged as change:
            reason = str(change)
    raise ListingUnstable(
        f"{what}: the listing changed during all {limits.listing_attempts} attempts (in the last one, {reason}); no rows "
        "were kept. Run it again when fewer edits are made, and report it to Timix if that does not help."
    )


class _ListingChanged(Exception):  # noqa: N818 - not an error yet: the listing is read again
    """The rows of this attempt do not add up; the message says why."""


def _pages(
    what: object, fetch: Callable[[int, int], Envelope], checksum: "_ListingChecksum", limits: Limits
) -> Iterator[tuple[int, Envelope]]:
    """One attempt. The first page says how many pages there are; without that, each says whether another follows."""

    def numbered(number: int) -> tuple[int, Envelope]:
        return number, fetch(number, limits.page_size)

    _, first = numbered(1)
    checksum.add(1, first)
    yield 1, first
    if checksum.last_page is None:
        yield from _sequential_pages(what, fetch, checksum, first, limits.page_size)
        return

    says_more = bool(first.has_more) and checksum.last_page == 1
    for number, envelope in map_unordered(numbered, range(2, checksum.last_page + 1), limits.concurrency):
        checksum.add(number, envelope)
        says_more = says_more or (bool(envelope.has_more) and number == checksum.last_page)
        yield number, envelope
    if says_more:
        # The total is met, yet the server says there is more: the next page shows which of the two is wrong.
        beyond = checksum.last_page + 1
        checksum.check_no_further_rows(beyond, _empty_if_refused(lambda: fetch(beyond, limits.page_size)))


def _empty_if_refused(page: Callable[[], Envelope]) -> Envelope:
    """A page that need not exist: a refusal, or a response that is not a page, counts as an empty one."""
    try:
        return page()
    except (NotFound, Invalid, EmptyResponse, ContractError):
        return Envelope([], None, None)


def _sequential_pages(
    what: object, fetch: Callable[[int, int], Envelope], checksum: "_ListingChecksum", first: Envelope, page_size: int
) -> Iterator[tuple[int, Envelope]]:
    """The further pages of a listing without a total, while `_ListingChecksum.expects_next_page` is true."""
    number, envelope = 1, first
    while checksum.expects_next_page(number, envelope):
        before, can_be_last = envelope, checksum.can_be_last(number, envelope)
        number += 1
        if number > _MAX_PAGES:
            raise ContractError(f"{what}: no end after {_MAX_PAGES:,} pages, and no total is sent; {_API_CHANGED}")
        ask = partial(fetch, number, page_size)
        envelope = _empty_if_refused(ask) if can_be_last else ask()
        if before.has_more is None:
            if number == 2 and _ignores_paging(fetch, checksum, first, envelope, page_size):
                return
            if number > 2 and checksum.has_all_rows(envelope):
                return
        checksum.add(number, envelope)
        yield number, envelope


def _ignores_paging(
    fetch: Callable[[int, int], Envelope],
    checksum: "_ListingChecksum",
    first: Envelope,
    second: Envelope,
    page_size: int,
) -> bool:
    """Whether the server ignores paging, so that the first page was the whole listing and the second repeats it.

    A full first page must come again when a smaller page is requested: a server that obeys pageSize but ignores page
    would leave rows out of reach.
    """
    came_again = bool(second.items) and checksum.has_all_rows(second)
    if len(first.items) != page_size or page_size == 1:
        return came_again
    # Rows without a key may differ in fields that change by themselves, such as a timestamp: only the count is compared.
    return (came_again or not checksum.has_keys) and len(fetch(1, page_size - 1).items) == len(first.items)


class _ListingChecksum:
    """What one attempt has read so far, and whether it adds up. Keeps 8 bytes per row: a hash of its key.

    has_keys: whether any row of the first page has a key. last_page: None while the listing has no total.
    """

    def __init__(self, key: RowKey, page_size: int) -> None:
        self._key = key
        self._asked_size = page_size
        self._total: int | None = None
        self._size = 0
        self._is_full = False
        self._fingerprints: set[int] = set()
        self._hashes = [array("q") for _ in range(_HASH_PARTITIONS)]
        self._seen: set[int] = set()
        self.has_keys = False
        self.last_page: int | None = None

    def add(self, number: int, envelope: Envelope) -> None:
        """Adds a page, page 1 first. Raises _ListingChanged when it does not fit the others."""
        rows = len(envelope.items)
        if number == 1:
            self._total, self._size = envelope.total, rows
            self._is_full = 0 < rows in (self._asked_size, envelope.page_size)
            self.has_keys = any(self._key(row) is not None for row in envelope.items)
            if envelope.total is not None:
                self.last_page = max(1, math.ceil(envelope.total / rows)) if rows else 1
        if self.last_page is not None and self._total is not None:
            self._check_count(number, envelope, self._total, self.last_page)
        elif envelope.has_more and not rows:
            raise _ListingChanged(f"page {number} is empty but says that more follow")
        hashes, fingerprint = _hashes(envelope.items, self._key)
        if rows and fingerprint in self._fingerprints:
            raise _ListingChanged(f"page {number} is the same as another page")
        self._fingerprints.add(fingerprint)
        for value in hashes:
            self._hashes[value % _HASH_PARTITIONS].append(value)
        if self.last_page is None:
            # Only this ends a listing without a total that repeats its rows in another order.
            if rows and self._seen.issuperset(hashes):
                raise _ListingChanged(f"page {number} has only rows of other pages")
            self._seen.update(hashes)

    def _check_count(self, number: int, envelope: Envelope, total: int, last_page: int) -> None:
        if envelope.total is not None and envelope.total != total:
            raise _ListingChanged(f"page {number} says {envelope.total:,} rows in all, page 1 said {total:,}")
        due = self._size if number < last_page else total - self._size * (last_page - 1)
        if len(envelope.items) != due:
            raise _ListingChanged(f"page {number} has {len(envelope.items):,} rows, expected {due:,}")

    def expects_next_page(self, number: int, envelope: Envelope) -> bool:
        """Whether to request the next page of a listing without a total: hasMore decides where it is sent.

        Else the next page is requested, as the server may use smaller pages than requested; but not after a first page
        too short to be one of several, nor after a page shorter than a full first one.
        """
        rows = len(envelope.items)
        if envelope.has_more is not None:
            return envelope.has_more
        if not self.has_keys:
            return rows == self._asked_size
        if self._is_full:
            return rows >= self._size
        return rows >= (1 if number > 1 else min(_MIN_FULL_PAGE, self._asked_size))

    def can_be_last(self, number: int, envelope: Envelope) -> bool:
        """Whether a refused next page would mean that this one was the last."""
        rows = len(envelope.items)
        is_short = rows < self._size if number > 1 else rows != self._asked_size
        return envelope.has_more is None and is_short

    def check_no_further_rows(self, number: int, envelope: Envelope) -> None:
        """Checks the page after the last one: it must be empty, or repeat another page."""
        if envelope.items and _hashes(envelope.items, self._key)[1] not in self._fingerprints:
            raise _ListingChanged(f"page {number} has rows beyond the total of {self._total:,}")

    def has_all_rows(self, envelope: Envelope) -> bool:
        """Whether all rows of a page were added before, in any order; only for listings without a total."""
        return self._seen.issuperset(_hashes(envelope.items, self._key)[0])

    def duplicates(self) -> set[int]:
        """Hashes of keys that occur more than once."""
        return {duplicate for part in self._hashes if len(set(part)) < len(part) for duplicate in _duplicates(part)}


def _duplicates(values: Sequence[int]) -> set[int]:
    seen: set[int] = set()
    return {value for value in values if value in seen or seen.add(value)}  # type: ignore[func-returns-value]


def _hashes(rows: list[Row], key: RowKey) -> tuple[list[int], int]:
    """The hash of each row's key, and a fingerprint of the page.

    Rows without a key go to quarantine and are not duplicates of each other. But when no row has one, the key field has
    a name that we do not know, and repeated rows must still be noticed: then whole rows are hashed.
    """
    hashes = [hash(value) for row in rows if (value := key(row)) is not None]
    if not hashes:
        hashes = [hash(_text(row)) for row in rows]
    return hashes, hash(tuple(hashes) if len(hashes) == len(rows) else tuple(map(_text, rows)))


def _text(row: Row) -> str:
    """The whole row; only its field names when it is nested too deeply for this thread."""
    try:
        return repr(row)
    except RecursionError:
        return repr(list(row))
