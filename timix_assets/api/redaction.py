"""Keeps the API key out of everything that the server echoes."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import unquote

from timix_assets.keys import KEY_PREFIX, MASK, without_keys

SERVER_WORDS_LIMIT = 2000
"""How many bytes of the server's own words a message carries."""

_FRAGMENT = 6
_HEX_FRAGMENT = 2 * _FRAGMENT
_BASE64_FRAGMENT = 4 * _FRAGMENT // 3
_TELLING = 12
"""A secret of so many characters is masked in data without its prefix too: a shorter one may be a word of the data."""


class Redactor:
    """Masks a key, any six characters of it in a row, plain, percent-encoded or in hex, any eight of its base64 form, and
    what looks like a Timix key."""

    def __init__(self, key: str) -> None:
        secret = key.removeprefix(KEY_PREFIX)
        self._fragments = set(map(str.casefold, _fragments_of(secret)))
        masked_in_data = {key, secret} if len(secret) >= _TELLING else {key}
        # In JSON, a slash may stand behind a backslash. The longer ones first, for they hold the others.
        spellings = masked_in_data | {text.replace("/", r"\/") for text in masked_in_data}
        self._spellings = [text.encode() for text in sorted(spellings, key=len, reverse=True)]

    def data(self, body: bytes) -> bytes:
        """A body with a mask in the place of the whole key, or of its secret part; all else byte for byte."""
        for spelling in self._spellings:
            body = body.replace(spelling, MASK.encode())
        return body

    def __call__(self, text: str) -> str:
        """`text` on one line, without the key, and without lone surrogates, at most 2 kB long."""
        decoded = unquote(text)
        hidden = self._fragments_in(decoded) and not self._fragments_in(text)
        one_line = " ".join(self._masked(decoded if hidden else text).split())
        return one_line.encode("utf-8", "replace")[:SERVER_WORDS_LIMIT].decode("utf-8", "ignore")

    def _fragments_in(self, text: str) -> list[str]:
        folded = text.casefold()
        return [fragment for fragment in self._fragments if fragment in folded]

    def _masked(self, text: str) -> str:
        text = without_keys(text)
        found = self._fragments_in(text)
        if not found:
            return text
        any_of_them = "|".join(map(re.escape, sorted(found, key=len, reverse=True)))
        # A look-ahead finds overlapping fragments, so that no end of a partial key is left over.
        hits = [(m.start(), m.start() + len(m[1])) for m in re.finditer(f"(?=({any_of_them}))", text, re.IGNORECASE)]
        return _with_spans_masked(text, hits)


def _fragments_of(secret: str) -> Iterator[str]:
    """The shortest parts of a secret that are masked: plain, in hex, and in base64 wherever in a text it begins."""
    yield from _windows(secret, _FRAGMENT) or [secret]
    yield from _windows(secret.encode().hex(), _HEX_FRAGMENT)
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):
            # The first and the last group of four may depend on what stands beside the secret.
            yield from _windows(encode(bytes(before) + secret.encode()).decode()[4:-4], _BASE64_FRAGMENT)


def _windows(text: str, length: int) -> list[str]:
    return [text[start : start + length] for start in range(len(text) - length + 1)]


def _with_spans_masked(text: str, spans: list[tuple[int, int]]) -> str:
    """`text` with each run of overlapping or touching spans, which are in order, replaced by one mask."""
    kept: list[str] = []
    position = 0
    for start, end in spans:
        if start > position or not kept:
            kept += [text[position:start], MASK]
        position = max(position, end)
    return "".join([*kept, text[position:]])
