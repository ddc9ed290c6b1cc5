"""What may happen on the wire, row by row of the fault list."""

import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpcore
import pytest
import trustme

from timix_assets.api import Limits, TimixClient
from timix_assets.api.deadline import Deadline, _DeadlineBackend
from timix_assets.api.errors import (
    ConnectionFailed,
    ContractError,
    DeadlineExceeded,
    IncompleteResponse,
    Invalid,
    RedirectRefused,
    ResponseTooLarge,
    TlsFailed,
)

from .scripted import BRISK, NOT_SCRIPTED, Asked, Raw, Reply, in_turn, serving

GOOD = Reply({"id": "c1"})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def raw(*pieces: bytes, pause: float = 0.0) -> Raw:
    def write(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)

    return write


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(reset, id="connection reset"),
        pytest.param(raw(), id="closed without an answer"),
        pytest.param(raw(HEAD + b'Content-Length: 100\r\n\r\n{"id": "wrong"}'), id="body shorter than its length"),
        pytest.param(
            raw(HEAD + b'Transfer-Encoding: chunked\r\n\r\nf\r\n{"id": "wrong"}\r\n'), id="chunked body cut off"
        ),
        pytest.param(Reply(b'{"id": "wro'), id="JSON cut with an honest length"),
        pytest.param(Reply(b""), id="empty body"),
        pytest.param(Reply(b"", status=204), id="204"),
        pytest.param(
            Reply(gzip.compress(b'{"id": "wrong"}')[:-9], headers={"Content-Encoding": "gzip"}), id="gzip cut"
        ),
    ],
)
def test_broken_response_is_retried_and_never_read_partly(key: str, fault: Reply | Raw) -> None:
    with (
        serving(in_turn("/customers/c1", fault, fault, GOOD)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.get("/customers/c1") == {"id": "c1"}
        assert len(server.requests_for("/customers/c1")) == 3
        assert client.stats.retries == 2


def test_broken_connection_fails_after_five_requests(key: str) -> None:
    with (
        serving(in_turn("/tasks", reset)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        with pytest.raises(ConnectionFailed, match=r"^GET /tasks: the connection broke .* \(tried 5 times\)\.$"):
            client.get("/tasks")
        assert len(server.requests_for("/tasks")) == 5


def test_missing_server_is_named(key: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with (
            TimixClient(url, key, limits=BRISK) as client,
            pytest.raises(ConnectionFailed, match="TIMIX_BASE_URL") as e,
        ):
            client.get("/tasks")
    assert e.value.sent is False


class V6Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True


class OneRow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"id": "c1", "plan": "Business"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_server_with_only_an_ipv6_address_is_read(key: str) -> None:
    with V6Server(("::1", 0), OneRow) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with TimixClient(f"http://[::1]:{server.server_port}", key, limits=BRISK) as client:
            assert client.get("/customers/c1")["id"] == "c1"
        server.shutdown()


def test_unknown_host_is_named_with_what_to_check(key: str) -> None:
    limits = BRISK.model_copy(update={"attempts": 2})
    with (
        TimixClient("https://no-such-host.invalid/api", key, limits=limits) as client,
        pytest.raises(ConnectionFailed) as failed,
    ):
        client.get("/tasks")
    said = str(failed.value)
    assert said.startswith("GET /me: cannot connect to https://no-such-host.invalid/api (")
    assert said.endswith("; check the network, the proxy variables and TIMIX_BASE_URL (tried 2 times).")
    assert failed.value.sent is False


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_redirect_is_not_followed(key: str, status: int) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path == "/tasks":
            return Reply(status=status, headers={"Location": f"{server.base_url}/elsewhere?k={key}"})
        return NOT_SCRIPTED

    with serving(script) as server, TimixClient(server.base_url, key, limits=BRISK) as client:
        with pytest.raises(RedirectRefused, match="elsewhere") as refused:
            client.get("/tasks")
        assert [asked.path for asked in server.asked] == ["/me", "/tasks"]
        assert key not in str(refused.value)


@pytest.mark.parametrize(
    "slow",
    [
        pytest.param(raw(HEAD, b"Content-Length: 100\r\n\r\n", *[b"x"] * 40, pause=0.05), id="body"),
        pytest.param(raw(*[bytes([byte]) for byte in HEAD], pause=0.05), id="head"),
        pytest.param(raw(b"", pause=1.5), id="silence"),
    ],
)
def test_slow_bytes_do_not_extend_the_deadline(key: str, slow: Raw) -> None:
    limits = Limits(attempts=2, request_deadline_seconds=0.25, backoff_base_seconds=0)
    with serving(in_turn("/tasks", slow)) as server, TimixClient(server.base_url, key, limits=limits) as client:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"within 0\.25 s"):
            client.get("/tasks")
        assert time.monotonic() - started < 1.0
        assert len(server.requests_for("/tasks")) == 2


@pytest.fixture
def full() -> Iterator[socket.socket]:
    """A listener whose queue is full, so that it answers no further connection: like a host that is down."""
    waiting = []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        while True:
            one = socket.socket()
            waiting.append(one)
            one.settimeout(0.1)
            try:
                one.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener
        for one in waiting:
            one.close()


def connecting(addresses: list[tuple[str, int]], *, seconds: float, deadline: float) -> httpcore.NetworkStream:
    """A connection to a host of these addresses: up to `seconds` for each, `deadline` for the whole request."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]
    clock = Deadline()
    clock.start(deadline)
    return _DeadlineBackend(clock, lambda *_: found).connect_tcp("timix.invalid", addresses[0][1], seconds)


def test_deadline_covers_all_addresses_of_a_host(full: socket.socket) -> None:
    started = time.monotonic()
    with pytest.raises(httpcore.ConnectTimeout):
        connecting([full.getsockname()] * 8, seconds=0.2, deadline=0.5)
    assert time.monotonic() - started < 0.7


def test_next_address_is_tried_when_one_fails(full: socket.socket) -> None:
    port = full.getsockname()[1]
    with socket.create_server(("127.0.0.3", port)):
        stream = connecting([("127.0.0.1", port), ("127.0.0.2", port), ("127.0.0.3", port)], seconds=0.2, deadline=5)
        assert stream.get_extra_info("server_addr") == ("127.0.0.3", port)
        stream.close()


def test_unanswered_tls_handshake_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stream = connecting([silent.getsockname()], seconds=5, deadline=0.3)
        started = time.monotonic()
        with pytest.raises(httpcore.ConnectTimeout):
            stream.start_tls(ssl.create_default_context(), "localhost", 5)
        assert time.monotonic() - started < 0.6


@pytest.mark.parametrize("name", ["a..b.example", "x" * 64, ".".join(["x" * 60] * 5)])
def test_proxy_with_an_unresolvable_name_fails_to_connect(key: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable in ("https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://{name}:3128")
    with (
        TimixClient("https://timix.invalid/v1", key, limits=Limits(attempts=1)) as client,
        pytest.raises(ConnectionFailed, match="check the network, the proxy variables and TIMIX_BASE_URL") as failed,
    ):
        client.me()
    assert failed.value.sent is False


def test_retries_of_one_response_share_a_budget(key: str) -> None:
    limits = Limits(request_deadline_seconds=0.4, retry_budget_seconds=0.5, backoff_base_seconds=0)
    silence = raw(b"", pause=0.8)
    with serving(in_turn("/tasks", silence)) as server, TimixClient(server.base_url, key, limits=limits) as client:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            client.get("/tasks")
        assert time.monotonic() - started < 0.75
        assert len(server.requests_for("/tasks")) == 2


class Flood:
    """Sends far more than anybody asked for, and counts what the client took of it."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self.taken = 0
        self.over = threading.Event()

    def __call__(self, connection: socket.socket) -> None:
        chunk = b" " * 65536
        framed = b"10000\r\n" + chunk + b"\r\n"
        try:
            connection.sendall(self._head)
            for _ in range(3200):
                connection.sendall(framed)
                self.taken += len(chunk)
        except OSError:
            pass
        finally:
            self.over.set()


def test_oversized_response_is_aborted_and_not_retried(key: str) -> None:
    flood = Flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    limits = Limits(max_answer_mb=1)
    with serving(in_turn("/tasks", flood)) as server, TimixClient(server.base_url, key, limits=limits) as client:
        with pytest.raises(ResponseTooLarge, match="larger than 1 MB"):
            client.get("/tasks")
        assert flood.over.wait(5)
        assert flood.taken < 20_000_000
        assert len(server.requests_for("/tasks")) == 1


def test_oversized_declared_length_is_not_read(key: str) -> None:
    honest = raw(HEAD + b"Content-Length: 200000000\r\n\r\n")
    with serving(in_turn("/tasks", honest)) as server, TimixClient(server.base_url, key, limits=BRISK) as client:
        with pytest.raises(ResponseTooLarge):
            client.get("/tasks")
        assert len(server.requests_for("/tasks")) == 1


def test_gzip_bomb_reaches_the_size_limit(key: str) -> None:
    bomb = Reply(gzip.compress(b" " * 30_000_000), headers={"Content-Encoding": "gzip"})
    limits = Limits(max_answer_mb=1)
    with (
        serving(in_turn("/tasks", bomb)) as server,
        TimixClient(server.base_url, key, limits=limits) as client,
        pytest.raises(ResponseTooLarge),
    ):
        client.get("/tasks")


def test_large_page_is_read_completely(key: str) -> None:
    text = "x" * 10_000_000
    with (
        serving(in_turn("/tasks/1", Reply({"text": text}))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.get("/tasks/1")["text"] == text


def test_gzip_responses_are_decompressed(key: str) -> None:
    packed = Reply(gzip.compress(json.dumps({"id": "c1"}).encode()), headers={"Content-Encoding": "gzip"})
    with (
        serving(in_turn("/tasks/1", packed)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.get("/tasks/1") == {"id": "c1"}
        assert server.asked[-1].headers["accept-encoding"] == "gzip"


REFUSAL = json.dumps({"error": {"code": "locked", "message": "The week is locked."}}).encode()


@pytest.mark.parametrize(
    ("body", "coding", "message"),
    [
        pytest.param(gzip.compress(REFUSAL), "gzip", "The week is locked.", id="gzip"),
        pytest.param(gzip.compress(REFUSAL)[:-9], "gzip", "The week is locked.", id="gzip without its end"),
        pytest.param(REFUSAL, "gzip", "The week is locked.", id="not gzip"),
        pytest.param(REFUSAL, "utf-8", "The week is locked.", id="no coding"),
        pytest.param(gzip.compress(b" " * 30_000_000 + REFUSAL), "gzip", "", id="bomb"),
    ],
)
def test_compressed_error_has_the_servers_message(key: str, body: bytes, coding: str, message: str) -> None:
    refusal = Reply(body, status=422, headers={"Content-Type": "application/json", "Content-Encoding": coding})
    with (
        serving(in_turn("/tasks", refusal)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(Invalid) as failed,
    ):
        client.get("/tasks")
    assert (failed.value.status, failed.value.server_message) == (422, message)


TWO_MEMBERS = gzip.compress(b'{"id": "c1", ') + gzip.compress(b'"name": "Acme"}')


@pytest.mark.parametrize("padding", [b"", b"\0" * 512])
def test_every_gzip_member_is_read(key: str, padding: bytes) -> None:
    packed = Reply(TWO_MEMBERS + padding, headers={"Content-Encoding": "gzip"})
    with serving(in_turn("/tasks/1", packed)) as server, TimixClient(server.base_url, key, limits=BRISK) as client:
        assert client.get("/tasks/1") == {"id": "c1", "name": "Acme"}


@pytest.mark.parametrize("size", [1, 3, 64])
def test_gzip_members_can_be_split_anywhere(key: str, size: int) -> None:
    pieces = [TWO_MEMBERS[at : at + size] for at in range(0, len(TWO_MEMBERS), size)]
    chunks = [f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces]
    answer = raw(HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n")
    with serving(in_turn("/tasks/1", answer)) as server, TimixClient(server.base_url, key, limits=BRISK) as client:
        assert client.get("/tasks/1") == {"id": "c1", "name": "Acme"}


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(TWO_MEMBERS[:-5], id="second member cut"),
        pytest.param(gzip.compress(b'{"id": "c1"}') + b"no gzip", id="something else behind the first member"),
        pytest.param(TWO_MEMBERS[: len(gzip.compress(b'{"id": "c1", ')) + 4], id="cut in the second member's header"),
    ],
)
def test_broken_second_gzip_member_is_retried(key: str, packed: bytes) -> None:
    broken = Reply(packed, headers={"Content-Encoding": "gzip"})
    with (
        serving(in_turn("/tasks/1", broken, GOOD)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.get("/tasks/1") == {"id": "c1"}
        assert client.stats.retries == 1


def test_bomb_in_the_second_member_reaches_the_size_limit(key: str) -> None:
    bomb = gzip.compress(b" ") + gzip.compress(b" " * 30_000_000)
    limits = Limits(max_answer_mb=1)
    with (
        serving(in_turn("/tasks", Reply(bomb, headers={"Content-Encoding": "gzip"}))) as server,
        TimixClient(server.base_url, key, limits=limits) as client,
        pytest.raises(ResponseTooLarge),
    ):
        client.get("/tasks")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply({"items": []}, status=206, headers={"Content-Range": "bytes 0-9/99"}), "206.*partial content"),
        (Reply(status=304, headers={"Content-Type": "text/csv"}), "304.*not modified"),
    ],
)
@pytest.mark.parametrize("ask", ["list", "get", "csv"])
def test_status_206_and_304_are_final_errors(key: str, reply: Reply, said: str, ask: str) -> None:
    with serving(in_turn("/tasks", reply)) as server, TimixClient(server.base_url, key, limits=BRISK) as client:
        with pytest.raises(IncompleteResponse, match=f"^GET /tasks.*: the server answered {said}.*proxy") as failed:
            getattr(client, ask)("/tasks")
        assert failed.value.status == reply.status
        assert len(server.requests_for("/tasks")) == 1


def test_partial_content_does_not_end_a_listing(key: str) -> None:
    """A server that tells nothing of its pages may refuse the page after a short one; a part of one is no refusal."""
    part = Reply([], status=206)
    with (
        serving(in_turn("/tasks", Reply([{"id": n} for n in range(30)]), part)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(IncompleteResponse, match="page 2"),
    ):
        client.list("tasks")


def test_unrequested_content_encoding_is_rejected(key: str) -> None:
    odd = Reply(b"whatever", headers={"Content-Encoding": "br"})
    with (
        serving(in_turn("/tasks", odd)) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
        pytest.raises(ContractError, match="'br'"),
    ):
        client.get("/tasks")


@pytest.mark.parametrize(
    ("auth", "header", "value"), [("x-api-key", "x-api-key", "{key}"), ("bearer", "authorization", "Bearer {key}")]
)
def test_key_is_sent_in_a_header_and_not_in_the_url(key: str, auth: str, header: str, value: str) -> None:
    with (
        serving(in_turn("/tasks", Reply([]))) as server,
        TimixClient(server.base_url, key, auth=auth, limits=BRISK) as client,  # type: ignore[arg-type]
    ):
        client.get("/tasks", {"q": "a b&c", "flag": True, "none": None, "many": [1, 2]})
        asked = server.asked[-1]
        assert asked.headers[header] == value.format(key=key)
        assert asked.params == {"q": "a b&c", "flag": "true", "many": "2"}
        assert [name for name, sent in asked.headers.items() if key in sent] == [header]
        assert not [a for a in server.asked if "cookie" in a.headers]


@pytest.mark.parametrize("path", ["//evil.example/x", "https://evil.example/x", "@evil.example", "a b?c#d\n"])
def test_no_path_leaves_the_configured_host(key: str, path: str) -> None:
    with (
        serving(lambda _: Reply({"plan": "Free"})) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        client.get(path)
        assert len(server.asked) == 2


class TlsServer:
    """Accepts TLS connections with a certificate of its own CA, and answers each with one JSON object."""

    def __init__(self, ca: trustme.CA) -> None:
        self.handshakes = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost", "127.0.0.1").configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"https://localhost:{self._listener.getsockname()[1]}/v1"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.handshakes += 1
            try:
                with self._context.wrap_socket(connection, server_side=True) as secure:
                    while secure.recv(65536):
                        secure.sendall(HEAD + b'Content-Length: 16\r\n\r\n{"plan": "Free"}')
            except OSError:
                pass

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[TlsServer]:
    server = TlsServer(authority)
    yield server
    server.close()


def test_unknown_certificate_fails_and_says_what_to_set(key: str, tls_server: TlsServer) -> None:
    with (
        TimixClient(tls_server.base_url, key, limits=BRISK) as client,
        pytest.raises(TlsFailed, match="SSL_CERT_FILE") as failed,
    ):
        client.me()
    assert tls_server.handshakes == 1
    assert "signed by an authority that this machine does not trust" in str(failed.value)


def test_ssl_cert_file_adds_a_trusted_authority(
    key: str, authority: trustme.CA, tls_server: TlsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with TimixClient(tls_server.base_url, key, limits=BRISK) as client:
        assert client.me() == {"plan": "Free"}


class Proxy:
    """Notes what it is asked and refuses it."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.seen.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    proxy = Proxy()
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield proxy
    proxy.close()


def test_proxy_is_used_and_never_sees_the_key(key: str, proxy: Proxy) -> None:
    limits = Limits(attempts=1)
    with TimixClient("https://timix.invalid/v1", key, limits=limits) as client, pytest.raises(ConnectionFailed):
        client.me()
    assert [seen.split(b"\r\n")[0] for seen in proxy.seen] == [b"CONNECT timix.invalid:443 HTTP/1.1"]
    assert key.encode() not in b"".join(proxy.seen)


def test_localhost_bypasses_the_proxy(key: str, proxy: Proxy) -> None:
    with (
        serving(in_turn("/tasks", Reply([]))) as server,
        TimixClient(server.base_url, key, limits=BRISK) as client,
    ):
        assert client.get("/tasks") == []
    assert proxy.seen == []
