"""Faults in listings: how they are cut into pages, what the envelope says, and rows that come and go between pages."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from timix_assets.contract.endpoints import ENDPOINTS

from .answers import Asked, Cut, Page
from .faults import Fault, Stage, kind
from .workspace import Workspace

Row = dict[str, Any]

MEGABYTE = 1_000_000


@kind(Stage.LISTING)
def duplicate_rows(fault: Fault, rows: Sequence[Row]) -> list[Row]:
    """The first `count` rows (default 1) are in the listing twice, the second time at its end."""
    return [*rows, *rows[: fault.count or 1]]


@kind(Stage.LISTING)
def duplicate_rows_differ(fault: Fault, rows: Sequence[Row]) -> list[Row]:
    """The first `count` rows (default 1) come again at the end with another text or name, changed a minute later.

    Changed a minute earlier when `value` is earlier.
    """
    minutes = timedelta(minutes=-1 if fault.value == "earlier" else 1)
    return [*rows, *(_changed(row, minutes) for row in rows[: fault.count or 1])]


def _changed(row: Row, minutes: timedelta) -> Row:
    words = "text" if "text" in row else "name"
    moment = {"updated_at": row["updated_at"] + minutes} if row.get("updated_at") else {}
    return {**row, words: f"{row.get(words) or ''} (changed)", **moment}


@kind(Stage.LISTING)
def shrunk(fault: Fault, rows: Sequence[Row]) -> list[Row]:
    """Only the first `share` (default 0.2) of the rows can be seen, as when a permission was lost."""
    return list(rows[: int(len(rows) * (0.2 if fault.share is None else fault.share))])


@kind(Stage.CUT)
def small_pages(fault: Fault, cut: Cut) -> Cut:
    """Pages hold at most `count` rows (default 10), and the envelope says so."""
    size = min(cut.size, fault.count or 10)
    return replace(cut, size=size, said_size=size)


@kind(Stage.CUT)
def silent_small_pages(fault: Fault, cut: Cut) -> Cut:
    """Pages hold at most `count` rows (default 10), while the envelope repeats the size that was asked."""
    return replace(cut, size=min(cut.size, fault.count or 10))


@kind(Stage.CUT)
def same_page(fault: Fault, cut: Cut) -> Cut:
    """Every page holds the rows of the first; with has_more_forever this never ends."""
    return replace(cut, page=1)


@kind(Stage.PAGE)
def has_more_forever(fault: Fault, page: Page) -> Page:
    """hasMore is always true; past the end, pages are empty."""
    return replace(page, has_more=True)


@kind(Stage.PAGE)
def has_more_false_early(fault: Fault, page: Page) -> Page:
    """hasMore is false although rows follow; totalCount is right."""
    return replace(page, has_more=False)


@kind(Stage.PAGE)
def total_off(fault: Fault, page: Page) -> Page:
    """totalCount is off by `count` (default 1)."""
    return replace(page, total=page.total + (1 if fault.count is None else fault.count))


@kind(Stage.PAGE)
def items_missing(fault: Fault, page: Page) -> Page:
    """The envelope has no `items`."""
    return replace(page, layout=b'{"totalCount":%(total)d,"page":%(page)d,"pageSize":%(size)d,"hasMore":%(more)b}')


@kind(Stage.PAGE)
def items_null(fault: Fault, page: Page) -> Page:
    """`items` is null."""
    return replace(page, layout=b'{"items":null,"totalCount":%(total)d,"page":%(page)d,"hasMore":%(more)b}')


@kind(Stage.PAGE)
def items_object(fault: Fault, page: Page) -> Page:
    """`items` is an object."""
    return replace(
        page, layout=b'{"items":{"count":%(total)d},"totalCount":%(total)d,"page":%(page)d,"hasMore":%(more)b}'
    )


@kind(Stage.PAGE)
def bare_list(fault: Fault, page: Page) -> Page:
    """No envelope: a JSON list, of the whole listing whichever page is asked, or of that page when `value` is page."""
    return replace(page, items=page.items if fault.value == "page" else page.everything(), layout=b"[%(items)b]")


@kind(Stage.PAGE)
def data_envelope(fault: Fault, page: Page) -> Page:
    """The whole listing as {"data": [...]}."""
    return replace(page, items=page.everything(), layout=b'{"data":[%(items)b]}')


@kind(Stage.PAGE)
def rows_envelope(fault: Fault, page: Page) -> Page:
    """The whole listing as {"rows": [...]}."""
    return replace(page, items=page.everything(), layout=b'{"rows":[%(items)b]}')


@kind(Stage.PAGE)
def big_page(fault: Fault, page: Page) -> Page:
    """The page is blown up to `size` bytes (default 10 MB) by the space that JSON allows between items."""
    size = fault.size or 10 * MEGABYTE
    return replace(page, layout=b'{"items":[%(items)b]' + b" " * size + page.layout.partition(b"]")[2])


@kind(Stage.AFTERWARDS)
def insert_between_pages(fault: Fault, workspace: Workspace, asked: Asked) -> None:
    """Once the page is sent, `count` rows (default 1) are inserted before it, so that every later row moves back."""
    first, name = _first_rows(fault, workspace, asked)
    drafts = [{**row, "invoice_id": None, "status": "Draft"} if "subtask_id" in row else row for row in first]
    workspace.insert_first(name, drafts)


@kind(Stage.AFTERWARDS)
def delete_between_pages(fault: Fault, workspace: Workspace, asked: Asked) -> None:
    """Once the page is sent, the first `count` rows (default 1) of the listing are deleted: every later row moves forward."""
    first, name = _first_rows(fault, workspace, asked)
    workspace.discard(name, [row["id"] for row in first])


def _first_rows(fault: Fault, workspace: Workspace, asked: Asked) -> tuple[list[Row], str]:
    """The first rows of the listing as it was asked for, window included."""
    name = next(endpoint.name for endpoint in ENDPOINTS if endpoint.path == asked.path)
    start, end = asked.window()
    return workspace.listing(name).window(start, end)[: fault.count or 1], name
