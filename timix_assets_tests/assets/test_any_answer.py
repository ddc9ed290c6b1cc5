"""Whatever a server answers, from the bytes on the wire to the table in the lake: typed, rescued, quarantined, or a failure.

A listing of seven rows on three pages is right, but for what hypothesis changes in it. What must come of it is reckoned
by a reader of its own, for which a number is its digits.
"""

import copy
import json
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from timix_assets.api.client import TimixClient
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.schema import Column, Endpoint, Type, Window
from timix_assets.errors import TimixAssetsError
from timix_assets.ingest.fetch import Fetched, fetch
from timix_assets.lake.months import Months
from timix_assets.lake.spool import Spool
from timix_assets.lake.tables import Lake
from timix_assets_tests.api.scripted import BRISK, NOT_SCRIPTED, Asked, Reply, serving, sheet
from timix_assets_tests.contract.test_any_record import AMOUNTS, anything, names, plain_amount

# A thread of the client that is given up may draw its back-off while the next example is drawn.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")

MONTHS = Months(date(2026, 9, 1), date(2026, 11, 1))
ROWS, PER_PAGE = 7, 3
PAGES = range(1, 4)


class Token(str):
    """A JSON number, by its digits."""


class Raw(str):
    """Text that is put into the JSON as it is."""


def entry(number: int) -> dict[str, Any]:
    return {
        "id": f"e{number}",
        "userId": 12,
        "subtaskId": "st1",
        "date": f"2026-{9 + number % 3:02}-0{number + 1}",
        "hours": Decimal(f"{number}.25"),
        "customerRate": "101.10",
        "status": "Approved",
        "text": "שלום",
        "updatedAt": "2026-11-02T10:00:00Z",
    }


def invoice(number: int) -> dict[str, Any]:
    lines = [{"description": "Work", "hours": Decimal("7.5"), "rate": 90, "amount": Decimal("675.00")}] * (number % 3)
    return {"id": number, "number": f"R-{number}", "status": "Issued", "total": Decimal("675.10"), "lines": lines}


RECORDS = {"time_reports": entry, "invoices": invoice}


def pages_of(name: str) -> list[dict[str, Any]]:
    rows = [RECORDS[name](number) for number in range(ROWS)]
    return copy.deepcopy([sheet(rows, page, PER_PAGE) for page in PAGES])


def written(value: Any) -> str:
    """JSON text. Text is written in ASCII, so that a lone surrogate can be sent too."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {written(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return str(value) if isinstance(value, Raw | Decimal) else json.dumps(value)


# What is changed in the pages

RAW = [
    Raw(text)
    for text in (
        "1e999999999",
        "1e99999999999999999999",
        "-1e-999999999",
        "9" * 400,
        "9" * 4000,
        "9" * 5000,
        "0." + "1" * 4000,
        "9007199254740993",
        "-0",
        "1E+2",
        "[" * 300 + "]" * 300,
        '{"a":' * 950 + "1" + "}" * 950,
        '["\\ud800", ' + "[" * 940 + "]" * 941,
        "[" * 100_000 + "]" * 100_000,
        "01",
        "+1",
        "0x10",
        "",
        "'x'",
        "undefined",
        '"\t"',
        '"\\ud83d"',
        '"\\u0000"',
        "NaN",
        "-Infinity",
    )
]
Change = Callable[[list[Any]], None]
numbered = st.integers(0, len(PAGES) - 1)
placed = st.integers(0, PER_PAGE - 1)
envelope_names = st.sampled_from(["items", "totalCount", "hasMore", "page", "pageSize", "data", "rows"]) | names
wilder = st.one_of(
    anything, st.sampled_from(RAW), st.sampled_from([0, 1, 3, 6, 7, 8, "7", Decimal("7.0"), "true", "False", 10**30])
)


def field_names(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([s for column in BY_NAME[name].columns for s in column.json_names]) | names


@st.composite
def changed_field(draw: st.DrawFn, name: str, values: st.SearchStrategy[Any] = anything) -> Change:
    """A field of a record is something else, or gone."""
    page, place, field_name = draw(numbered), draw(placed), draw(field_names(name))
    value = draw(st.just(...) | values)

    def change(pages: list[Any]) -> None:
        record = _record(pages, page, place)
        if isinstance(record, dict):
            record.pop(field_name, None)
            record.update({} if value is ... else {field_name: value})

    return change


@st.composite
def changed_record(draw: st.DrawFn, name: str) -> Change:
    """A record is something else, gone, there twice, or has a field twice."""
    page, place, how = draw(numbered), draw(placed), draw(st.sampled_from(["other", "gone", "twice", "field twice"]))
    value, field_name = draw(wilder), draw(field_names(name))

    def change(pages: list[Any]) -> None:
        record = _record(pages, page, place)
        if record is None:
            return
        items = pages[page]["items"]
        if how == "other":
            items[place] = value
        elif how == "gone":
            del items[place]
        elif how == "twice":
            items.append(copy.deepcopy(record))
        elif isinstance(record, dict):
            items[place] = Raw(f"{written(record)[:-1]}, {json.dumps(field_name)}: {written(value)}}}")

    return change


@st.composite
def changed_envelope(draw: st.DrawFn, name: str) -> Change:
    """What is around the records is something else, or gone, on one page or on all."""
    page, field_name, everywhere = draw(numbered), draw(envelope_names), draw(st.booleans())
    value = draw(st.just(...) | wilder)

    def change(pages: list[Any]) -> None:
        for each in pages if everywhere else [pages[page]]:
            if isinstance(each, dict):
                each.pop(field_name, None)
                each.update({} if value is ... else {field_name: copy.deepcopy(value)})

    return change


@st.composite
def changed_page(draw: st.DrawFn, name: str) -> Change:
    """A page is something else, or its bare list of records."""
    page, value = draw(numbered), draw(st.just(...) | wilder)

    def change(pages: list[Any]) -> None:
        rows = pages[page].get("items") if isinstance(pages[page], dict) else None
        pages[page] = rows if value is ... else value

    return change


def _record(pages: list[Any], page: int, place: int) -> Any:
    items = pages[page].get("items") if isinstance(pages[page], dict) else None
    return items[place] if isinstance(items, list) and place < len(items) else None


@st.composite
def changed_bytes(draw: st.DrawFn) -> Any:
    """A function from a body to near-JSON: cut, with other bytes in it, in another encoding, with something before or after."""
    at, some = draw(st.integers(0, 1200)), draw(st.binary(min_size=1, max_size=3))
    return draw(
        st.sampled_from(
            [
                lambda body: body[: at % (len(body) + 1)],
                lambda body: body[:at] + some + body[at:],
                lambda body: body[:at] + some + body[at + len(some) :],
                lambda body: body + some,
                lambda body: body + body,
                lambda body: b"\xef\xbb\xbf" + body,
                lambda body: body.decode().encode("utf-16"),
                lambda body: body.replace(b"}", b",}", 1),
                lambda body: body.replace(b'"', b"'"),
            ]
        )
    )


@dataclass(frozen=True)
class Answers:
    """The bodies of pages 1, 2, 3 of a listing."""

    name: str
    bodies: list[bytes]

    @property
    def endpoint(self) -> Endpoint:
        return BY_NAME[self.name]


def answers_of(name: str, *changes: Change) -> Answers:
    pages: list[Any] = pages_of(name)
    for change in changes:
        change(pages)
    return Answers(name, [written(page).encode() for page in pages])


def with_(page: int = 0, **fields: Any) -> Change:
    """Other fields around the records of a page."""
    return lambda pages: pages[page].update(fields)


def everywhere(**fields: Any) -> Change:
    def change(pages: list[Any]) -> None:
        for page in pages:
            page.update(fields)

    return change


def in_record(page: int, place: int, **fields: Any) -> Change:
    return lambda pages: pages[page]["items"][place].update(fields)


def beyond_the_last(page: Any) -> Change:
    """The total is met on page 1, which says that there is more; page 2 is something else."""

    def change(pages: list[Any]) -> None:
        pages[0].update(totalCount=PER_PAGE, hasMore=True)
        pages[1] = page

    return change


def in_words(pages: list[Any]) -> None:
    """hasMore is text."""
    for page in pages:
        page["hasMore"] = str(page["hasMore"])


listing_names = st.sampled_from(sorted(RECORDS))
with_other_fields = listing_names.flatmap(
    lambda name: st.lists(changed_field(name), min_size=1, max_size=4).map(lambda changes: answers_of(name, *changes))
)


@st.composite
def any_answers(draw: st.DrawFn) -> Answers:
    name = draw(listing_names)
    kinds = (changed_field(name, wilder), changed_record(name), changed_envelope(name), changed_page(name))
    answers = answers_of(name, *draw(st.lists(st.one_of(*kinds), max_size=4)))
    if draw(st.integers(0, 3)) == 0:
        page, change = draw(numbered), draw(changed_bytes())
        answers.bodies[page] = change(answers.bodies[page])
    return answers


# What comes of them


@dataclass
class Served:
    """What the server answers now, and which pages it was asked for.

    Each example has a path of its own: threads of the one before may still ask.
    """

    path: str = ""
    bodies: list[bytes] = field(default_factory=list)
    pages: set[int] = field(default_factory=set)

    def answer(self, asked: Asked) -> Reply:
        if asked.path != self.path:
            return NOT_SCRIPTED
        self.pages.add(asked.page)
        return Reply(self.bodies[asked.page - 1] if asked.page in PAGES else sheet([], asked.page, PER_PAGE))


@dataclass
class Room:
    """A server, a client and a lake, which serve one example after another."""

    client: TimixClient
    lake: Lake
    served: Served = field(repr=False)
    examples: int = 0

    def read(self, answers: Answers) -> tuple[Fetched, list[dict[str, Any]], list[int]] | str:
        """What was fetched, its rows as they are in the lake afterwards, and the pages that were asked; or why it failed."""
        self.examples += 1
        self.served.path, self.served.bodies, self.served.pages = f"/{self.examples}", answers.bodies, set()
        endpoint = replace(answers.endpoint, path=self.served.path, fallback_paths=())
        months = MONTHS if endpoint.window is Window.RANGE else None
        try:
            with Spool(endpoint.schema, endpoint.key) as spool:
                fetched = fetch(self.client, endpoint, spool, months)
                if gone := fetched.report.missing_required(endpoint):
                    return f"None of the records has {gone}."
                table = f"timix/{endpoint.name}"
                self.lake.replace(
                    table, fetched.spooled.frame, key=endpoint.key, months=months, partitioned=bool(months)
                )
                return fetched, self.lake.scan(table).collect().to_dicts(), sorted(self.served.pages)
        except TimixAssetsError as error:
            return str(error)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    served = Served()
    with (
        serving(served.answer) as server,
        TimixClient(
            server.base_url, "bbl_" + secrets.token_hex(16), limits=BRISK.model_copy(update={"attempts": 2})
        ) as client,
    ):
        yield Room(client, Lake(str(tmp_path_factory.mktemp("lake"))), served)


def plain(body: bytes | str) -> Any:
    """A body as a pupil would read it, however deep it nests: a number stays its digits."""
    text = body if isinstance(body, str) else body.decode("utf-8-sig", "surrogatepass")
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        return json.loads(text, parse_int=Token, parse_float=Token, parse_constant=Token)
    finally:
        sys.setrecursionlimit(before)


def items_of(page: Any) -> list[Any]:
    outer = page if isinstance(page, dict) else {}
    return next((outer[name] for name in ("items", "data", "rows") if name in outer), page)


def is_page(page: Any) -> bool:
    """Whether it is a list of objects. Only the answer to a look beyond the last page may be none; it counts as empty."""
    items = items_of(page)
    return isinstance(items, list) and all(isinstance(item, dict) for item in items)


def plain_id(value: Any) -> str | None:
    """Text as it came, 7.0 as 7."""
    if isinstance(value, Token):
        try:
            number = Decimal(value)
        except InvalidOperation:  # an exponent that no Decimal can hold
            return None
        whole = number.is_finite() and number.adjusted() < 40 and number == int(number)
        return str(int(number)) if whole else str(number) if number.is_finite() else None
    return re.sub("[\ud800-\udfff]", "\ufffd", value) if isinstance(value, str) and value else None


def numbers_sent(columns: tuple[Column, ...], record: dict[str, Any]) -> dict[str, Any]:
    """Every amount of a record by its column, those of its lines in lists; a line that is no object has none."""
    numbers: dict[str, Any] = {}
    for column in columns:
        value = next((record[s] for s in column.json_names if record.get(s) is not None), None)
        if column.type in AMOUNTS:
            numbers[column.name] = plain_amount(value)
        elif column.type is Type.OBJECT:
            lines = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
            numbers[column.name] = [numbers_sent(column.fields, x if isinstance(x, dict) else {}) for x in lines]
    return numbers


def numbers_stored(columns: tuple[Column, ...], row: dict[str, Any] | None) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for column in columns:
        value = (row or {}).get(column.name)
        if column.type in AMOUNTS:
            numbers[column.name] = None if value is None else Fraction(value)
        elif column.type is Type.OBJECT:
            numbers[column.name] = [numbers_stored(column.fields, line) for line in value or []]
    return numbers


def says_there_is_more(page: Any, rows: int) -> bool:
    """Whether the last page that was read speaks of more than `rows` rows in all, or says nothing and is full."""
    if not isinstance(page, dict) or not is_page(page):
        return False
    total = page.get("totalCount")
    counted = plain_amount(total) if isinstance(total, str) else None
    more, full = page.get("hasMore"), str(page.get("pageSize")) == str(len(items_of(page)))
    if counted is None and more is None:
        return full and bool(items_of(page))
    return (counted is not None and counted > rows) or str(more).lower() in ("true", "1")


def check(answers: Answers, room: Room) -> bool:
    """Whether it was green, once all is asserted that must be true of either."""
    outcome = room.read(answers)
    if isinstance(outcome, str):
        assert "\n" not in outcome
        assert outcome.endswith(".")
        assert len(outcome) < 600
        return False
    fetched, rows, numbers = outcome
    pages = [plain(answers.bodies[number - 1]) for number in numbers if number in PAGES]
    records = [record for page in pages if is_page(page) for record in items_of(page)]
    spooled, endpoint = fetched.spooled, answers.endpoint
    assert len(rows) == spooled.rows
    assert len(records) == spooled.rows + spooled.duplicates + fetched.rejected_rows + fetched.rows_outside_window
    assert numbers[-1] not in PAGES or not says_there_is_more(pages[-1], len(records))

    by_id: dict[str | None, list[Any]] = {}
    for record in records:
        by_id.setdefault(plain_id(record.get("id")), []).append(record)
    for row in rows:
        sent = [numbers_sent(endpoint.columns, record) for record in by_id[row["id"]]]
        assert numbers_stored(endpoint.columns, row) in sent

    stored = {row["id"]: row for row in rows}
    for record in items_of(plain(written([RECORDS[answers.name](number) for number in range(ROWS)]))):
        key = plain_id(record["id"])
        if key and by_id.get(key) == [record]:
            assert stored[key] == undisturbed(answers.name, room)[key]
    return True


UNDISTURBED: dict[str, dict[str, dict[str, Any]]] = {}


def undisturbed(name: str, room: Room) -> dict[str, dict[str, Any]]:
    """The rows that come of a listing in which nothing is changed, by id."""
    if name not in UNDISTURBED:
        outcome = room.read(answers_of(name))
        assert not isinstance(outcome, str)
        UNDISTURBED[name] = {row["id"]: row for row in outcome[1]}
        assert len(UNDISTURBED[name]) == ROWS
    return UNDISTURBED[name]


some = settings(max_examples=settings.default.max_examples // 5)


@pytest.mark.long
@some
@given(answers=with_other_fields)
def test_no_value_of_a_record_fails_more_than_its_row(room: Room, answers: Answers) -> None:
    assert check(answers, room)


# Two that ended in a RecursionError, deep in the stack of a run, where a thread of the client could read them.
DEEP = "[" * 960 + "]" * 960
DEEP_WITH_A_LONE_SURROGATE = f'["\\ud800", {DEEP}]'


@some
@given(answers=any_answers())
@example(answers=answers_of("invoices", with_(totalCount=Raw("1e999999999"))))  # filled the memory, or hung
@example(answers=answers_of("invoices", with_(totalCount=Raw("9" * 400))))  # an OverflowError
@example(answers=answers_of("invoices", with_(totalCount=10**30)))  # an OverflowError
@example(answers=answers_of("invoices", everywhere(totalCount=None), in_words))  # lost all pages but the first
@example(answers=answers_of("invoices", everywhere(totalCount=None, hasMore=[])))  # so did this
@example(answers=answers_of("invoices", everywhere(totalCount=None, hasMore=None)))  # and this, though pageSize said it
@example(answers=answers_of("invoices", beyond_the_last(None)))
@example(answers=answers_of("invoices", beyond_the_last(7)))
@example(answers=answers_of("invoices", beyond_the_last({"id": 7})))
@example(answers=answers_of("invoices", beyond_the_last([7])))
@example(answers=answers_of("invoices", in_record(1, 0, id=Raw("1e99999999999999999999"))))
@example(answers=answers_of("invoices", in_record(1, 0, id=None, x=Raw(DEEP))))
@example(answers=answers_of("invoices", in_record(1, 0, x=Raw(DEEP_WITH_A_LONE_SURROGATE))))
def test_any_answer_is_typed_rescued_quarantined_or_fails(room: Room, answers: Answers) -> None:
    check(answers, room)


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        (lambda pages: None, ROWS),
        (in_words, ROWS),
        (everywhere(totalCount=None), ROWS),
        (everywhere(hasMore=None), ROWS),
        (everywhere(totalCount=None, hasMore=None), ROWS),
        (in_record(1, 0, x=Raw(DEEP)), ROWS),
        (in_record(1, 0, x=Raw(DEEP_WITH_A_LONE_SURROGATE)), ROWS),
        (in_record(1, 0, id=None, x=Raw(DEEP)), ROWS - 1),
    ],
    ids=[
        "right",
        "words",
        "no total",
        "no hasMore",
        "neither",
        "deep",
        "deep with a lone surrogate",
        "deep without an id",
    ],
)
def test_what_can_be_read_is_read_whole(room: Room, change: Change, rows: int) -> None:
    outcome = deep_in_a_stack(100, lambda: room.read(answers_of("invoices", change)))
    assert not isinstance(outcome, str)
    assert len(outcome[1]) == rows
    assert outcome[0].rejected_rows == ROWS - rows


def deep_in_a_stack(calls: int, work: Callable[[], Any]) -> Any:
    """As far in as a step of a run of Dagster is."""
    return deep_in_a_stack(calls - 1, work) if calls else work()
