"""The outbox file: whatever its content, it works or fails with one clear message."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, Failure
from hypothesis import given, settings
from hypothesis import strategies as st

from timix_assets.alerts.budgets import BUDGET_STATES
from timix_assets.alerts.delivery import deliver
from timix_assets.alerts.failed_runs import FAILURE_STATE
from timix_assets.alerts.key_expiry import KEY_EXPIRY_STATE
from timix_assets.alerts.message import Message
from timix_assets.alerts.outbox import Outbox, OutboxBusy, OutboxError, open_outbox
from timix_assets.alerts.outbox_file import OutboxFile
from timix_assets.alerts.weekly_summary import WEEKLY_SUMMARY_STATE
from timix_assets_tests.alerts.watch import Watch, failure_alerts

NOBODY = 65534
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


class Inbox:
    """A receiver that takes everything."""

    id = "inbox"

    def __init__(self) -> None:
        self.titles: list[str] = []

    def send(self, message: Message) -> None:
        self.titles.append(message.title)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts" / "outbox.json"


def written(path: Path, **changes: object) -> dict[str, Any]:
    """An outbox with two messages on their way, and what a person then writes into it."""
    with open_outbox(OutboxFile(path)) as outbox:
        outbox.record(
            {"monday": "2026-11-16"}, [Message("one", "text"), Message("two", "text", "rollups/budget_health")]
        )
    stored: dict[str, Any] = json.loads(path.read_text())
    path.write_text(json.dumps(stored | changes))
    return stored


def works(outbox: Outbox) -> None:
    """Its messages are delivered with one that is new, each once."""
    outbox.record({"monday": "2026-11-23"}, [Message("new", "text")])
    inbox = Inbox()
    assert deliver(outbox, [inbox]) == []
    assert inbox.titles[-1] == "new"
    assert outbox.pending == []


def test_reads_what_was_written(path: Path) -> None:
    written(path)
    with open_outbox(OutboxFile(path)) as outbox:
        assert outbox.state == {"monday": "2026-11-16"}
        works(outbox)
    with open_outbox(OutboxFile(path)) as outbox:
        assert (outbox.state, outbox.pending) == ({"monday": "2026-11-23"}, [])


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"format": "1"},
        {"pending": {}},
        {"pending": [{}]},
        {"pending": [{"message": {"title": "one"}, "delivered": [], "attempted": None}]},
        {"pending": [{"message": {"title": 1, "text": ""}, "delivered": [], "attempted": None}]},
        {"pending": [{"message": {"title": "", "text": ""}, "delivered": [7], "attempted": None}]},
        {"pending": [{"message": {"title": "", "text": ""}, "delivered": "inbox", "attempted": None}]},
        {"pending": [{"message": {"title": "", "text": ""}, "delivered": [], "attempted": 1}]},
    ],
)
def test_rejects_values_of_other_types(path: Path, changes: dict[str, object]) -> None:
    written(path, **changes)
    with (
        pytest.raises(OutboxError, match=r"The alert outbox .*outbox\.json cannot be read; move it away"),
        open_outbox(OutboxFile(path)),
    ):
        pass


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000, b"\0" * 4096]
)
def test_rejects_files_of_other_formats(path: Path, content: bytes) -> None:
    written(path)
    path.write_bytes(content)
    with pytest.raises(OutboxError, match="move it away"), open_outbox(OutboxFile(path)):
        pass


def test_reads_file_of_version_0_1(path: Path) -> None:
    message = {"title": "one", "text": "text", "asset": ""}
    pending = {"number": 3, "message": message, "delivered": [], "attempted": None}
    path.parent.mkdir()
    path.write_text(json.dumps({"format": 1, "next": 4, "memory": {"monday": "2026-11-16"}, "pending": [pending]}))
    with open_outbox(OutboxFile(path)) as outbox:
        assert outbox.state == {"monday": "2026-11-16"}
        assert [each.message for each in outbox.pending] == [Message("one", "text")]
        works(outbox)


@pytest.mark.parametrize(
    ("shape", "state"),
    [
        (WEEKLY_SUMMARY_STATE, {"monday": "soon"}),
        (WEEKLY_SUMMARY_STATE, {}),
        (WEEKLY_SUMMARY_STATE, ["2026-11-16"]),
        (KEY_EXPIRY_STATE, {"key": ["lake"], "threshold": 7}),
        (KEY_EXPIRY_STATE, {"key": ["lake", "2026"], "threshold": float("nan")}),
        (BUDGET_STATES, {"a": {"TM": {"status": "splendid", "near_exhaustion": False}}}),
        (BUDGET_STATES, {"a": {"TM": {"near_exhaustion": False}}}),
        (BUDGET_STATES, {"a": None}),
        (FAILURE_STATE, {"reported": "all", "waiting": {}}),
        (FAILURE_STATE, {"reported": [], "waiting": {"run": "2026-11-18T12:00:00"}}),
        (FAILURE_STATE, {"reported": [], "waiting": {}, "causes": {"job": {"at": "yesterday", "causes": []}}}),
        (
            FAILURE_STATE,
            {"reported": [], "waiting": {}, "failing": {"timix_changes": {"since": None, "alerted": False}}},
        ),
        (FAILURE_STATE, 7),
    ],
)
def test_rejects_state_of_another_shape(path: Path, shape: Any, state: Any) -> None:
    written(path, state=state)
    with (
        open_outbox(OutboxFile(path)) as outbox,
        pytest.raises(OutboxError, match="move it away. The next tick then records"),
    ):
        outbox.load_state(shape)


def test_sensor_continues_after_bad_file_is_moved_away(tmp_path: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        watch = Watch(failure_alerts, {"url": str(tmp_path / "lake"), "state_folder": str(tmp_path)}, instance)
        watch.tick()
        path = tmp_path / "alerts" / "failure_alerts.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"state": {"reported": 7}}))
        with pytest.raises(Failure, match="move it away"):
            watch.tick()
        path.unlink()
        watch.tick()
        assert "First tick" in watch.reason


@pytest.mark.parametrize(
    "cursor", ["", "soon", "2026-11-18", "2026-11-18T12:00:00", "0001-01-01T00:00:00+00:00", "9" * 40, "²"]
)
def test_edited_cursor_of_failure_alerts_means_now(tmp_path: Path, cursor: str) -> None:
    with DagsterInstance.ephemeral() as instance:
        watch = Watch(failure_alerts, {"url": str(tmp_path / "lake"), "state_folder": str(tmp_path)}, instance)
        watch.tick()
        watch.cursor = cursor
        watch.tick()
        assert watch.cursor > "2026"
        assert "0 runs failed" in watch.reason


@given(st.text() | st.datetimes(timezones=st.none() | st.timezones()).map(lambda at: at.isoformat()))
@settings(max_examples=settings.default.max_examples // 5)
def test_accepts_any_cursor_of_failure_alerts(tmp_path: Path, cursor: str) -> None:
    with DagsterInstance.ephemeral() as instance:
        watch = Watch(failure_alerts, {"url": str(tmp_path / "lake"), "state_folder": str(tmp_path)}, instance)
        watch.tick()
        watch.cursor = cursor
        watch.tick()


@given(
    st.binary()
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries({"format": st.just(1) | JSON, "state": JSON, "pending": JSON | st.lists(JSON)}).map(
        lambda value: json.dumps(value).encode()
    )
    | st.builds(
        lambda state: json.dumps({"format": 1, "state": state, "pending": []}).encode(),
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("reported", "told", "waiting", "causes", "failing", "monday", "key"), JSON)
        ),
    )
)
def test_any_file_works_or_fails_with_one_message(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.json"
        path.write_bytes(content)
        with suppress(OutboxError), open_outbox(OutboxFile(path)) as outbox:
            for shape in (WEEKLY_SUMMARY_STATE, KEY_EXPIRY_STATE, BUDGET_STATES, FAILURE_STATE):
                with suppress(OutboxError):
                    outbox.load_state(shape)  # type: ignore[arg-type]
            works(outbox)


@given(st.integers(0, 400))
def test_rejects_truncated_file(length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.json"
        written(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: min(length, len(whole) - 1)])
        with pytest.raises(OutboxError, match="move it away"), open_outbox(OutboxFile(path)):
            pass


def test_syncs_file_and_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file before it takes the old one's place, then the folder that names it: as a power cut would find them."""
    synced, fsync = [], os.fsync

    def spy(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        synced.append((name, path.exists() and json.loads(path.read_text())["state"]))
        fsync(descriptor)

    written(path)
    with open_outbox(OutboxFile(path)) as outbox:
        monkeypatch.setattr(os, "fsync", spy)
        outbox.record("new")
    draft, *renamed = synced
    assert draft[1] == {"monday": "2026-11-16"}
    assert renamed == [("outbox.json", "new"), ("alerts", "new")]


def test_only_owner_can_read_the_file(path: Path) -> None:
    before = os.umask(0)
    try:
        with open_outbox(OutboxFile(path)) as outbox:
            outbox.record(None)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


@contextmanager
def as_another_user() -> Iterator[None]:
    """The block runs without our rights on files, as after somebody started Dagster with `sudo`."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def roots() -> Iterator[Path]:
    """An outbox that belongs to root, in a folder of root's, that others can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "alerts" / "outbox.json"
        written(path)
        yield path


@pytest.mark.parametrize("readable", ["nothing", "the lock", "the lock and the outbox"])
def test_file_of_root_fails_with_advice(roots: Path, readable: str) -> None:
    lock = roots.with_suffix(".lock")
    lock.chmod(0o666 if readable != "nothing" else 0o600)
    roots.chmod(0o644 if "outbox" in readable else 0o600)
    with (
        as_another_user(),
        pytest.raises(OutboxError, match=r"Permission denied") as error,
        open_outbox(OutboxFile(roots)) as outbox,
    ):
        outbox.record(None)
    assert not isinstance(error.value, OutboxBusy)
    assert str(roots) in str(error.value)
    assert "make" in str(error.value)
    assert "\n" not in str(error.value)


def test_folder_in_place_of_file_fails_with_one_message(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(OutboxError, match="cannot be opened"), open_outbox(OutboxFile(path)):
        pass
