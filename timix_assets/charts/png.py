"""PNG files, made small: vl-convert hardly compresses, and stores 32 bits a pixel where charts have a few dozen colours."""

import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate, count

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_LENGTH = struct.Struct(">I")
_HEADER = struct.Struct(">IIBBBBB")
_RGBA_OF_8_BITS, _PALETTE_OF_8_BITS = (8, 6), (8, 3)
_NO_FILTER, _LEFT_NEIGHBOUR = 0, 1
"""How a row is stored: as it is, or each byte as its difference from the same byte of the pixel to its left."""

_LOW_BYTE = (255).__and__
_ROUNDED = bytes((x & 0xF8) | (x >> 5) for x in range(256))
"""32 levels a channel, black and white kept: fewer shades of letter edges, which no eye tells apart."""


def packed(png: bytes) -> bytes:
    """The same picture in a tenth of the bytes: a palette of at most 256 colours, well compressed.

    A picture with holes or with more colours keeps its pixels and is only compressed better; one that is not RGBA stays as it is.
    """
    chunks = list(_chunks(png))
    width, height, depth, colours, *rest = _HEADER.unpack(chunks[0][1])
    if (depth, colours) != _RGBA_OF_8_BITS:
        return png
    pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    indexed = _indexed(pixels, width)
    if indexed is None:
        return _file((b"IHDR", chunks[0][1]), (b"IDAT", zlib.compress(pixels, 9)))
    palette, rows = indexed
    header = _HEADER.pack(width, height, *_PALETTE_OF_8_BITS, *rest)
    return _file((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)))


def size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels."""
    _, header = next(_chunks(png))
    width, height, *_ = _HEADER.unpack(header)
    return width, height


def _indexed(pixels: bytes, width: int) -> tuple[bytes, bytes] | None:
    """The palette, and the rows as numbers of its colours; None if there are holes, too many colours or other filters."""
    opaque = b"\xff" + bytes(width - 1)
    number: defaultdict[tuple[int, ...], int] = defaultdict(count().__next__)
    stride = 1 + 4 * width
    rows = [pixels[start : start + stride] for start in range(0, len(pixels), stride)]
    known: dict[bytes, bytes] = {}
    for row in rows:
        if row in known:
            continue
        if row[0] != _LEFT_NEIGHBOUR or row[4::4] != opaque:
            return None
        channels = (bytes(map(_LOW_BYTE, accumulate(row[c::4]))).translate(_ROUNDED) for c in (1, 2, 3))
        numbers = [number[colour] for colour in zip(*channels, strict=True)]
        if len(number) > 256:
            return None
        known[row] = bytes((_NO_FILTER, *numbers))
    return bytes(level for colour in number for level in colour), b"".join(known[row] for row in rows)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body), in order."""
    at = len(SIGNATURE)
    while at < len(png):
        (length,) = _LENGTH.unpack_from(png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _file(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = (
        _LENGTH.pack(len(body)) + kind + body + _LENGTH.pack(zlib.crc32(kind + body))
        for kind, body in (*chunks, (b"IEND", b""))
    )
    return SIGNATURE + b"".join(parts)
