"""Faults on the line: connections that are reset or cut, bodies that drip or never end. They act on the real socket."""

import asyncio
import socket
import struct
from asyncio import Transport
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .answers import Answer
from .faults import Fault, Stage, kind

MEGABYTE = 1_000_000
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
FILLER = b'{"id":"' + b"0123456789abcdef" * 4096 + b'"},'


@dataclass(frozen=True, slots=True)
class Line:
    """One connection with an answer under way. head: sends status and headers; part: sends some of the body."""

    transport: Transport
    head: Callable[[Answer, bool], Awaitable[None]]
    part: Callable[[bytes, bool], Awaitable[None]]

    def reset(self) -> None:
        """Close with a TCP reset instead of an orderly end."""
        open_socket = self.transport.get_extra_info("socket")
        open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.transport.abort()


@kind(Stage.DELIVERY)
async def reset_connection(fault: Fault, answer: Answer, line: Line) -> None:
    """The connection is reset: before the first byte, or after `size` bytes of the body."""
    if fault.size is not None:
        await line.head(answer, True)
        await line.part(answer.body[: fault.size], True)
    line.reset()


@kind(Stage.DELIVERY)
async def cut_body(fault: Fault, answer: Answer, line: Line) -> None:
    """Content-Length is right, and the connection closes after the first `share` (default half) of the body."""
    await line.head(answer, True)
    await line.part(answer.body[: int(len(answer.body) * (fault.share or 0.5))], True)
    line.transport.close()


@kind(Stage.DELIVERY)
async def slow_drip(fault: Fault, answer: Answer, line: Line) -> None:
    """The body comes byte by byte, one every `seconds` (default 1)."""
    await line.head(answer, True)
    for at in range(len(answer.body)):
        if line.transport.is_closing():
            return
        await line.part(answer.body[at : at + 1], True)
        await asyncio.sleep(1.0 if fault.seconds is None else fault.seconds)
    await line.part(b"", False)


@kind(Stage.DELIVERY)
async def silence(fault: Fault, answer: Answer, line: Line) -> None:
    """Nothing comes for `seconds` (default 60); then the answer."""
    await asyncio.sleep(60.0 if fault.seconds is None else fault.seconds)
    await line.head(answer, True)
    await line.part(answer.body, False)


@kind(Stage.DELIVERY)
async def huge_body(fault: Fault, answer: Answer, line: Line) -> None:
    """A page of `size` bytes (default 200 MB), streamed; its length is told in advance only when `value` is length."""
    size = fault.size or 200 * MEGABYTE
    start, end = b'{"items":[', b'{}],"totalCount":1,"page":1,"pageSize":200,"hasMore":false}'
    times = max(0, (size - len(start) - len(end)) // len(FILLER))
    total = len(start) + times * len(FILLER) + len(end)
    sized = Answer(200, b"", {"Content-Length": str(total)})
    await line.head(sized, fault.value == "length")
    await line.part(start, True)
    for _ in range(times):
        if line.transport.is_closing():
            return
        await line.part(FILLER, True)
    await line.part(end, False)
