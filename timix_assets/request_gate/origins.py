"""Which HTTP requests a server on this machine accepts, although any page in the user's browser can send it some.

A browser tells where a request comes from (Origin, Sec-Fetch-Site) and by which name it found the server (Host). A page
cannot change them, so together they keep out other sites and names that were pointed at this machine (DNS rebinding).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
DEFAULT_PORTS = {"http": 80, "https": 443}

_SAFE = ("GET", "HEAD")
_OWN_FETCH_SITES = ("same-origin", "none")
_SINGLE_HEADERS = ("host", "origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "content-type")

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Site:
    """The addresses of a server. hosts: values of Host; origins: of Origin. All in lower case."""

    hosts: frozenset[str]
    origins: frozenset[str]

    @classmethod
    def of(cls, *addresses: str) -> Self:
        """Builds a site from URLs such as http://127.0.0.1:3000.

        Raises:
            ValueError: A URL has no http scheme or no host.
        """
        hosts, origins = set[str](), set[str]()
        for address in addresses:
            url = urlsplit(address.strip().lower())
            if url.scheme not in DEFAULT_PORTS or not url.hostname:
                raise ValueError(f"{address!r} is not a URL with http:// or https:// and a host")
            name = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
            implied = url.port in (None, DEFAULT_PORTS[url.scheme])
            hosts |= {name, f"{name}:{DEFAULT_PORTS[url.scheme]}"} if implied else {f"{name}:{url.port}"}
            origins.add(f"{url.scheme}://{name}" if implied else f"{url.scheme}://{name}:{url.port}")
        return cls(frozenset(hosts), frozenset(origins))

    @classmethod
    def on_loopback(cls, port: int, *addresses: str, scheme: str = "http") -> Self:
        """This machine by each of its loopback names, and the other addresses."""
        return cls.of(*(f"{scheme}://{name}:{port}" for name in LOOPBACK), *addresses)

    def rejection(self, method: str, path: str, headers: Headers, *, websocket: bool = False) -> str | None:
        """Why to reject a request; None to serve it.

        Programs other than browsers send neither Origin nor Sec-Fetch-Site; a websocket needs an Origin all the same.
        A link on another site may open a page: that sends no data, and nobody else sees the response.
        """
        sent: dict[str, str] = {}
        for raw_name, raw_value in headers:
            name = raw_name.decode("latin-1").lower()
            if name in sent and name in _SINGLE_HEADERS:
                return f"The header {name} occurs more than once."
            sent[name] = raw_value.decode("latin-1").strip()
        if not path.startswith("/"):
            return "The request has an absolute URL; send the path alone."
        if sent.get("host", "").lower() not in self.hosts:
            # Without our names: a page whose name was pointed here could read them.
            return "This server does not serve that host."
        if websocket and "origin" not in sent:
            return "A websocket needs an Origin."
        return None if self._is_own(method, sent) else "Requests of other sites are rejected."

    def _is_own(self, method: str, sent: dict[str, str]) -> bool:
        if "origin" in sent:
            return sent["origin"].lower() in self.origins
        return sent.get("sec-fetch-site", "none") in _OWN_FETCH_SITES or _opens_a_page(method, sent)


def _opens_a_page(method: str, sent: dict[str, str]) -> bool:
    """Whether the browser opens this as a top-level page."""
    return method in _SAFE and sent.get("sec-fetch-mode") == "navigate" and sent.get("sec-fetch-dest") == "document"
