"""Reading a chart's PNG again: how much of it has which colour."""

import struct
import zlib
from collections import Counter

PALETTE = 3


def colours(png: bytes) -> Counter[tuple[int, int, int]]:
    """Pixels by colour of a PNG with a palette and unfiltered rows, as `charts.png.packed` writes them."""
    width, height, depth, kind = struct.unpack_from(">IIBB", png, 16)
    assert (depth, kind) == (8, PALETTE), "not packed: it has holes, or more than 256 colours"
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        chunks[png[at + 4 : at + 8]] = png[at + 8 : at + 8 + length]
        at += length + 12
    rows = zlib.decompress(chunks[b"IDAT"])
    found: Counter[tuple[int, int, int]] = Counter()
    for row in range(height):
        found.update(rows[row * (width + 1) + 1 : (row + 1) * (width + 1)])
    table = chunks[b"PLTE"]
    return Counter({tuple(table[3 * i : 3 * i + 3]): n for i, n in found.items()})  # type: ignore[misc]


def area(png: bytes, colour: str) -> int:
    """Pixels of that #rrggbb, give or take the rounding of `packed`."""
    wanted = bytes.fromhex(colour.removeprefix("#"))
    return sum(n for c, n in colours(png).items() if all(abs(a - b) < 8 for a, b in zip(c, wanted, strict=True)))
