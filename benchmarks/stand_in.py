"""A stand-in for Timix that is never the bottleneck: pages from memory, in a process of its own.

Entries are those of the sandbox's firm, written by the contract's own names, in no order of time, so that every page
touches every month. Each has one field that the contract does not know, with a value of its own, as real workspaces have.
`python -m benchmarks.stand_in --rows N` prints its address, then serves until it is ended.
"""

import argparse
import asyncio
import json
import random
import secrets
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import parse_qsl, urlsplit
from urllib.request import urlopen

from .child import ROOT, environment

HOST = "127.0.0.1"
PREFIX = "/api/integration/v1"
COUNTS, REFUSED = "/counts", "refused"

FIRST_MONTH, LAST_MONTH, LAST_DAY = "2024-01", "2025-12", date(2025, 12, 31)
MONTHS = 24
MAX_DISTINCT = 100_000
"""Entries kept as text; a longer listing repeats them under ids of its own."""

UNKNOWN = "externalId"
"""The field of every entry that no column reads."""

COPY = b"\x00"
"""Stands in an entry's id where the number of the copy goes; no JSON holds this byte."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running stand-in: where it answers, and a key made up for it."""

    base_url: str
    key: str = field(repr=False)

    @property
    def settings(self) -> dict[str, str]:
        """The environment that points our client at it."""
        return {"TIMIX_BASE_URL": self.base_url, "TIMIX_API_KEY": self.key, "TIMIX_START_MONTH": FIRST_MONTH}

    def counts(self) -> Mapping[str, int]:
        """Requests since the start, by path without the prefix; `refused`: those answered 429."""
        with urlopen(self.base_url.removesuffix(PREFIX) + COUNTS) as answer:
            counts: Mapping[str, int] = json.load(answer)
        return counts


@contextmanager
def service(rows: int, *, latency: float = 0.0, plan: str = "Business", per_minute: int = 0) -> Iterator[Service]:
    """A stand-in with so many entries. latency: seconds before each answer. per_minute: 0 sets no limit."""
    options = {"--rows": rows, "--latency": latency, "--plan": plan, "--per-minute": per_minute}
    command = [sys.executable, "-m", "benchmarks.stand_in", *(str(part) for pair in options.items() for part in pair)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment({}), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        if not base_url:
            raise RuntimeError("the stand-in ended before it served; run `python -m benchmarks.stand_in --rows 200`.")
        yield Service(base_url, f"bbl_{secrets.token_hex(20)}")
    finally:
        process.terminate()
        process.wait(10)


class Entries:
    """`total` entries as JSON text, by page."""

    def __init__(self, total: int, plan: str) -> None:
        # Here, for only the serving process needs them.
        from timix_assets.contract.endpoints import ME, ORGANIZATION, TIME_REPORTS  # noqa: PLC0415
        from timix_assets.sandbox.firm import Firm  # noqa: PLC0415
        from timix_assets.sandbox.serialization import body, record  # noqa: PLC0415

        tables = Firm.generate(people=40, months=MONTHS, seed=7, today=LAST_DAY).tables
        sampled = random.Random(7).choices(tables[TIME_REPORTS.name], k=min(total, MAX_DISTINCT))
        rows = [{**row, "id": f"te_@_{number:06d}"} for number, row in enumerate(sampled)]
        self._texts = [
            body({**record(TIME_REPORTS, row), UNKNOWN: f'"ext-{number:06d}"'}).replace(b"@", COPY, 1)
            for number, row in enumerate(rows)
        ]
        self._total = total
        self.me = body(record(ME, {**tables[ME.name][0], "plan": plan}))
        self.organization = body(record(ORGANIZATION, {**tables[ORGANIZATION.name][0], "plan": plan}))

    def page(self, number: int, size: int) -> bytes:
        """The list envelope of one page; MAX_DISTINCT must be a multiple of its size."""
        begin, end = (number - 1) * size, min(number * size, self._total)
        distinct = len(self._texts)
        items = b",".join(self._texts[at % distinct] for at in range(begin, end)).replace(
            COPY, b"%d" % (begin // distinct)
        )
        more = b"true" if end < self._total else b"false"
        envelope = b'{"items":[%b],"totalCount":%d,"page":%d,"pageSize":%d,"hasMore":%b}'
        return envelope % (items, self._total, number, size, more)


class Minute:
    """A strict limit: at most `most` requests in any 60 seconds, counted when they arrive; 0 is no limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._arrivals: deque[float] = deque()

    def admits(self, now: float) -> bool:
        """Counts a request that it admits; a refused one does not count."""
        while self._arrivals and self._arrivals[0] <= now - 60:
            self._arrivals.popleft()
        if self._most and len(self._arrivals) >= self._most:
            return False
        self._arrivals.append(now)
        return True


class Connection(asyncio.Protocol):
    """One client's connection: a GET, its answer, the next GET."""

    def __init__(self, entries: Entries, minute: Minute, counts: Counter[str], latency: float) -> None:
        self._entries = entries
        self._minute = minute
        self._counts = counts
        self._latency = latency
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            answer = self._answer(head.split(b" ", 2)[1].decode())
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)

    def _answer(self, target: str) -> bytes:
        asked = urlsplit(target)
        if asked.path == COUNTS:
            return _answer("200 OK", json.dumps(self._counts).encode())
        if not self._minute.admits(time.monotonic()):
            self._counts[REFUSED] += 1
            return _answer("429 Too Many Requests", b"{}", "Retry-After: 60\r\n")
        path = asked.path.removeprefix(PREFIX)
        self._counts[path] += 1
        query = dict(parse_qsl(asked.query))
        if path == "/me":
            return _answer("200 OK", self._entries.me)
        if path == "/organization":
            return _answer("200 OK", self._entries.organization)
        if path == "/time-reports":
            return _answer("200 OK", self._entries.page(int(query["page"]), int(query["pageSize"])))
        return _answer("404 Not Found", b"{}")


def _answer(status: str, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _serve(entries: Entries, latency: float, per_minute: int) -> None:
    minute, counts = Minute(per_minute), Counter[str]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(entries, minute, counts, latency), HOST, 0, backlog=64)
    port = server.sockets[0].getsockname()[1]
    print(f"http://{HOST}:{port}{PREFIX}", flush=True)
    await server.serve_forever()


def main() -> None:
    options = argparse.ArgumentParser(description="A stand-in for Timix that is never the bottleneck.")
    options.add_argument("--rows", type=int, required=True)
    options.add_argument("--latency", type=float, default=0.0)
    options.add_argument("--plan", default="Business")
    options.add_argument("--per-minute", type=int, default=0)
    asked = options.parse_args()
    asyncio.run(_serve(Entries(asked.rows, asked.plan), asked.latency, asked.per_minute))


if __name__ == "__main__":
    main()
