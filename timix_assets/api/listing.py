"""Reads a listing whole, though rows come and go while its pages are read.

Timix promises no order and no snapshot: a row inserted or deleted between two pages shifts the others, so that one is
seen twice or not at all. Such a reading does not add up, and the listing is read again from its first page.
What cannot be seen is a row deleted and another inserted between the same two pages: nothing of what is sent differs.
"""

import math
from array import array
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from timix_assets.wording import counted

from .errors import ContractError, EmptyAnswer, Invalid, ListingUnstable, NotFound
from .limits import Limits
from .parallel import unordered

Row = dict[str, Any]
RowKey = Callable[[Row], str | None]
"""What identifies a row, as text; None for a row that has no key."""

_ROWS = ("items", "data", "rows")
_ENVELOPE_ONLY = {"hasMore", "pageSize"}
"""No row has these: an object with one of them is an envelope, and when it has no rows, they are missing."""
_PARTS = 64
_SMALLEST_PAGE = 10
"""Fewer rows are no page of several from a server that tells nothing: none cuts so small when it is asked for more."""
_MOST_PAGES = 50_000
"""Of a listing that tells no total: no end is in sight after so many."""
_CHANGED = "the API has changed: run `timix-assets doctor` to see what it sends now."
_MOST_ROWS = 10**12
"""A larger totalCount counts no rows."""
_FLAGS: Mapping[str | int, bool] = {True: True, False: False, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing. A page of a later reading makes all pages of earlier readings void.

    reading, number: from 1. items: the rows as sent. total, pages: how many rows and pages the listing has, where the
    server says so.
    """

    reading: int
    number: int
    items: list[Row]
    total: int | None
    pages: int | None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the server says on one page. total, has_more and page_size are None where it says nothing."""

    items: list[Row]
    total: int | None
    has_more: bool | None
    page_size: int | None = None


def envelope_of(what: object, body: Any, headers: Mapping[str, str], *, object_is_row: bool = False) -> Envelope:
    """Reads `{items, totalCount, hasMore}`, the same with `data` or `rows`, or a bare list; else raises ContractError.

    what: names the request in the error. The header X-Total-Count counts where the body has no total.
    object_is_row: an object with no list in it, and that is no empty envelope, is one row.
    """
    outer = body if isinstance(body, dict) else {}
    name = next((name for name in _ROWS if name in outer), None)
    if name is None and outer and object_is_row and not _ENVELOPE_ONLY & outer.keys():
        return Envelope([outer], 1, None)
    items = outer[name] if name else body
    if not isinstance(items, list):
        where = f"“{name}” is {_kind(items)}" if name else f"the answer is {_kind(items)} without “items”"
        raise ContractError(
            f"{what}: {where} where a list of rows was due; the API has changed or the path is no listing: run "
            "`timix-assets doctor` to see what it sends now."
        )
    for row in items:
        if type(row) is not dict:
            raise ContractError(f"{what}: a row is {_kind(row)} where an object was due; {_CHANGED}")
    counted = outer.get("totalCount")
    total = _total(what, headers.get("x-total-count") if counted is None else counted)
    size = outer.get("pageSize")
    return Envelope(items, total, _has_more(what, outer.get("hasMore")), size if type(size) is int else None)


def only_page(what: object, envelope: Envelope) -> Page:
    """An answer that was asked without paging; ContractError when it says that there is more than it holds."""
    rows = len(envelope.items)
    if envelope.has_more or (envelope.total or 0) > rows:
        raise ContractError(
            f"{what}: the answer holds {rows:,} rows and says there are more, but the server refuses page and pageSize; "
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
        if 0 <= total <= _MOST_ROWS and total == int(total):
            return int(total)
    except (ArithmeticError, ValueError):
        pass
    raise ContractError(f"{what}: totalCount is no count of rows; {_CHANGED}")


def _has_more(what: object, value: object) -> bool | None:
    """true and false, as text or as 1 and 0 too. Anything else is not skipped over, for rows would be missed silently."""
    if value is None:
        return None
    word = value.strip().casefold() if isinstance(value, str) else value
    if isinstance(word, bool | str | int) and word in _FLAGS:
        return _FLAGS[word]
    raise ContractError(f"{what}: hasMore is neither true nor false; {_CHANGED}")


def key_of_fields(names: Sequence[str]) -> RowKey:
    """The key that these fields make together; the id 7 is the same as "7". No names: no row has a key."""

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
    """Every page of a listing, in any order, read again from the start while it does not add up.

    fetch gives the page of a number, from 1, in pages of a size. key: tells rows apart; a page on which no row has a key
    is told apart by its whole rows. Doubles that two readings agree on are the server's own, not a trace of movement:
    they are passed on.
    Raises ListingUnstable after the last reading that `limits` allows, and whatever `fetch` raises.
    """
    known_doubles: set[int] = set()
    reason = ""
    for reading in range(1, limits.readings + 1):
        if reading > 1:
            notify(f"{what}: {reason}, so the listing is read again ({reading} of at most {limits.readings} readings).")
        try:
            sums = _Sums(key, limits.page_size)
            for number, envelope in _pages(what, fetch, sums, limits):
                yield Page(reading, number, envelope.items, envelope.total, sums.last_page)
            doubles = sums.doubles()
            if doubles <= known_doubles:
                return
            known_doubles |= doubles
            reason = f"{counted(len(doubles), 'key')} came more than once"
        except _Moved as moved:
            reason = str(moved)
    raise ListingUnstable(
        f"{what}: the rows did not add up in {limits.readings} readings (in the last one, {reason}), so nothing of "
        "them is kept; run it again at a quieter time, and report it to Timix when that does not help."
    )


class _Moved(Exception):  # noqa: N818 - not an error yet: the listing is read again
    """The rows of this reading do not add up."""


def _pages(
    what: object, fetch: Callable[[int, int], Envelope], sums: "_Sums", limits: Limits
) -> Iterator[tuple[int, Envelope]]:
    """One reading. The first page says how many there are; without that, each page says whether another follows."""

    def numbered(number: int) -> tuple[int, Envelope]:
        return number, fetch(number, limits.page_size)

    _, first = numbered(1)
    sums.add(1, first)
    yield 1, first
    if sums.last_page is None:
        yield from _one_after_another(what, fetch, sums, first, limits.page_size)
        return

    says_more = bool(first.has_more) and sums.last_page == 1
    for number, envelope in unordered(numbered, range(2, sums.last_page + 1), limits.concurrency):
        sums.add(number, envelope)
        says_more = says_more or (bool(envelope.has_more) and number == sums.last_page)
        yield number, envelope
    if says_more:
        # The count is met, yet the server says there is more: one of the two is wrong, and the next page tells which.
        beyond = sums.last_page + 1
        sums.expect_nothing_new(beyond, _if_there(lambda: fetch(beyond, limits.page_size)))


def _if_there(page: Callable[[], Envelope]) -> Envelope:
    """A page that may not exist. A server may also refuse to give it, or answer with what is no page."""
    try:
        return page()
    except (NotFound, Invalid, EmptyAnswer, ContractError):
        return Envelope([], None, None)


def _one_after_another(
    what: object, fetch: Callable[[int, int], Envelope], sums: "_Sums", first: Envelope, page_size: int
) -> Iterator[tuple[int, Envelope]]:
    """Pages of a listing that tells no total, for as long as `_Sums.is_followed` says."""
    number, envelope = 1, first
    while sums.is_followed(number, envelope):
        before, may_be_last = envelope, sums.may_be_last(number, envelope)
        number += 1
        if number > _MOST_PAGES:
            raise ContractError(
                f"{what}: it gave {_MOST_PAGES:,} pages, tells no total and comes to no end; {_CHANGED}"
            )
        ask = partial(fetch, number, page_size)
        envelope = _if_there(ask) if may_be_last else ask()
        if before.has_more is None:
            if number == 2 and _ignores_paging(fetch, sums, first, envelope, page_size):
                return
            if number > 2 and sums.has_every_row(envelope):
                return
        sums.add(number, envelope)
        yield number, envelope


def _ignores_paging(
    fetch: Callable[[int, int], Envelope], sums: "_Sums", first: Envelope, second: Envelope, page_size: int
) -> bool:
    """Whether the first page was the whole, from a server that tells nothing and knows no pages: it gives the rows again.

    Where it was full, a smaller page must be as large: when pageSize is obeyed and page is not, rows are out of reach.
    """
    came_again = bool(second.items) and sums.has_every_row(second)
    if len(first.items) != page_size or page_size == 1:
        return came_again
    # Rows without a key may differ in what changes by itself, such as a time of day: their number alone tells.
    return (came_again or not sums.has_keys) and len(fetch(1, page_size - 1).items) == len(first.items)


class _Sums:
    """What one reading has shown so far, and whether it adds up. Of each row it keeps 8 bytes: a hash of its key.

    has_keys: whether a row of the first page has one.
    """

    def __init__(self, key: RowKey, page_size: int) -> None:
        self._key = key
        self._asked_size = page_size
        self._total: int | None = None
        self._size = 0
        self._is_full = False
        self._fingerprints: set[int] = set()
        self._hashes = [array("q") for _ in range(_PARTS)]
        self._seen: set[int] = set()
        self.has_keys = False
        self.last_page: int | None = None

    def add(self, number: int, envelope: Envelope) -> None:
        """Takes a page in; the first page first. Raises _Moved when it does not fit the others."""
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
            raise _Moved(f"page {number} is empty and says that more follow")
        hashes, fingerprint = _hashes(envelope.items, self._key)
        if rows and fingerprint in self._fingerprints:
            raise _Moved(f"page {number} is the same as another page")
        self._fingerprints.add(fingerprint)
        for value in hashes:
            self._hashes[value % _PARTS].append(value)
        if self.last_page is None:
            # Nothing else would end a listing without a total whose rows come again in another order.
            if rows and self._seen.issuperset(hashes):
                raise _Moved(f"page {number} holds nothing but rows of other pages")
            self._seen.update(hashes)

    def _check_count(self, number: int, envelope: Envelope, total: int, last_page: int) -> None:
        if envelope.total is not None and envelope.total != total:
            raise _Moved(f"page {number} counts {envelope.total:,} rows where page 1 counted {total:,}")
        due = self._size if number < last_page else total - self._size * (last_page - 1)
        if len(envelope.items) != due:
            raise _Moved(f"page {number} has {len(envelope.items):,} rows where {due:,} were due")

    def is_followed(self, number: int, envelope: Envelope) -> bool:
        """Without a total: as the server says. Where it says nothing, the next page tells, for this may be a smaller page than
        was asked for; but not after a first page that is too short to be one of several, nor after the last of full ones.
        """
        rows = len(envelope.items)
        if envelope.has_more is not None:
            return envelope.has_more
        if not self.has_keys:
            return rows == self._asked_size
        if self._is_full:
            return rows >= self._size
        return rows >= (1 if number > 1 else min(_SMALLEST_PAGE, self._asked_size))

    def may_be_last(self, number: int, envelope: Envelope) -> bool:
        """Whether a refusal of the page after this one would say that there is none."""
        rows = len(envelope.items)
        is_short = rows < self._size if number > 1 else rows != self._asked_size
        return envelope.has_more is None and is_short

    def expect_nothing_new(self, number: int, envelope: Envelope) -> None:
        """For the page after the last one: it must be empty, or one that was seen already."""
        if envelope.items and not self.has_seen(envelope):
            raise _Moved(f"page {number} holds rows beyond the {self._total:,} that were counted")

    def has_seen(self, envelope: Envelope) -> bool:
        """Whether a page is the same as one that was taken in."""
        return _hashes(envelope.items, self._key)[1] in self._fingerprints

    def has_every_row(self, envelope: Envelope) -> bool:
        """Whether all rows of a page were on others, in whatever order. Of a listing without a total alone."""
        return self._seen.issuperset(_hashes(envelope.items, self._key)[0])

    def doubles(self) -> set[int]:
        """Hashes of keys that came more than once."""
        return {double for part in self._hashes if len(set(part)) < len(part) for double in _doubles(part)}


def _doubles(values: Sequence[int]) -> set[int]:
    seen: set[int] = set()
    return {value for value in values if value in seen or seen.add(value)}  # type: ignore[func-returns-value]


def _hashes(rows: list[Row], key: RowKey) -> tuple[list[int], int]:
    """The hash of each row's key, and a fingerprint of the page.

    Rows without a key are for quarantine, not doubles of each other. But when no row has one, the key goes by a name
    that we do not know, and what came twice must be seen all the same: then the whole row counts.
    """
    hashes = [hash(value) for row in rows if (value := key(row)) is not None]
    if not hashes:
        hashes = [hash(_text(row)) for row in rows]
    return hashes, hash(tuple(hashes) if len(hashes) == len(rows) else tuple(map(_text, rows)))


def _text(row: Row) -> str:
    """The whole row; but the names of its fields alone when it nests too deep for this thread, as it did not for its reader."""
    try:
        return repr(row)
    except RecursionError:
        return repr(list(row))
