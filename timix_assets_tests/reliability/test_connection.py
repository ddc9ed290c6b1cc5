"""Where the key may go: redirects, certificates and proxies, rows 31 to 33 of docs/reliability.md."""

import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from timix_assets.sandbox.faults import Fault
from timix_assets.sandbox.firm import Firm
from timix_assets.sandbox.server import Sandbox
from timix_assets_tests.commands.conftest import Project, settings_of

from .conftest import TIME, Refreshed, Workplace
from .wire import HOST, Line, Proxy, Recorder

CUSTOMERS = "timix/customers"
LISTING = "/customers"
ELSEWHERE = "timix.example"
"""A name that no resolver knows: only a proxy reaches it."""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A company's own certificate authority, which no machine trusts by itself."""
    return trustme.CA()


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files of one server, and of the authority that signed it."""

    server: str
    private_key: str
    authority: str

    @property
    def pair(self) -> tuple[str, str]:
        return self.server, self.private_key


def issued(authority: trustme.CA, folder: Path, *names: str, until: datetime | None = None) -> Certificates:
    """A certificate for these host names."""
    folder.mkdir(exist_ok=True)
    server, private_key, trusted = folder / "server.pem", folder / "key.pem", folder / "ca.pem"
    certificate = authority.issue_cert(*names, not_after=until)
    certificate.cert_chain_pems[0].write_to_path(server)
    certificate.private_key_pem.write_to_path(private_key)
    authority.cert_pem.write_to_path(trusted)
    return Certificates(str(server), str(private_key), str(trusted))


@pytest.fixture
def certificates(authority: trustme.CA, tmp_path: Path) -> Certificates:
    return issued(authority, tmp_path / "certificates", HOST, ELSEWHERE)


def over_tls(firm: Firm, filled: Path, tmp_path: Path, certificates: Certificates) -> Iterator[Workplace]:
    """A workplace as elsewhere, whose sandbox speaks https."""
    with Sandbox(firm, tls=certificates.pair) as sandbox:
        folder = tmp_path / "project"
        shutil.copytree(filled, folder)
        workplace = Workplace(sandbox, Project(folder, dict(settings_of(sandbox))))
        workplace.move_on("customers")
        yield workplace


@pytest.fixture
def secure(firm: Firm, filled: Path, tmp_path: Path, certificates: Certificates) -> Iterator[Workplace]:
    yield from over_tls(firm, filled, tmp_path, certificates)


def is_untouched(workplace: Workplace, done: Refreshed) -> None:
    """Red, and the lake as far behind as it was."""
    assert done.status == 1
    assert workplace.ids("customers") != workplace.truth("customers")


@pytest.mark.fault(31)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.usefixtures("untouched")
def test_a_redirect_to_another_host_is_refused_and_sends_nothing(
    workplace: Workplace, recorder: Recorder, status: int
) -> None:
    target = f"http://localhost:{recorder.port}/customers"
    done = workplace.refresh(CUSTOMERS, faults=(Fault("redirect", path=LISTING, status=status, to=target),))

    assert (done.status, done.requests) == (1, ["/me", LISTING])
    assert done.sentence == (
        f"failed {CUSTOMERS}: GET /customers, page 1: the server redirects ({status}) to {target}, where the API key "
        "is not sent; set TIMIX_BASE_URL if Timix has moved, else look for a proxy or a login page in between."
    )
    assert recorder.heard == []
    assert recorder.hears()


@pytest.mark.fault(31)
@pytest.mark.usefixtures("untouched")
def test_a_redirect_of_the_first_request_ends_the_refresh(workplace: Workplace, recorder: Recorder) -> None:
    target = f"http://localhost:{recorder.port}/me"
    done = workplace.refresh(faults=(Fault("redirect", to=target),))

    assert (done.status, done.requests) == (1, ["/me"])
    assert done.sentence.startswith(f"failed 17 assets: GET /me: the server redirects (302) to {target}, ")
    assert recorder.heard == []
    assert recorder.hears()


@pytest.mark.fault(31)
@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.usefixtures("untouched")
def test_a_redirect_to_the_same_host_is_refused(workplace: Workplace, status: int) -> None:
    done = workplace.refresh(CUSTOMERS, faults=(Fault("redirect", path=LISTING, status=status, to="same_host"),))

    assert (done.status, done.requests) == (1, ["/me", LISTING])
    assert f"to {workplace.sandbox.origin}/elsewhere/customers, where the API key is not sent" in done.sentence


@pytest.mark.fault(31)
def test_a_redirect_to_http_is_refused_and_sends_no_key(
    secure: Workplace, certificates: Certificates, recorder: Recorder
) -> None:
    target = f"http://{HOST}:{recorder.port}/customers"
    done = secure.refresh(
        CUSTOMERS, faults=(Fault("redirect", path=LISTING, to=target),), SSL_CERT_FILE=certificates.authority
    )

    is_untouched(secure, done)
    assert done.requests == ["/me", LISTING]
    assert f"to {target}, where the API key is not sent" in done.sentence
    assert recorder.heard == []
    assert recorder.hears()


SWITCHES = {
    "PYTHONHTTPSVERIFY": "0",
    "SSL_NO_VERIFY": "1",
    "CURL_CA_BUNDLE": "",
    "REQUESTS_CA_BUNDLE": "",
    "SSL_VERIFY": "0",
}
"""What turns the check of certificates off, elsewhere."""


@pytest.mark.fault(32)
@pytest.mark.parametrize("switches", [{}, SWITCHES], ids=["as it is", "switches of others set"])
def test_a_certificate_of_an_unknown_authority_fails_immediately(secure: Workplace, switches: dict[str, str]) -> None:
    port = urlsplit(secure.sandbox.base_url).port or 0
    with Line(port) as line:
        url = secure.sandbox.base_url.replace(f":{port}", f":{line.port}")
        secure.project.settings.update(switches)
        done = secure.refresh_in_a_process(TIMIX_BASE_URL=url)

    is_untouched(secure, done)
    assert done.requests == []
    assert len(line.heard) == 1  # one handshake for the whole refresh: not tried again, nor by the next table
    assert secure.sandbox.key.encode() not in b"".join(line.heard)
    assert done.sentence.startswith(f"failed 17 assets: GET /me: no secure connection to {url}: its ")
    assert "is signed by an authority that this machine does not trust" in done.sentence
    assert (
        "if your company signs its own certificates, set SSL_CERT_FILE to its CA file. These assets failed: "
        in done.sentence
    )


@pytest.mark.fault(32)
@pytest.mark.parametrize(
    ("names", "lasts", "said"),
    [
        pytest.param((HOST,), timedelta(days=-1), "certificate has expired", id="expired"),
        pytest.param(("other.example",), timedelta(days=1), f"not valid for '{HOST}'", id="another host's"),
    ],
)
def test_a_wrong_certificate_of_a_trusted_authority_fails(
    firm: Firm, filled: Path, authority: trustme.CA, tmp_path: Path, names: tuple[str, ...], lasts: timedelta, said: str
) -> None:
    wrong = issued(authority, tmp_path / "certificates", *names, until=datetime.now(UTC) + lasts)
    for workplace in over_tls(firm, filled, tmp_path, wrong):
        done = workplace.refresh(CUSTOMERS, SSL_CERT_FILE=wrong.authority)

        is_untouched(workplace, done)
        assert done.requests == []
        assert ": its certificate is not valid" in done.sentence
        assert said in done.sentence


@pytest.mark.fault(32)
@pytest.mark.usefixtures("untouched")
def test_a_server_without_tls_fails_and_gets_no_key(workplace: Workplace, recorder: Recorder) -> None:
    port = urlsplit(workplace.sandbox.base_url).port or 0
    with Line(port) as line:
        done = workplace.refresh(CUSTOMERS, TIMIX_BASE_URL=f"https://{HOST}:{line.port}/api/integration/v1")

    assert (done.status, done.requests) == (1, [])
    assert len(line.heard) == 1
    assert workplace.sandbox.key.encode() not in line.heard[0]
    assert ": the server does not speak TLS correctly (wrong version number)" in done.sentence


@pytest.mark.fault(32)
def test_a_companys_own_authority_is_trusted_by_environment(secure: Workplace, certificates: Certificates) -> None:
    done = secure.refresh(CUSTOMERS, SSL_CERT_FILE=certificates.authority)

    assert (done.status, done.stderr) == (0, "")
    assert secure.stored("customers") == secure.sent("customers")


@pytest.mark.fault(32)
def test_an_unreadable_authority_file_is_named(secure: Workplace, tmp_path: Path) -> None:
    for file in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        (tmp_path / "empty.pem").write_text("")
        done = secure.refresh_in_a_process(CUSTOMERS, SSL_CERT_FILE=str(file))

        assert (done.status, done.requests) == (2, [])
        assert "SSL_CERT_FILE or SSL_CERT_DIR does not name readable certificates" in done.sentence


VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def through(proxy: Proxy, *, user: str = "", **more: str) -> dict[str, str]:
    """The proxy in all the variables that programs know."""
    return dict.fromkeys(VARIABLES, f"http://{user}{HOST}:{proxy.port}") | {"NO_PROXY": "", "no_proxy": ""} | more


@pytest.mark.fault(33)
def test_proxy_variables_are_honoured_and_the_proxy_sees_no_key(secure: Workplace, certificates: Certificates) -> None:
    with Proxy(urlsplit(secure.sandbox.base_url).port or 0) as proxy:
        secure.project.settings.update(through(proxy))
        done = secure.refresh(
            CUSTOMERS, TIMIX_BASE_URL=f"https://{ELSEWHERE}/api/integration/v1", SSL_CERT_FILE=certificates.authority
        )

    assert (done.status, done.stderr) == (0, "")
    assert secure.stored("customers") == secure.sent("customers")
    assert set(proxy.connects) == {f"CONNECT {ELSEWHERE}:443 HTTP/1.1"}
    assert len(proxy.heard) == len(proxy.connects)
    assert secure.sandbox.key.encode() not in b"".join(proxy.heard)


@pytest.mark.fault(33)
def test_loopback_is_reached_without_the_proxy(workplace: Workplace) -> None:
    workplace.move_on("time_reports")
    with Proxy(urlsplit(workplace.sandbox.base_url).port or 0) as proxy:
        workplace.project.settings.update(through(proxy))
        done = workplace.refresh(TIME)
        assert proxy.heard == []
        assert proxy.hears()

    assert (done.status, done.stderr) == (0, "")
    assert workplace.stored("time_reports") == workplace.sent("time_reports")


@pytest.mark.fault(33)
@pytest.mark.parametrize("answer", ["407 Proxy Authentication Required", "502 Bad Gateway"])
@pytest.mark.usefixtures("untouched")
def test_a_refusing_proxy_fails_and_its_password_is_not_shown(workplace: Workplace, answer: str) -> None:
    with Proxy(0, answer) as proxy:
        workplace.project.settings.update(through(proxy, user="anna:sesame@"))
        done = workplace.refresh(
            CUSTOMERS, TIMIX_BASE_URL=f"https://{ELSEWHERE}/api/integration/v1", TIMIX_ATTEMPTS="2"
        )

    assert (done.status, done.requests) == (1, [])
    assert done.sentence.startswith(
        f"failed {CUSTOMERS}: GET /me: cannot connect to https://{ELSEWHERE}/api/integration/v1 ({answer}); "
        "check the network, the proxy variables and TIMIX_BASE_URL"
    )
    assert "sesame" not in done.stdout + done.stderr
    assert len(proxy.connects) == 2


@pytest.mark.fault(33)
@pytest.mark.usefixtures("untouched")
def test_a_missing_proxy_fails(workplace: Workplace) -> None:
    with socket.create_server((HOST, 0)) as unused:
        port = unused.getsockname()[1]
    workplace.project.settings.update(dict.fromkeys(VARIABLES, f"http://{HOST}:{port}"))
    done = workplace.refresh(CUSTOMERS, TIMIX_BASE_URL=f"https://{ELSEWHERE}/api/integration/v1", TIMIX_ATTEMPTS="2")

    assert (done.status, done.requests) == (1, [])
    assert "check the network, the proxy variables and TIMIX_BASE_URL (tried 2 times)." in done.sentence


@pytest.mark.fault(33)
def test_no_proxy_hosts_are_reached_without_the_proxy(secure: Workplace) -> None:
    with Proxy(urlsplit(secure.sandbox.base_url).port or 0) as proxy:
        secure.project.settings.update(through(proxy, NO_PROXY=ELSEWHERE, no_proxy=ELSEWHERE))
        done = secure.refresh(CUSTOMERS, TIMIX_BASE_URL=f"https://{ELSEWHERE}/api/integration/v1", TIMIX_ATTEMPTS="1")
        assert proxy.heard == []
        assert proxy.hears()

    is_untouched(secure, done)
    assert f"cannot connect to https://{ELSEWHERE}/" in done.sentence
