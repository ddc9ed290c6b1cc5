"""Keeps the API key out of everything that the server echoes."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import unquote

from timix_assets.text.key_mask import KEY_PREFIX, MASK, mask_keys
from timix_assets.text.printable import printable

MAX_SERVER_MESSAGE_BYTES = 2000
"""How many bytes of the server's own message are shown."""

_FRAGMENT = 6
_HEX_FRAGMENT = 2 * _FRAGMENT
_BASE64_FRAGMENT = 4 * _FRAGMENT // 3
_BACKSLASH = r"\\"
_BACKSLASHES = 8
"""Backslashes before an escape, at most: JSON in JSON in JSON in JSON."""
_MIN_BARE_SECRET = 12
"""A secret this long is masked in data without its prefix too; a shorter one could be a word of the data."""


class Redactor:
    """Masks one API key.

    In messages: any six characters of it in a row (plain, percent-encoded or in hex), any eight of its base64 form, and
    everything that looks like a Timix key. In data: the whole key, or its secret part, in any JSON escapes.
    """

    def __init__(self, key: str) -> None:
        secret = key.removeprefix(KEY_PREFIX)
        self._fragments = set(map(str.casefold, _fragments_of(secret)))
        masked_in_data = {key, secret} if len(secret) >= _MIN_BARE_SECRET else {key}
        # JSON may escape a slash. The longer forms first, as they contain the others.
        forms = masked_in_data | {text.replace("/", r"\/") for text in masked_in_data}
        self._forms = [text.encode() for text in sorted(forms, key=len, reverse=True)]
        self._any_escape = re.compile(
            f"{_BACKSLASH}(?:{'|'.join(sorted({_escape_of(letter) for letter in key}))})".encode()
        )
        escaped = ("".join(map(_literal_or_escaped, text)) for text in sorted(masked_in_data, key=len, reverse=True))
        self._escaped = re.compile("|".join(escaped).encode())

    def data(self, body: bytes) -> bytes:
        """A body with the key masked; everything else byte for byte."""
        # No encoder escapes letters or digits, so this search is all that an honest body costs.
        if self._any_escape.search(body):
            body = self._escaped.sub(MASK.encode(), body)
        for form in self._forms:
            body = body.replace(form, MASK.encode())
        return body

    def __call__(self, text: str) -> str:
        """`text` on one printable line of at most 2 kB, with the key masked."""
        decoded = unquote(text)
        hidden = self._fragments_in(decoded) and not self._fragments_in(text)
        one_line = " ".join(self._masked(decoded if hidden else text).split())
        return printable(one_line).encode("utf-8", "replace")[:MAX_SERVER_MESSAGE_BYTES].decode("utf-8", "ignore")

    def _fragments_in(self, text: str) -> list[str]:
        lower = text.casefold()
        return [fragment for fragment in self._fragments if fragment in lower]

    def _masked(self, text: str) -> str:
        text = mask_keys(text)
        found = self._fragments_in(text)
        if not found:
            return text
        any_of_them = "|".join(map(re.escape, sorted(found, key=len, reverse=True)))
        # A look-ahead finds overlapping fragments, so that no part of the key remains.
        hits = [(m.start(), m.start() + len(m[1])) for m in re.finditer(f"(?=({any_of_them}))", text, re.IGNORECASE)]
        return _with_spans_masked(text, hits)


def _escape_of(letter: str) -> str:
    """A pattern for the JSON escape of a letter without its backslash, in either case."""
    return "u00" + "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{ord(letter):02x}")


def _literal_or_escaped(letter: str) -> str:
    """A pattern for a letter or its escape, with the backslashes that JSON inside JSON doubles."""
    return (
        f"(?:{_BACKSLASH}{{0,{_BACKSLASHES}}}{re.escape(letter)}|{_BACKSLASH}{{1,{_BACKSLASHES}}}{_escape_of(letter)})"
    )


def _fragments_of(secret: str) -> Iterator[str]:
    """The shortest parts of a secret that are masked: plain, in hex, and in base64 at each of its three offsets."""
    yield from _windows(secret, _FRAGMENT) or [secret]
    yield from _windows(secret.encode().hex(), _HEX_FRAGMENT)
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):
            # The first and the last group of four depend on the neighbouring text.
            yield from _windows(encode(bytes(before) + secret.encode()).decode()[4:-4], _BASE64_FRAGMENT)


def _windows(text: str, length: int) -> list[str]:
    return [text[start : start + length] for start in range(len(text) - length + 1)]


def _with_spans_masked(text: str, spans: list[tuple[int, int]]) -> str:
    """`text` with every run of overlapping or adjacent spans (sorted) replaced by one mask."""
    kept: list[str] = []
    position = 0
    for start, end in spans:
        if start > position or not kept:
            kept += [text[position:start], MASK]
        position = max(position, end)
    return "".join([*kept, text[position:]])
