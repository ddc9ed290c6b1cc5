"""Listeners on loopback that write down every byte that reaches them: a host that is none of ours, a line, a proxy."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
RECEIVE_BYTES = 65536


class Recorder:
    """A host that is none of ours. It notes each connection and what it hears on it, and answers nothing.

    heard: one entry for each connection.
    """

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Wakes the thread that waits in accept, which closing alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def hears(self) -> bool:
        """Whether it would have heard a call: makes one, and takes it off the list."""
        with socket.create_connection((HOST, self.port)) as caller:
            caller.sendall(b"hello")
            caller.shutdown(socket.SHUT_WR)
            caller.recv(1)
        return self.heard.pop() == b"hello"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            number = len(self.heard)
            self.heard.append(b"")
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection:
            self._relay(connection, lambda data: self._note(number, data))

    def _note(self, number: int, data: bytes) -> None:
        self.heard[number] += data

    def _relay(self, connection: socket.socket, note: Callable[[bytes], None]) -> None:
        while data := _received(connection):
            note(data)


class Line(Recorder):
    """Passes every connection on to a port of this machine, and notes what the caller sends."""

    def __init__(self, to: int) -> None:
        super().__init__()
        self._to = to

    def _relay(self, connection: socket.socket, note: Callable[[bytes], None]) -> None:
        with socket.create_connection((HOST, self._to)) as onward:
            back = threading.Thread(target=_pass, args=(onward, connection, lambda _: None), daemon=True)
            back.start()
            _pass(connection, onward, note)
            back.join()


class Proxy(Line):
    """An HTTP proxy: whatever host a CONNECT names, it connects to one port of this machine.

    answer: the status line that it gives a CONNECT; anything but 200 is a refusal.
    """

    def __init__(self, to: int, answer: str = "200 OK") -> None:
        super().__init__(to)
        self.connects: list[str] = []
        self._answer = answer

    def _relay(self, connection: socket.socket, note: Callable[[bytes], None]) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = _received(connection)
            if not data:
                note(head)
                return
            head += data
        note(head)
        self.connects.append(head.split(b"\r\n")[0].decode())
        connection.sendall(f"HTTP/1.1 {self._answer}\r\nContent-Length: 0\r\n\r\n".encode())
        if self._answer.startswith("200"):
            super()._relay(connection, note)


def _pass(source: socket.socket, target: socket.socket, note: Callable[[bytes], None]) -> None:
    while data := _received(source):
        note(data)
        try:
            target.sendall(data)
        except OSError:
            return
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _received(connection: socket.socket) -> bytes:
    """Nothing more when the other end is gone, however it went."""
    try:
        return connection.recv(RECEIVE_BYTES)
    except OSError:
        return b""
