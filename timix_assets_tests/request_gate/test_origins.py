"""Which requests are taken: ours, programs' and links', and of no other site."""

import pytest

from timix_assets.request_gate.origins import Site

SITE = Site.on_loopback(3000, "https://timix.example")
OURS = "http://127.0.0.1:3000"


def refused(
    *, method: str = "GET", path: str = "/", host: str | None = "127.0.0.1:3000", websocket: bool = False, **sent: str
) -> str | None:
    headers = [] if host is None else [(b"Host", host.encode())]
    headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    return SITE.rejection(method, path, headers, websocket=websocket)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:3000",
        "localhost:3000",
        "LocalHost:3000",
        "[::1]:3000",
        "timix.example",
        "timix.example:443",
        "TIMIX.example",
    ],
)
def test_serves_known_hosts(host: str) -> None:
    assert refused(host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:3000",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:3001",
        "127.0.0.1:03000",
        "127.0.0.1:3000.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1.evil.example:3000",
        "user@127.0.0.1:3000",
        "127.0.0.1:3000@evil.example",
        "localhost.:3000",
        "localhost:3000, evil.example",
        "[::1]",
        "::1:3000",
        "[::ffff:127.0.0.1]:3000",
        "0.0.0.0:3000",
        "timix.example:3000",
        "timix.example:80",
        "a.timix.example",
    ],
)
def test_rejects_other_hosts_without_naming_ours(host: str | None) -> None:
    assert refused(host=host) == "This server does not serve that host."


@pytest.mark.parametrize("origin", [OURS, "http://localhost:3000", "http://[::1]:3000", "https://timix.example"])
@pytest.mark.parametrize("websocket", [False, True])
def test_serves_own_pages(origin: str, websocket: bool) -> None:
    assert refused(origin=origin, sec_fetch_site="same-origin", websocket=websocket) is None
    assert refused(origin=origin, method="POST", websocket=websocket) is None


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "https://127.0.0.1:3000",
        "http://127.0.0.1",
        "http://127.0.0.1:3001",
        "http://timix.example",
        "https://timix.example:8443",
        "https://timix.example.evil.example",
        "https://evil.example#https://timix.example",
        "https://timix.example, http://evil.example",
    ],
)
@pytest.mark.parametrize("websocket", [False, True])
def test_rejects_pages_of_other_sites(origin: str, websocket: bool) -> None:
    for site in ({}, {"sec_fetch_site": "same-origin"}, {"sec_fetch_site": "none"}):
        assert refused(origin=origin, websocket=websocket, **site) == "Requests of other sites are rejected."


def test_serves_programs_but_websockets_need_an_origin() -> None:
    assert refused() is None
    assert refused(method="POST") is None
    assert refused(websocket=True) == "A websocket needs an Origin."


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "other"])
@pytest.mark.parametrize("mode", ["no-cors", "cors", "websocket", ""])
def test_rejects_subresources_of_other_sites(site: str, mode: str) -> None:
    assert refused(sec_fetch_site=site, sec_fetch_mode=mode, sec_fetch_dest="image")
    assert refused(sec_fetch_site=site)


def test_link_of_another_site_opens_a_page_only() -> None:
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert refused(**link) is None
    assert refused(method="POST", **link)
    assert refused(**link | {"sec_fetch_dest": "iframe"})
    assert refused(origin="http://evil.example", **link)


@pytest.mark.parametrize("name", ["host", "Origin", "Sec-Fetch-Site", "content-type"])
def test_rejects_repeated_deciding_headers(name: str) -> None:
    twice = [(b"host", b"127.0.0.1:3000"), (name.encode(), b"x"), (name.upper().encode(), b"y")]
    assert f"The header {name.lower()} occurs more than once." == SITE.rejection("GET", "/", twice)


@pytest.mark.parametrize("path", ["http://127.0.0.1:3000/graphql", "*", ""])
def test_rejects_absolute_urls(path: str) -> None:
    assert refused(path=path) == "The request has an absolute URL; send the path alone."


@pytest.mark.parametrize("address", ["", "timix.example", "//timix.example", "ftp://timix.example", "http://"])
def test_site_needs_a_host(address: str) -> None:
    with pytest.raises(ValueError, match="is not a URL with http"):
        Site.of(address)
