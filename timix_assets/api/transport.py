"""One request over the wire and its complete response. No retries; every failure becomes one of the client's errors."""

import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import quote, urlencode

import httpx

from timix_assets import __version__

from .deadline import Deadline
from .errors import (
    ConnectionFailed,
    ContractError,
    DeadlineExceeded,
    RedirectRefused,
    ResponseTooLarge,
    TimixError,
    TlsFailed,
)
from .limits import MEGABYTE, Limits
from .network import pooled_transport, tls_fault_of, why_refused
from .redaction import Redactor

Auth = Literal["x-api-key", "bearer"]
Parameters = Mapping[str, object]

MAX_ERROR_BODY_BYTES = 64 * 1024
_WIRE_LOGS = ("httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")
NOT_MODIFIED = 304
"""The one 3xx that is not a redirect."""

_CHUNK_BYTES = 256 * 1024
_GZIP = 31
_GZIP_CODINGS = ("gzip", "x-gzip")
_PATH_CHARACTERS = "/:@!$&'()*+,;=~-._%"


@dataclass(frozen=True, slots=True)
class Request:
    """What to send: `path` is below the base URL, `query` is encoded. As text: `GET /customers, page 3`.

    single: it is about one record, so a 404 may be about the id.
    """

    method: str
    path: str
    query: str = ""
    page: int | None = None
    accept: str = "application/json"
    body: bytes | None = None
    single: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f", page {self.page}" if self.page is not None else "")


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response, decompressed.

    body: as sent, except that the API key is masked wherever the server repeats it.
    content_type: safe to show in a message.
    received_bytes: size over the wire.
    has_length: the server sent the length or the end of the body; without, a truncated body looks complete.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    content_type: str = ""
    received_bytes: int = 0
    has_length: bool = True


def path_of(path: str) -> str:
    """`/customers`, also of `customers`. Special characters are percent-encoded, so that the host cannot change."""
    return "/" + quote(path.strip("/"), safe=_PATH_CHARACTERS)


def query_of(parameters: Parameters) -> str:
    """Parameters as a query string; None is omitted, True is `true`, a list repeats its name."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return urlencode({name: str(v).lower() if isinstance(v, bool) else v for name, v in given.items()}, doseq=True)


class Transport:
    """One pool of connections to one origin. Every request carries the key in a header, to that origin only."""

    def __init__(
        self, base_url: str, key: str, auth: Auth, limits: Limits, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._base_url = base_url
        self._limits = limits
        self._redact = Redactor(key)
        self._deadline = Deadline()
        self._transport = transport or pooled_transport(base_url, limits, self._deadline)
        signed = {"X-Api-Key": key} if auth == "x-api-key" else {"Authorization": f"Bearer {key}"}
        self._log_filter = _KeyFilter(self._redact)
        for name in _WIRE_LOGS:
            logging.getLogger(name).addFilter(self._log_filter)
        self._headers = httpx.Headers(
            {"User-Agent": f"timix-assets/{__version__}", "Accept-Encoding": "gzip", **signed}
        )

    def close(self) -> None:
        self._transport.close()
        for name in _WIRE_LOGS:
            logging.getLogger(name).removeFilter(self._log_filter)

    def exchange(self, request: Request, seconds: float) -> Response:
        """Sends one request and reads its response, within `seconds`. Every status but a redirect is a response.

        Raises:
            ConnectionFailed, DeadlineExceeded, TlsFailed, RedirectRefused, ResponseTooLarge, ContractError
        """
        self._deadline.start(seconds)
        try:
            return self._exchange(request, seconds)
        except (httpx.TransportError, zlib.error) as fault:
            failure = self._failure(request, fault, seconds)
        # Raised here, so that it has no context: messages of other packages may contain the key.
        raise failure

    def _exchange(self, request: Request, seconds: float) -> Response:
        response = self._transport.handle_request(self._request(request, seconds))
        try:
            if 300 <= response.status_code < 400 and response.status_code != NOT_MODIFIED:
                raise self._redirect_refused(request, response)
            if response.status_code >= 300:
                return self._error(response)
            return self._success(request, response)
        finally:
            response.close()

    def _request(self, request: Request, seconds: float) -> httpx.Request:
        url = f"{self._base_url}{request.path}?{request.query}" if request.query else f"{self._base_url}{request.path}"
        connect = min(self._limits.connect_timeout_seconds, seconds)
        timeouts = {"connect": connect, "read": seconds, "write": seconds, "pool": seconds}
        http_request = httpx.Request(
            request.method, url, headers=self._headers, content=request.body, extensions={"timeout": timeouts}
        )
        http_request.headers["Accept"] = request.accept
        if request.body is not None:
            http_request.headers["Content-Type"] = "application/json"
        return http_request

    def _success(self, request: Request, response: httpx.Response) -> Response:
        cap = self._limits.max_answer_bytes
        if int(response.headers.get("content-length", 0)) > cap:
            raise _too_large(request, cap)
        # As it arrives, without httpx's own (unbounded) decompression.
        wire = _Counted(cast(Iterable[bytes], response.stream))
        pieces: list[bytes] = []
        size = 0
        for piece in self._decompressed(request, response, wire):
            size += len(piece)
            if size > cap:
                raise _too_large(request, cap)
            pieces.append(piece)
        return self._response_of(response, b"".join(pieces), wire.bytes)

    def _error(self, response: httpx.Response) -> Response:
        """An error's status counts even if its body is truncated, so the body is read as far as it arrives."""
        wire = _Counted(cast(Iterable[bytes], response.stream))
        body = _beginning(wire)
        if _coding_of(response) in _GZIP_CODINGS:
            body = _beginning(_gunzip([body])) or body
        return self._response_of(response, body, wire.bytes)

    def _response_of(self, response: httpx.Response, body: bytes, received_bytes: int) -> Response:
        content_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
        if content_type != "application/json":
            content_type = self._redact(content_type)[:80]
        has_length = "content-length" in response.headers or "transfer-encoding" in response.headers
        body = self._redact.data(body)
        return Response(response.status_code, response.headers, body, content_type, received_bytes, has_length)

    def _decompressed(self, request: Request, response: httpx.Response, chunks: Iterable[bytes]) -> Iterable[bytes]:
        coding = _coding_of(response)
        if coding in ("identity", ""):
            return chunks
        if coding in _GZIP_CODINGS:
            return _gunzip(chunks)
        raise ContractError(
            f"{request}: the response has content-encoding {self._redact(coding)!r}, which was not requested: "
            "look for a proxy in between."
        )

    def _redirect_refused(self, request: Request, response: httpx.Response) -> RedirectRefused:
        target = self._redact(response.headers.get("location", "an unnamed URL"))
        return RedirectRefused(
            f"{request}: the server redirects ({response.status_code}) to {target}, where the API key is not sent; "
            "set TIMIX_BASE_URL if Timix has moved, else look for a proxy or a login page in between."
        )

    def _failure(self, request: Request, fault: Exception, seconds: float) -> TimixError:
        sent = not isinstance(fault, httpx.ConnectTimeout | httpx.ConnectError | httpx.ProxyError | httpx.PoolTimeout)
        if tls := tls_fault_of(fault):
            return TlsFailed(
                f"{request}: no secure connection to {self._base_url}: {self._redact(why_refused(tls))}.", sent=sent
            )
        reason = self._redact(str(fault)) or type(fault).__name__
        if not sent:
            return ConnectionFailed(
                f"{request}: cannot connect to {self._base_url} ({reason}); check the network, the proxy variables and "
                "TIMIX_BASE_URL.",
                sent=False,
            )
        if isinstance(fault, httpx.TimeoutException):
            return DeadlineExceeded(
                f"{request}: no complete response within {seconds:,.3g} s; Timix may be overloaded, try again later."
            )
        return ConnectionFailed(
            f"{request}: the connection broke before the response was complete ({reason}); check the network, "
            "or try again later."
        )


def _too_large(request: Request, cap: int) -> ResponseTooLarge:
    return ResponseTooLarge(
        f"{request}: the response is larger than {cap / MEGABYTE:,.3g} MB and was not read; check what the path sends, "
        "or raise TIMIX_MAX_ANSWER_MB."
    )


class _KeyFilter(logging.Filter):
    """Masks the key in logs: at DEBUG, httpcore logs response headers, and a server may repeat the key there."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._redact(record.getMessage()), ()
        return True


class _Counted:
    """Counts the bytes of the chunks that pass through."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.bytes += len(chunk)
            yield chunk


def _coding_of(response: httpx.Response) -> str:
    coding: str = response.headers.get("content-encoding", "identity")
    return coding.strip().lower()


def _beginning(pieces: Iterable[bytes]) -> bytes:
    """The first MAX_ERROR_BODY_BYTES, or what comes before the connection or the compressed data breaks."""
    data = b""
    with suppress(httpx.TransportError, zlib.error):
        for piece in pieces:
            data += piece
            if len(data) >= MAX_ERROR_BODY_BYTES:
                break
    return data[:MAX_ERROR_BODY_BYTES]


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompresses every member of a gzip body in small pieces, so that a bomb reaches the size limit early.

    zlib.error for a member that is truncated or corrupt; zeros that pad the body are skipped. A body truncated between
    two members looks complete here: only its length, or its last chunk, shows it.
    """
    decompressor = zlib.decompressobj(wbits=_GZIP)
    for chunk in chunks:
        compressed = chunk
        while compressed:
            if decompressor.eof:
                compressed = compressed.lstrip(b"\0")
                if not compressed:
                    break
                decompressor = zlib.decompressobj(wbits=_GZIP)
            yield decompressor.decompress(compressed, _CHUNK_BYTES)
            compressed = decompressor.unconsumed_tail or decompressor.unused_data
    yield decompressor.flush()
    if not decompressor.eof:
        raise zlib.error("the compressed response is truncated")
