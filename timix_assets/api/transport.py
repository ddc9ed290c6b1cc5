"""One request over the wire, and one whole answer back. No retries here; what goes wrong becomes one of our errors."""

import ipaddress
import logging
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, unquote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from timix_assets.keys import holds_a_key

from .errors import (
    AnswerTooLarge,
    ConnectionFailed,
    ContractError,
    DeadlineExceeded,
    RedirectRefused,
    SettingsError,
    TimixError,
    TlsFailed,
)
from .limits import MEGABYTE, Limits
from .redaction import Redactor

Auth = Literal["x-api-key", "bearer"]
Parameters = Mapping[str, object]
_Lookup = Callable[[str, int, int, int], Iterable[tuple[Any, ...]]]

ERROR_BODY_BYTES = 64 * 1024
_WIRE_LOGS = ("httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")
_PIECE = 256 * 1024
_GZIP = 31
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
"""OpenSSL's codes for a certificate whose signer is missing, self-signed or unknown."""

_PATH_CHARACTERS = "/:@!$&'()*+,;=~-._%"


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked: `path` is below the base URL, `query` is encoded. As text: `GET /customers, page 3`."""

    method: str
    path: str
    query: str = ""
    page: int | None = None
    accept: str = "application/json"
    body: bytes | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f", page {self.page}" if self.page is not None else "")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, unpacked. received_bytes: what came over the wire.

    body: as sent, but for the API key: where a server repeats it, be it in data or a CSV, there is a mask in its place.
    content_type: fit to be shown to people.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    content_type: str = ""
    received_bytes: int = 0


def path_of(path: str) -> str:
    """`customers` and `/customers` alike; what a URL may not hold is percent-encoded, so the host cannot change."""
    return "/" + quote(path.strip("/"), safe=_PATH_CHARACTERS)


def query_of(parameters: Parameters) -> str:
    """Parameters as a query string; None is left out, True is `true`, a list repeats its name."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return urlencode({name: str(v).lower() if isinstance(v, bool) else v for name, v in given.items()}, doseq=True)


def checked_base_url(base_url: str) -> str:
    """`base_url` without its closing slash; SettingsError unless it is https, or http on this machine.

    A key in it is refused, for a URL is logged and shown.
    """
    if holds_a_key(unquote(base_url)):
        raise SettingsError(
            "TIMIX_BASE_URL holds an API key, which would be shown with it: put the key into TIMIX_API_KEY alone, and "
            "give the URL as https://host/path."
        )
    try:
        parts, asked = urlsplit(base_url), httpx.URL(base_url)
        # As when a request is made: a port that is none, a label that is empty, too long or no IDN fails here.
        _ = parts.port, asked.host, asked.raw_host.decode().encode("idna")
    except (ValueError, httpx.InvalidURL):
        parts = urlsplit("")
    if not parts.hostname or parts.query or parts.fragment or parts.username or parts.scheme not in ("http", "https"):
        raise SettingsError(
            "TIMIX_BASE_URL is not the URL of an API: give it as https://host/path, without user, query or fragment."
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingsError(
            f"TIMIX_BASE_URL must be https, because the API key would cross the network to {parts.hostname} in clear: "
            "write https:// instead of http://."
        )
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Transport:
    """One pool of connections to one origin. Every request carries the key, as a header, and to that origin only."""

    def __init__(
        self, base_url: str, key: str, auth: Auth, limits: Limits, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._base_url = base_url
        self._limits = limits
        self._redact = Redactor(key)
        self._deadline = _Deadline()
        self._transport = transport or _pooled_transport(base_url, limits, self._deadline)
        signed = {"X-Api-Key": key} if auth == "x-api-key" else {"Authorization": f"Bearer {key}"}
        self._log_filter = _KeylessLog(self._redact)
        for name in _WIRE_LOGS:
            logging.getLogger(name).addFilter(self._log_filter)
        self._headers = httpx.Headers({"User-Agent": "timix-assets", "Accept-Encoding": "gzip", **signed})

    def close(self) -> None:
        self._transport.close()
        for name in _WIRE_LOGS:
            logging.getLogger(name).removeFilter(self._log_filter)

    def exchange(self, call: Call, seconds: float) -> Answer:
        """One request and its whole answer, within `seconds`. Any status but 3xx is an answer.

        Raises ConnectionFailed, DeadlineExceeded, TlsFailed, RedirectRefused, AnswerTooLarge, ContractError.
        """
        self._deadline.start(seconds)
        try:
            return self._exchange(call, seconds)
        except (httpx.TransportError, zlib.error) as fault:
            failure = self._failure(call, fault, seconds)
        # Raised out here, so that the failure has no context: the words of other packages may hold the key.
        raise failure

    def _exchange(self, call: Call, seconds: float) -> Answer:
        response = self._transport.handle_request(self._request(call, seconds))
        try:
            if 300 <= response.status_code < 400:
                raise self._redirect_refused(call, response)
            if response.status_code >= 400:
                return self._error(response)
            return self._success(call, response)
        finally:
            response.close()

    def _request(self, call: Call, seconds: float) -> httpx.Request:
        url = f"{self._base_url}{call.path}?{call.query}" if call.query else f"{self._base_url}{call.path}"
        connect = min(self._limits.connect_timeout_seconds, seconds)
        timeouts = {"connect": connect, "read": seconds, "write": seconds, "pool": seconds}
        request = httpx.Request(
            call.method, url, headers=self._headers, content=call.body, extensions={"timeout": timeouts}
        )
        request.headers["Accept"] = call.accept
        if call.body is not None:
            request.headers["Content-Type"] = "application/json"
        return request

    def _success(self, call: Call, response: httpx.Response) -> Answer:
        cap = self._limits.max_answer_bytes
        if int(response.headers.get("content-length", 0)) > cap:
            raise _too_large(call, cap)
        wire = _Counted(_chunks(response))
        pieces: list[bytes] = []
        size = 0
        for piece in self._unpacked(call, response, wire):
            size += len(piece)
            if size > cap:
                raise _too_large(call, cap)
            pieces.append(piece)
        return self._answer(response, b"".join(pieces), wire.bytes)

    def _error(self, response: httpx.Response) -> Answer:
        """An error's status counts even when its body is cut, so the body is read as far as it comes."""
        body = b""
        try:
            for chunk in _chunks(response):
                body += chunk
                if len(body) >= ERROR_BODY_BYTES:
                    break
        except httpx.TransportError:
            pass
        return self._answer(response, body[:ERROR_BODY_BYTES], len(body))

    def _answer(self, response: httpx.Response, body: bytes, received_bytes: int) -> Answer:
        content_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
        if content_type != "application/json":
            content_type = self._redact(content_type)[:80]
        return Answer(response.status_code, response.headers, self._redact.data(body), content_type, received_bytes)

    def _unpacked(self, call: Call, response: httpx.Response, chunks: Iterable[bytes]) -> Iterable[bytes]:
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding in ("identity", ""):
            return chunks
        if coding in ("gzip", "x-gzip"):
            return _gunzipped(chunks)
        raise ContractError(
            f"{call}: the answer is packed as {self._redact(coding)!r}, which was not asked for: "
            "look for a proxy on the way."
        )

    def _redirect_refused(self, call: Call, response: httpx.Response) -> RedirectRefused:
        target = self._redact(response.headers.get("location", "an unnamed place"))
        return RedirectRefused(
            f"{call}: the server answered {response.status_code} and points to {target}, where the API key is not sent; "
            "set TIMIX_BASE_URL if Timix has moved, else look for a proxy or a login page on the way."
        )

    def _failure(self, call: Call, fault: Exception, seconds: float) -> TimixError:
        if tls := _tls_fault_of(fault):
            return TlsFailed(f"{call}: no secure connection to {self._base_url}, because {self._redact(_why(tls))}.")
        reason = self._redact(str(fault)) or type(fault).__name__
        if isinstance(fault, httpx.ConnectTimeout | httpx.ConnectError | httpx.ProxyError | httpx.PoolTimeout):
            return ConnectionFailed(
                f"{call}: cannot connect to {self._base_url} ({reason}); check the network, the proxy variables and "
                "TIMIX_BASE_URL.",
                sent=False,
            )
        if isinstance(fault, httpx.TimeoutException):
            return DeadlineExceeded(
                f"{call}: no whole answer within {seconds:,.3g} s; Timix may be overloaded, try again later."
            )
        return ConnectionFailed(
            f"{call}: the connection broke before the whole answer was here ({reason}); check the network, "
            "or try again later."
        )


def _too_large(call: Call, cap: int) -> AnswerTooLarge:
    return AnswerTooLarge(
        f"{call}: the answer is larger than {cap / MEGABYTE:,.3g} MB, so it was not read; look at what the path sends, "
        "or raise TIMIX_MAX_ANSWER_MB."
    )


def _chunks(response: httpx.Response) -> Iterable[bytes]:
    """The body as it comes over the wire, skipping httpx's own (unbounded) unpacking."""
    stream = response.stream
    if not isinstance(stream, httpx.SyncByteStream):
        raise TypeError("the transport must be a synchronous one")
    return stream


class _KeylessLog(logging.Filter):
    """At DEBUG, httpcore logs the answer's headers, and a server may echo the key there."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._redact(record.getMessage()), ()
        return True


class _Counted:
    """Passes chunks through and counts their bytes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.bytes += len(chunk)
            yield chunk


def _gunzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Unpacked in small pieces, so that a bomb meets the size limit early; zlib.error when it is cut or corrupt."""
    unpacker = zlib.decompressobj(wbits=_GZIP)
    for chunk in chunks:
        packed = chunk
        while packed:
            yield unpacker.decompress(packed, _PIECE)
            packed = unpacker.unconsumed_tail
    yield unpacker.flush()
    if not unpacker.eof:
        raise zlib.error("the packed answer is cut short")


def _tls_fault_of(fault: BaseException) -> ssl.SSLError | None:
    """What TLS itself had against the connection; None when something else went wrong."""
    cause: BaseException | None = fault
    while cause is not None:
        # A connection that just ends in mid-handshake is a broken one, not a failed verification.
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def _why(fault: ssl.SSLError) -> str:
    """What is wrong, and what to do."""
    if not isinstance(fault, ssl.SSLCertVerificationError):
        reason = (fault.reason or "no reason given").replace("_", " ").lower()
        return f"what answers there does not speak TLS as it should ({reason}); check TIMIX_BASE_URL and the proxy variables"
    reason = fault.verify_message.rstrip(".")
    if fault.verify_code in _UNKNOWN_AUTHORITY:
        return (
            f"its certificate comes from an authority that is not trusted here ({reason}); "
            "if your company signs its own certificates, set SSL_CERT_FILE to its CA file"
        )
    return (
        f"its certificate is not valid ({reason}); check TIMIX_BASE_URL and this machine's clock, or tell who runs it"
    )


class _Deadline(threading.local):
    """When the request of this thread must have ended."""

    at = 0.0

    def start(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def left(self, passed: type[httpcore.TimeoutException] = httpcore.ReadTimeout) -> float:
        """Seconds; `passed` is raised when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise passed("the request's deadline has passed")
        return left

    def left_to_connect(self, timeout: float | None) -> float:
        left = self.left(httpcore.ConnectTimeout)
        return left if timeout is None else min(timeout, left)


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every read and write ends with the request, however slowly bytes drip in."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = self._deadline.left_to_connect(timeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, seconds), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


class _DeadlineBackend(httpcore.NetworkBackend):
    """Connects within the request's time, though each address of a host may take its own. lookup: as socket.getaddrinfo.

    How long the lookup of a name takes is the system's resolver's to bound.
    """

    def __init__(self, deadline: _Deadline, lookup: _Lookup = socket.getaddrinfo) -> None:
        self._backend = httpcore.SyncBackend()
        self._deadline = deadline
        self._lookup = lookup

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._addresses(host, port):
            seconds = self._deadline.left_to_connect(timeout)
            try:
                stream = self._backend.connect_tcp(address, port, seconds, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as fault:
                failure = fault
            else:
                return _DeadlineStream(stream, self._deadline)
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = self._lookup(host, port, 0, socket.SOCK_STREAM)
        except (OSError, UnicodeError) as fault:
            raise httpcore.ConnectError(str(fault)) from fault
        return [str(address[0]) for *_, address in found]


class _DeadlineTransport(httpx.HTTPTransport):
    """httpx's transport, timed as a whole. httpx has no public way to change its pool's network backend."""

    def __init__(self, tls: ssl.SSLContext, limits: httpx.Limits, proxy: str | None, deadline: _Deadline) -> None:
        super().__init__(verify=tls, limits=limits, proxy=proxy)
        self._pool._network_backend = _DeadlineBackend(deadline)


def _tls_for(base_url: str) -> ssl.SSLContext:
    """What to trust. To read the certificates takes 26 ms, and http, which stays on this machine, trusts none."""
    if urlsplit(base_url).scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.create_ssl_context()


def _pooled_transport(base_url: str, limits: Limits, deadline: _Deadline) -> httpx.BaseTransport:
    try:
        tls = _tls_for(base_url)
    except (OSError, ssl.SSLError) as fault:
        raise SettingsError(
            f"SSL_CERT_FILE or SSL_CERT_DIR names no readable certificates ({fault}): name a PEM file that holds some, "
            "or unset it."
        ) from None
    try:
        pool = httpx.Limits(max_connections=None, max_keepalive_connections=limits.concurrency)
        return _DeadlineTransport(tls, pool, _proxy_for(base_url), deadline)
    except (ValueError, httpx.InvalidURL, ImportError):
        message = "HTTPS_PROXY or ALL_PROXY names a proxy that cannot be used: give it as http://host:port."
    raise SettingsError(message)


def _proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names for `base_url`; none for this machine itself or for what NO_PROXY lists."""
    parts = urlsplit(base_url)
    if is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
