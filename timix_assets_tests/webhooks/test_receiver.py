"""The receiver over HTTP: what it accepts, what it refuses, and what is in the inbox afterwards."""

import socket
from pathlib import Path

import httpx
import pytest

from timix_assets.webhooks.inbox import CHECKPOINT_WRITES, Looks
from timix_assets.webhooks.server import event_type

from .receiving import BODY, NOW, OTHER_SECRET, SECRET, Receiving, receiving


def stored(running: Receiving) -> list[tuple[str | None, int, int]]:
    return [(each.what, each.count, each.copies) for each in running.inbox.events()]


def test_event_is_stored_once(tmp_path: Path) -> None:
    with receiving(tmp_path) as running:
        assert [running.event(name) for name in ("a", "b", "a")] == [200, 200, 200]
        assert stored(running) == [("customers.updated", 2, 3)]
        assert running.inbox.looks().newest == 2


def test_forged_event_is_refused(tmp_path: Path) -> None:
    with receiving(tmp_path) as running:
        assert running.event("a", secret=OTHER_SECRET) == 401
        assert running.post({}) == 401
        assert stored(running) == []
        assert running.refused == {"the signature is wrong": 1, "the header webhook-signature is missing": 1}


def test_replay_outside_the_tolerance_is_refused(tmp_path: Path) -> None:
    with receiving(tmp_path, webhook_tolerance_seconds=60) as running:
        assert [running.event(str(age), at=NOW - age) for age in (60, 61, -60, -61)] == [200, 401, 200, 401]
        running.now += 61
        assert running.event("60", at=NOW) == 401
        assert running.inbox.looks().newest == 2


def test_both_secrets_hold_during_a_rotation(tmp_path: Path) -> None:
    with receiving(tmp_path, webhook_secrets=f"{OTHER_SECRET} {SECRET}") as running:
        assert [running.event("a", secret=SECRET), running.event("b", secret=OTHER_SECRET)] == [200, 200]


def test_too_large_a_body_is_refused(tmp_path: Path) -> None:
    with receiving(tmp_path, webhook_max_body_kb=1) as running:
        assert running.post({}, b"x" * 1025) == 413
        assert running.refused == {"the event is larger than 1024 bytes": 1}
        assert running.post({}, b"x" * 1024) == 401


def test_body_without_a_length_is_cut_off(tmp_path: Path) -> None:
    """The sender goes on and on; the answer comes all the same."""
    with receiving(tmp_path, webhook_max_body_kb=1) as running:
        host, port = running.url.split("/")[2].split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"POST /webhooks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.sendall(b"800\r\n" + b"x" * 0x800 + b"\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_rate_is_limited_and_forged_events_do_not_count(tmp_path: Path) -> None:
    with receiving(tmp_path, webhook_per_minute=2) as running:
        assert [running.event("a", secret=OTHER_SECRET) for _ in range(5)] == [401] * 5
        assert [running.event(name) for name in ("a", "b", "c")] == [200, 200, 429]
        assert stored(running) == [("customers.updated", 2, 2)]


def test_full_inbox_drops_its_oldest_events(tmp_path: Path) -> None:
    with receiving(tmp_path, webhook_inbox_mb=1) as running:
        running.inbox.record_look(0, NOW)
        for number in range(9_000):
            running.inbox.add(f"{number:064}", "t" * 80, NOW)
        assert running.event("last") == 200
        assert running.inbox.looks() == Looks(9_001, 0, NOW)
        assert 1_000 < sum(each.count for each in running.inbox.events()) < 9_000
        assert (tmp_path / "webhooks.sqlite").stat().st_size <= 1024 * 1024


@pytest.mark.long
def test_log_of_writes_stays_small(tmp_path: Path) -> None:
    """Of forged events too: each is counted."""
    log = tmp_path / "webhooks.sqlite-wal"
    with receiving(tmp_path) as running, httpx.Client() as client:
        for _ in range(3 * CHECKPOINT_WRITES):
            client.post(running.url, content=BODY)
        assert log.stat().st_size < 2 * CHECKPOINT_WRITES * 16_384
        assert running.refused == {"the header webhook-signature is missing": 3 * CHECKPOINT_WRITES}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_is_served(tmp_path: Path, method: str) -> None:
    with receiving(tmp_path) as running:
        assert httpx.request(method, running.url).status_code == 405
        assert httpx.post(running.url.replace("/webhooks", "/"), content=BODY).status_code == 404


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"type": "a", "event": "b"}', "a"),
        (b'{"type": {"no": "text"}, "eventType": "b"}', "b"),
        (b'{"event": "' + b"x" * 200 + b'"}', "x" * 80),
        (b'{"event": "\\ud800"}', "?"),
        (b"[" * 100_000, None),
        (b'["type"]', None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_type_is_best_effort(body: bytes, found: str | None) -> None:
    assert event_type(body) == found
