"""Keeps the API key out of everything that the server echoes."""

import re
from urllib.parse import unquote

from timix_assets.keys import KEY_PREFIX, MASK, without_keys

SERVER_WORDS_LIMIT = 2000
"""How many bytes of the server's own words a message carries."""

_FRAGMENT = 6


class Redactor:
    """Masks a key, any six characters of it in a row, their percent-encoded forms, and what looks like a Timix key."""

    def __init__(self, key: str) -> None:
        secret = key.removeprefix(KEY_PREFIX).casefold()
        starts = range(max(1, len(secret) - _FRAGMENT + 1))
        self._fragments = {secret[start : start + _FRAGMENT] for start in starts}

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
        any_of_them = "|".join(map(re.escape, sorted(found)))
        # A look-ahead finds overlapping fragments, so that no end of a partial key is left over.
        hits = [(m.start(), m.start() + len(m[1])) for m in re.finditer(f"(?=({any_of_them}))", text, re.IGNORECASE)]
        return _with_spans_masked(text, hits)


def _with_spans_masked(text: str, spans: list[tuple[int, int]]) -> str:
    """`text` with each run of overlapping or touching spans, which are in order, replaced by one mask."""
    kept: list[str] = []
    position = 0
    for start, end in spans:
        if start > position or not kept:
            kept += [text[position:start], MASK]
        position = max(position, end)
    return "".join([*kept, text[position:]])
