"""One deadline for a whole request: connecting, sending, and every read, however slowly bytes arrive.

httpx has timeouts for single reads only, and no public way to set the network backend of its pool: `DeadlineTransport`
sets the private attribute, and a test checks that httpx still uses it.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx

_Lookup = Callable[[str, int, int, int], Iterable[tuple[Any, ...]]]


class Deadline(threading.local):
    """When the request of this thread must be complete."""

    at = 0.0

    def start(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def seconds_left(self, passed: type[httpcore.TimeoutException] = httpcore.ReadTimeout) -> float:
        """The seconds left; raises `passed` when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise passed("the request's deadline has passed")
        return left

    def seconds_to_connect(self, timeout: float | None) -> float:
        left = self.seconds_left(httpcore.ConnectTimeout)
        return left if timeout is None else min(timeout, left)


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every read and write ends at the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.seconds_left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.seconds_left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = self._deadline.seconds_to_connect(timeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, seconds), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


class _DeadlineBackend(httpcore.NetworkBackend):
    """Connects before the deadline, though a host may have several addresses. The resolver bounds its own time.

    lookup: like socket.getaddrinfo.
    """

    def __init__(self, deadline: Deadline, lookup: _Lookup = socket.getaddrinfo) -> None:
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
            seconds = self._deadline.seconds_to_connect(timeout)
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


class DeadlineTransport(httpx.HTTPTransport):
    """httpx's transport under one deadline per request."""

    def __init__(self, tls: ssl.SSLContext, limits: httpx.Limits, proxy: str | None, deadline: Deadline) -> None:
        super().__init__(verify=tls, limits=limits, proxy=proxy)
        self._pool._network_backend = _DeadlineBackend(deadline)
