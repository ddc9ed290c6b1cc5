"""Web pages of others in the user's browser, against a real `timix-assets ui`: row 46 of docs/reliability.md.

Each attack sends what a browser would send of such a page, byte for byte.
"""

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest

from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.automation.dagster_dev import REPOSITORY, TimixUi
from timix_assets_tests.commands.conftest import settings_of
from timix_assets_tests.processes import listening, tree

JOB = 'selector: {repositoryLocationName: "timix_assets", repositoryName: "__repository__", jobName: "compact_lake"}'
LAUNCH = f'mutation {{ launchRun(executionParams: {{{JOB}, mode: "default"}}) {{ __typename }} }}'
READ = "{ runsOrError { __typename } }"
JSON = "application/json"
HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: graphql-ws",
    f"Sec-WebSocket-Key: {b64encode(bytes(16)).decode()}",
)
CROSS_SITE = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image")
LINK = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Door:
    """A server on this machine, asked in raw HTTP. {port} in what is sent is its own."""

    port: int

    def send(self, line: str, *headers: str, host: str | None = "127.0.0.1:{port}", body: str = "") -> Answer:
        """The first answer on a connection of its own. line: such as `GET /`."""
        lines = [f"{line} HTTP/1.1", *([] if host is None else [f"Host: {host}"]), *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        asked = "\r\n".join(lines).replace("{port}", str(self.port)) + "\r\n\r\n" + body
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as line_to:
            line_to.sendall(asked.encode())
            file = line_to.makefile("rb")
            status = int(file.readline().split()[1])
            sent = {}
            while (header := file.readline().strip()) != b"":
                name, _, value = header.partition(b":")
                sent[name.lower()] = value.strip()
            text = file.read(int(sent.get(b"content-length", 0)))
        return Answer(status, text.decode())


@pytest.fixture(scope="module")
def ui(firm: Firm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimixUi]:
    with Sandbox(firm) as sandbox:
        settings = settings_of(sandbox, TIMIX_UI_URL="https://timix.example.com")
        served = TimixUi(tmp_path_factory.mktemp("ui"), settings)
        try:
            served.start()
            yield served
            assert [seen for seen in sandbox.requests if not seen.path.endswith("/me")] == []
        finally:
            served.kill()


@pytest.fixture
def door(ui: TimixUi) -> Iterator[Door]:
    """The UI, which must have as many runs afterwards as before."""
    before = ui.runs()
    yield Door(ui.port)
    assert ui.runs() == before


def graphql(query: str) -> str:
    return json.dumps({"query": query})


def in_url(query: str) -> str:
    return f"/graphql?query={quote(query)}"


ATTACKS = {
    "a picture": (f"GET {in_url(LAUNCH)}", CROSS_SITE),
    "a picture in a browser that says nothing": (f"GET {in_url(LAUNCH)}", ()),
    "a link": (f"GET {in_url(LAUNCH)}", LINK),
    "HEAD": (f"HEAD {in_url(LAUNCH)}", ()),
    "reading by GET": (f"GET {in_url(READ)}", ()),
    "an encoded path": (f"GET /%67raphql?query={quote(LAUNCH)}", ()),
    "a frame": ("GET /runs", ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe")),
    "a script of another port": ("GET /runs", ("Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors")),
    "a preflight": (
        "OPTIONS /graphql",
        ("Origin: http://evil.example", "Access-Control-Request-Method: POST", "Sec-Fetch-Site: cross-site"),
    ),
    "a log": ("GET /logs/x/compute_logs/y.err", CROSS_SITE),
    "two hosts": ("GET /", ("Host: evil.example",)),
    "a whole URL": ("GET http://evil.example/runs", ()),
    "a whole URL of ours": ("GET http://127.0.0.1:{port}/runs", ()),
}


@pytest.mark.fault(46)
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_get_request_of_another_page_is_refused(door: Door, attack: str) -> None:
    line, headers = ATTACKS[attack]
    answer = door.send(line, *headers)
    # The parser of HTTP refuses two hosts by itself.
    assert answer.status == (400 if attack == "two hosts" else 403)
    assert "run" not in answer.text.lower()


@pytest.mark.fault(46)
@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Type: text/plain", "Origin: http://evil.example", "Sec-Fetch-Site: cross-site"),
        ("Content-Type: application/x-www-form-urlencoded", "Origin: null", "Sec-Fetch-Site: cross-site"),
        (f"Content-Type: {JSON}", "Origin: http://evil.example", "Sec-Fetch-Site: cross-site"),
        (f"Content-Type: {JSON}", "Origin: http://localhost:1", "Sec-Fetch-Site: same-site"),
        (f"Content-Type: {JSON}", "Origin: https://127.0.0.1:{port}"),
        (f"Content-Type: {JSON}", "Sec-Fetch-Site: cross-site"),
        ("Content-Type: text/plain",),
        (f"Content-Type: text/plain; {JSON}",),
        ("Content-Type: application/graphql",),
        ("Content-Type: multipart/form-data; boundary=x",),
        (f"Content-Type: {JSON}", f"Content-Type: {JSON}"),
        (),
    ],
)
@pytest.mark.parametrize("path", ["/graphql", "/report_asset_materialization/timix/customers"])
def test_a_form_or_script_of_another_site_is_refused(door: Door, path: str, headers: tuple[str, ...]) -> None:
    assert door.send(f"POST {path}?query={quote(LAUNCH)}", *headers, body=graphql(LAUNCH)).status == 403


@pytest.mark.fault(46)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.evil.example:{port}",
        "127.0.0.1:{port}.evil.example",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:0{port}",
        "0.0.0.0:{port}",
        "[::1]",
        "[::ffff:127.0.0.1]:{port}",
        "localhost.:{port}",
        "timix.example.com:{port}",
        "",
    ],
)
def test_a_rebound_host_name_reads_nothing(door: Door, host: str) -> None:
    same_origin = (f"Origin: http://{host}", "Sec-Fetch-Site: same-origin")
    answers = [
        door.send("GET /", host=host),
        door.send("GET /server_info", host=host),
        door.send("POST /graphql", f"Content-Type: {JSON}", *same_origin, host=host, body=graphql(READ)),
        door.send("GET /graphql", *HANDSHAKE, *same_origin, host=host),
    ]
    assert [answer.status for answer in answers] == [403] * 4
    assert not any("timix.example.com" in answer.text or "version" in answer.text for answer in answers)


@pytest.mark.fault(46)
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}", None]
)
def test_a_websocket_of_another_site_is_not_opened(door: Door, origin: str | None) -> None:
    headers = () if origin is None else (f"Origin: {origin}",)
    assert door.send("GET /graphql", *HANDSHAKE, *headers).status == 403


@pytest.mark.fault(46)
def test_the_ui_opens_no_other_port(ui: TimixUi) -> None:
    assert ui.process is not None
    assert listening(tree(ui.process.pid)) == {ui.port}


@pytest.mark.fault(46)
def test_our_own_pages_programs_and_links_are_served(ui: TimixUi) -> None:
    door = Door(ui.port)
    ours = {
        "127.0.0.1:{port}": "http://127.0.0.1:{port}",
        "localhost:{port}": "http://localhost:{port}",
        "[::1]:{port}": "http://[::1]:{port}",
        "timix.example.com": "https://timix.example.com",
    }
    for host, origin in ours.items():
        asked = door.send("POST /graphql", f"Content-Type: {JSON}", f"Origin: {origin}", host=host, body=graphql(READ))
        assert (asked.status, asked.text) == (200, '{"data":{"runsOrError":{"__typename":"Runs"}}}')
        assert door.send("GET /graphql", *HANDSHAKE, f"Origin: {origin}", host=host).status == 101
    linked = door.send("GET /runs", *LINK)
    assert linked.status == 200
    page = httpx.get(f"http://127.0.0.1:{ui.port}/runs/some")
    assert (page.status_code, page.headers["x-frame-options"]) == (200, "SAMEORIGIN")


@pytest.mark.fault(46)
def test_our_own_launch_runs_and_a_reload_works(ui: TimixUi) -> None:
    run_id = ui.launch("compact_lake", {})
    ui.wait_for("the run to end", lambda: ui.run(run_id)["status"] == "SUCCESS")
    reloaded = ui.ask(
        "mutation($n: String!) { reloadRepositoryLocation(repositoryLocationName: $n) { __typename "
        "... on WorkspaceLocationEntry { loadStatus locationOrLoadError { __typename } } } }",
        n=REPOSITORY["repositoryLocationName"],
    )
    assert reloaded["locationOrLoadError"]["__typename"] == "RepositoryLocation"


SWITCH = "/_sandbox/faults"
FAULT = '{"kind": "server_error"}'


@pytest.mark.fault(46)
@pytest.mark.parametrize(
    ("line", "headers", "host"),
    [
        (f"POST {SWITCH}", ("Origin: http://evil.example",), "127.0.0.1:{port}"),
        (f"POST {SWITCH}", ("Origin: null", "Content-Type: text/plain"), "127.0.0.1:{port}"),
        (f"POST {SWITCH}", ("Sec-Fetch-Site: same-site",), "127.0.0.1:{port}"),
        (f"POST {SWITCH}", (), "evil.example:{port}"),
        (f"POST {SWITCH}", ("Origin: http://evil.example:{port}",), "evil.example:{port}"),
        (f"DELETE {SWITCH}", ("Origin: http://localhost:1",), "127.0.0.1:{port}"),
        (f"GET {SWITCH}", CROSS_SITE, "127.0.0.1:{port}"),
        (f"GET {SWITCH}", (), "127.0.0.1.evil.example"),
        ("GET /_sandbox/other", (), "evil.example"),
    ],
)
def test_the_sandboxs_control_path_is_refused_to_other_sites(
    firm: Firm, line: str, headers: tuple[str, ...], host: str
) -> None:
    with Sandbox(firm) as sandbox:
        answer = Door(int(sandbox.origin.rpartition(":")[2])).send(line, *headers, host=host, body=FAULT)
        assert answer.status == 403
        assert json.loads(answer.text)["error"]["code"] == "FORBIDDEN"
        assert list(sandbox.faults) == []


@pytest.mark.fault(46)
def test_the_sandboxs_control_path_is_open_to_programs(firm: Firm) -> None:
    with Sandbox(firm) as sandbox:
        door = Door(int(sandbox.origin.rpartition(":")[2]))
        assert door.send(f"POST {SWITCH}", "Content-Type: application/x-www-form-urlencoded", body=FAULT).status == 201
        assert door.send(f"GET {SWITCH}", host="localhost:{port}").status == 200
        assert door.send(f"DELETE {SWITCH}", host="[::1]:{port}").status == 204
