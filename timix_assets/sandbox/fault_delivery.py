"""Connection faults: resets, truncated bodies, slow or endless bodies. They act on the real socket."""

import asyncio
import socket
import struct
from asyncio import Transport
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .faults import Fault, Stage, kind
from .responses import ApiResponse

MEGABYTE = 1_000_000
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
FILLER = b'{"id":"' + b"0123456789abcdef" * 4096 + b'"},'


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection on which a response is being sent. head: sends status and headers; part: sends a part of the body."""

    transport: Transport
    head: Callable[[ApiResponse, bool], Awaitable[None]]
    part: Callable[[bytes, bool], Awaitable[None]]

    def reset(self) -> None:
        """Close with a TCP reset."""
        open_socket = self.transport.get_extra_info("socket")
        open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.transport.abort()


@kind(Stage.DELIVERY)
async def reset_connection(fault: Fault, answer: ApiResponse, line: Connection) -> None:
    """The connection is reset: before the first byte, or after `size` bytes of the body."""
    if fault.size is not None:
        await line.head(answer, True)
        await line.part(answer.body[: fault.size], True)
    line.reset()


@kind(Stage.DELIVERY)
async def cut_body(fault: Fault, answer: ApiResponse, line: Connection) -> None:
    """Content-Length is correct, but the connection closes after the first `share` (default half) of the body."""
    await line.head(answer, True)
    await line.part(answer.body[: int(len(answer.body) * (fault.share or 0.5))], True)
    line.transport.close()


@kind(Stage.DELIVERY)
async def no_length(fault: Fault, answer: ApiResponse, line: Connection) -> None:
    """As in HTTP/1.0, no header gives the body's length: the connection closes after the first `share` of it (default all)."""
    sent = answer.body[: int(len(answer.body) * (1.0 if fault.share is None else fault.share))]
    head = f"HTTP/1.1 {answer.status} OK\r\nContent-Type: {answer.content_type}\r\nConnection: close\r\n\r\n"
    line.transport.write(head.encode() + sent)
    line.transport.close()


@kind(Stage.DELIVERY)
async def slow_drip(fault: Fault, answer: ApiResponse, line: Connection) -> None:
    """The body is sent byte by byte, one every `seconds` (default 1)."""
    await line.head(answer, True)
    for at in range(len(answer.body)):
        if line.transport.is_closing():
            return
        await line.part(answer.body[at : at + 1], True)
        await asyncio.sleep(1.0 if fault.seconds is None else fault.seconds)
    await line.part(b"", False)


@kind(Stage.DELIVERY)
async def silence(fault: Fault, answer: ApiResponse, line: Connection) -> None:
    """Nothing is sent for `seconds` (default 60); then the response."""
    await asyncio.sleep(60.0 if fault.seconds is None else fault.seconds)
    await line.head(answer, True)
    await line.part(answer.body, False)


@kind(Stage.DELIVERY)
async def huge_body(fault: Fault, answer: ApiResponse, line: Connection) -> None:
    """A page of `size` bytes (default 200 MB), streamed; with a Content-Length only if `value` is `length`."""
    size = fault.size or 200 * MEGABYTE
    start, end = b'{"items":[', b'{}],"totalCount":1,"page":1,"pageSize":200,"hasMore":false}'
    times = max(0, (size - len(start) - len(end)) // len(FILLER))
    total = len(start) + times * len(FILLER) + len(end)
    sized = ApiResponse(200, b"", {"Content-Length": str(total)})
    await line.head(sized, fault.value == "length")
    await line.part(start, True)
    for _ in range(times):
        if line.transport.is_closing():
            return
        await line.part(FILLER, True)
    await line.part(end, False)
