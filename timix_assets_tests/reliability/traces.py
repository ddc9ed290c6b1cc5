"""Looks for traces of a key in everything that was written: plain, in part, in other spellings, and in what is packed."""

import base64
import gzip
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import polars as pl

SHORTEST_PART = 12


class Traces:
    """What a key could be known by: any 12 of its characters in a row, in either case; the whole in base64, hex or %xx."""

    def __init__(self, key: str) -> None:
        windows = {key[start : start + SHORTEST_PART] for start in range(len(key) - SHORTEST_PART + 1)}
        percent = "".join(f"%{byte:02x}" for byte in key.encode())
        whole = {key.encode().hex(), percent, quote(key, safe="")}
        self._folded = {part.casefold().encode() for part in windows | whole}
        # Base64 of a text that holds the key, wherever in the text it begins: less what depends on its neighbours.
        self._exact = {base64.b64encode(bytes(before) + key.encode())[4:-4] for before in range(3)}

    def in_bytes(self, data: bytes) -> bool:
        folded = data.lower()
        return any(part in folded for part in self._folded) or any(part in data for part in self._exact)

    def in_text(self, *texts: str) -> bool:
        return any(self.in_bytes(text.encode("utf-8", "surrogatepass")) for text in texts)

    def in_folder(self, folder: Path) -> list[str]:
        """The files below a folder, by name or by content, in which there is one; with the table where that is known."""
        found = [str(path.relative_to(folder)) for path in folder.rglob("*") if self.in_text(path.name)]
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            places = {place for place, data in contents(path) if self.in_bytes(data)}
            found += [f"{path.relative_to(folder)} {place}".strip() for place in sorted(places)]
        return found


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """(place in the file, bytes): the file as it is, and all that is in it when it is unpacked."""
    data = path.read_bytes()
    yield "", data
    if data.startswith(b"\x1f\x8b"):
        yield "unpacked", gzip.decompress(data)
    if data.startswith(b"PAR1"):
        yield "rows", repr(pl.read_parquet(path).to_dicts()).encode()
    if data.startswith(b"SQLite format 3"):
        yield from _cells(path)


def _cells(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every text and blob of a SQLite file, unpacked where Dagster has packed it."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                for cell in row:
                    if isinstance(cell, str | bytes):
                        data = cell.encode() if isinstance(cell, str) else cell
                        yield f"table {table}", data
                        yield f"table {table}, unpacked", _unpacked(data)


def _unpacked(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return b""
