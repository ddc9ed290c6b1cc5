"""The cursor of timix_changes: whatever somebody writes into the UI's field, the sensor goes on."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timix_assets.automation.changes import with_implied_changes
from timix_assets.automation.cursor import Cursor
from timix_assets.contract.endpoints import BY_NAME
from timix_assets.ingest.probes import PROBED_ENDPOINTS, Probe

SEEN = Probe("/customers", 3, "cus-1", "0a1b", "2026-11-18T12:00:00+00:00")
GOOD = Cursor({"customers": SEEN, "projects": SEEN}, "0a1b2c", ("customers",), 2)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def works(cursor: Cursor) -> None:
    """A tick's steps, with a look at one resource that has changed since."""
    now = {"customers": Probe("/customers", 4, "cus-2", "ffff", "2026-11-19T12:00:00+00:00")}
    for name, seen in now.items():
        if name in cursor.seen:
            seen.differs_from(cursor.seen[name])
    asked = cursor.requested({"customers"}, now)
    assert with_implied_changes(asked.unread) <= set(BY_NAME)
    for each in (cursor, cursor.acknowledged(), cursor.observed(now), asked):
        assert Cursor.read(each.text()) == each


def test_a_cursor_is_read_as_it_was_written() -> None:
    assert Cursor.read(GOOD.text()) == GOOD
    assert Cursor.read(Cursor().text()) == Cursor()


@pytest.mark.parametrize("text", [None, "", "0", "null", "[]", '"seen"', "{", "{}", "[" * 100_000, "\ud800", "١٢"])
def test_invalid_cursor_starts_over(text: str | None) -> None:
    assert Cursor.read(text) == Cursor()


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("seen", "customers", "total"), "many"),
        (("seen", "customers", "total"), 1.5),
        (("seen", "customers", "total"), float("nan")),
        (("seen", "customers", "moment"), 7),
        (("seen", "customers", "first"), None),
        (("seen", "customers"), []),
        (("seen",), [["customers", {}]]),
        (("unread",), "customers"),
        (("unread",), ["no_such_resource"]),
        (("unread",), [7]),
        (("attempts",), float("inf")),
        (("attempts",), "1"),
        (("attempts",), -1),
        (("change",), ["0a1b2c"]),
    ],
)
def test_cursor_value_of_another_type_starts_over(where: tuple[str, ...], value: object) -> None:
    edited = json.loads(GOOD.text())
    inner = edited
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = value
    assert Cursor.read(json.dumps(edited)) == Cursor()


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    works(Cursor.read(text))


@given(JSON)
def test_any_json_is_read(value: object) -> None:
    works(Cursor.read(json.dumps(value)))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "seen": st.dictionaries(
                st.sampled_from([each.name for each in PROBED_ENDPOINTS]) | st.text(max_size=8),
                st.fixed_dictionaries({}, optional=dict.fromkeys(("path", "total", "first", "content", "moment"), JSON))
                | st.builds(lambda: json.loads(GOOD.text())["seen"]["customers"])
                | JSON,
                max_size=3,
            ),
            "change": st.text() | JSON,
            "unread": st.lists(st.sampled_from([each.name for each in PROBED_ENDPOINTS]) | JSON, max_size=3) | JSON,
            "attempts": st.integers() | JSON,
            "more": JSON,
        },
    )
)
def test_any_edited_cursor_is_read(value: object) -> None:
    works(Cursor.read(json.dumps(value)))


@given(st.integers(0, len(GOOD.text())))
def test_truncated_cursor_starts_over(length: int) -> None:
    assert Cursor.read(GOOD.text()[:length]) in (Cursor(), GOOD)
