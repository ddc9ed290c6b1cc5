"""Faults in listings: page sizes, the envelope, and rows that appear and disappear between pages."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from timix_assets.contract.endpoints import ENDPOINTS

from .faults import Fault, Stage, declare, kind
from .responses import Page, PageSlice, ParsedRequest
from .workspace import Workspace

Row = dict[str, Any]

MEGABYTE = 1_000_000


@kind(Stage.LISTING)
def duplicate_rows(fault: Fault, rows: Sequence[Row]) -> list[Row]:
    """The first `count` rows (default 1) appear twice in the listing, the second time at its end."""
    return [*rows, *rows[: fault.count or 1]]


@kind(Stage.LISTING)
def duplicate_rows_differ(fault: Fault, rows: Sequence[Row]) -> list[Row]:
    """The first `count` rows (default 1) appear again at the end with a different text or name and an updatedAt one minute later.

    One minute earlier if `value` is `earlier`.
    """
    minutes = timedelta(minutes=-1 if fault.value == "earlier" else 1)
    return [*rows, *(_changed(row, minutes) for row in rows[: fault.count or 1])]


def _changed(row: Row, minutes: timedelta) -> Row:
    words = "text" if "text" in row else "name"
    moment = {"updated_at": row["updated_at"] + minutes} if row.get("updated_at") else {}
    return {**row, words: f"{row.get(words) or ''} (changed)", **moment}


@kind(Stage.LISTING)
def shrunk(fault: Fault, rows: Sequence[Row]) -> list[Row]:
    """Only the first `share` (default 0.2) of the rows are visible, as after a lost permission."""
    return list(rows[: int(len(rows) * (0.2 if fault.share is None else fault.share))])


@kind(Stage.SLICE)
def small_pages(fault: Fault, cut: PageSlice) -> PageSlice:
    """Pages hold at most `count` rows (default 10), and the envelope says so."""
    size = min(cut.size, fault.count or 10)
    return replace(cut, size=size, reported_size=size)


@kind(Stage.SLICE)
def silent_small_pages(fault: Fault, cut: PageSlice) -> PageSlice:
    """Pages hold at most `count` rows (default 10), while the envelope repeats the requested size."""
    return replace(cut, size=min(cut.size, fault.count or 10))


@kind(Stage.SLICE)
def same_page(fault: Fault, cut: PageSlice) -> PageSlice:
    """Every page holds the rows of the first; with has_more_forever this never ends."""
    return replace(cut, page=1)


@kind(Stage.PAGE)
def has_more_forever(fault: Fault, page: Page) -> Page:
    """hasMore is always true; past the end, pages are empty."""
    return replace(page, has_more=True)


@kind(Stage.PAGE)
def has_more_false_early(fault: Fault, page: Page) -> Page:
    """hasMore is false although more rows follow; totalCount is correct."""
    return replace(page, has_more=False)


@kind(Stage.PAGE)
def total_off(fault: Fault, page: Page) -> Page:
    """totalCount is off by `count` (default 1)."""
    return replace(page, total=page.total + (1 if fault.count is None else fault.count))


REST = b'"totalCount":%(total)d,"page":%(page)d,"pageSize":%(size)d,"hasMore":%(more)b}'
LAYOUTS = {
    "items_missing": ("The envelope has no `items`.", b"{" + REST),
    "items_null": ("`items` is null.", b'{"items":null,' + REST),
    "items_object": ("`items` is an object.", b'{"items":{"count":%(total)d},' + REST),
}
for _name, (_meaning, _layout) in LAYOUTS.items():
    declare(_name, Stage.PAGE, _meaning, lambda fault, page, layout=_layout: replace(page, layout=layout))


@kind(Stage.PAGE)
def bare_list(fault: Fault, page: Page) -> Page:
    """No envelope: a JSON list of the whole listing for every page, or of the requested page if `value` is `page`."""
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
    """The page is padded to `size` bytes (default 10 MB) with whitespace between items."""
    size = fault.size or 10 * MEGABYTE
    return replace(page, layout=b'{"items":[%(items)b]' + b" " * size + page.layout.partition(b"]")[2])


@kind(Stage.AFTER_RESPONSE)
def insert_between_pages(fault: Fault, workspace: Workspace, parsed: ParsedRequest) -> None:
    """After the page was sent, `count` rows (default 1) are inserted before it, so every later row moves back."""
    first, name = _first_rows(fault, workspace, parsed)
    drafts = [{**row, "invoice_id": None, "status": "Draft"} if "subtask_id" in row else row for row in first]
    workspace.insert_first(name, drafts)


@kind(Stage.AFTER_RESPONSE)
def delete_between_pages(fault: Fault, workspace: Workspace, parsed: ParsedRequest) -> None:
    """After the page was sent, the first `count` rows (default 1) are deleted, so every later row moves forward."""
    first, name = _first_rows(fault, workspace, parsed)
    workspace.discard(name, [row["id"] for row in first])


def _first_rows(fault: Fault, workspace: Workspace, parsed: ParsedRequest) -> tuple[list[Row], str]:
    """The first rows of the requested listing, within its dates."""
    name = next(endpoint.name for endpoint in ENDPOINTS if endpoint.path == parsed.path)
    start, end = parsed.window()
    return workspace.listing(name).window(start, end)[: fault.count or 1], name
