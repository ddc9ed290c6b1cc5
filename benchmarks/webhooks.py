"""How long the receiver of webhooks takes to answer, in a burst: `python -m benchmarks.webhooks`."""

import asyncio
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from timix_assets.commands import init
from timix_assets.settings.webhooks import WebhookSettings
from timix_assets.webhooks.signatures import Signatures

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CONNECTIONS = 20
EVENTS = 250
"""Of each connection, one after the other."""

BODY = b'{"type": "time_reports.updated", "data": {"id": "tim-1", "text": "' + b"x" * 2000 + b'"}}'


async def send(port: int, name: int) -> list[float]:
    """The seconds from each event to its answer."""
    signatures = Signatures.of(WebhookSettings.model_validate({"webhook_secrets": SECRET}))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for number in range(EVENTS):
        signed = signatures.sign(f"{name}-{number}", time.time(), BODY)
        lines = [f"{header}: {value}" for header, value in {**signed, "Content-Length": str(len(BODY))}.items()]
        request = "\r\n".join(["POST /webhooks HTTP/1.1", "Host: localhost", *lines, "", ""]).encode() + BODY
        began = time.perf_counter()
        writer.write(request)
        answer = await reader.readuntil(b"stored\n")
        took.append(time.perf_counter() - began)
        assert answer.startswith(b"HTTP/1.1 200"), answer
    writer.close()
    return took


async def burst(port: int) -> list[float]:
    return [one for took in await asyncio.gather(*(send(port, name) for name in range(CONNECTIONS))) for one in took]


def main() -> None:
    """Prints the median, the 99th percentile and the longest."""
    with TemporaryDirectory() as folder:
        init.run(Path(folder))
        command = [sys.executable, "-m", "timix_assets.cli", "webhooks", "--port", "0"]
        environment = {**os.environ, "TIMIX_WEBHOOK_SECRETS": SECRET, "TIMIX_WEBHOOK_PER_MINUTE": "100000"}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+)/webhooks", process.stdout.readline())
            assert found
            began = time.perf_counter()
            took = asyncio.run(burst(int(found[1])))
            seconds = time.perf_counter() - began
        finally:
            process.terminate()
            process.wait()
    centiles = statistics.quantiles(took, n=100)
    print(
        f"{len(took):,} events of {len(BODY):,} bytes over {CONNECTIONS} connections, {len(took) / seconds:,.0f} a second: "
        f"median {centiles[49] * 1000:.1f} ms, p99 {centiles[98] * 1000:.1f} ms, longest {max(took) * 1000:.1f} ms"
    )


if __name__ == "__main__":
    main()
