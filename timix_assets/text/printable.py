"""Makes text from elsewhere (names, server messages, lines of a file) safe to show. Stored data are not changed.

Control characters can move a terminal's cursor, set its title or clipboard, or forge a line of a log; bidirectional
overrides show text in another order; Markdown and chat services interpret markup, mentions and links.
"""

import re

_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Embeddings, overrides and isolates. Hebrew and Arabic text does not need them."""

_LINE_ENDS = "\u2028\u2029"
_HIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f{_LINE_ENDS}{_OVERRIDES}\ud800-\udfff]")
_HIDDEN_IN_LINES = re.compile(f"[\x00-\x09\x0b-\x1f\x7f-\x9f{_LINE_ENDS}{_OVERRIDES}\ud800-\udfff]")

_ZERO_WIDTH = "\u200b"
_LINKS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\S)|(?<=mailto)(?=:)|(?<=xmpp)(?=:)", re.IGNORECASE)
"""Where GitHub's Markdown finds a link without markup, and a chat a mention."""

_MARKDOWN = re.compile(r"[\\`*_\[\]<>|~&]")
_BLOCK = re.compile(r"^(\s*)([#+=-])|^(\s*\d+)([.)])")
"""The beginnings of headings, lists and rules."""

_DOMAINS = re.compile(r"(?<=\w)(?=\.[^\W\d_])")
_LABELLED = re.compile(r"(?<=\])(?=[(:\[])")
_CODED = re.compile(r"(?<=&)(?=#?\w+;)|(?<=\\)(?=[!-/:-@\[-`{-~])")
"""Entities and escapes, by which Markdown could still spell a link."""

_TAGS = str.maketrans({"<": "‹", ">": "›"})
_LOOK_ALIKES = str.maketrans({"<": "‹", ">": "›", "*": "∗", "`": "ˋ", "~": "∼", "|": "∣"})
_EDGE_OF_WORD = re.compile(r"(?<!\w)_|_(?!\w)")


def printable(text: str) -> str:
    """One line with control characters made visible: `\\x1b` for an escape, `\\n` for a line break, `\\u202e` an override."""
    return _HIDDEN.sub(_visible, text)


def printable_lines(text: str) -> str:
    """The same for text of several lines, which stay."""
    return _HIDDEN_IN_LINES.sub(_visible, text)


def markdown(text: str) -> str:
    """Markdown that shows exactly this text: no markup, image, HTML or link, not even a bare one."""
    escaped = _MARKDOWN.sub(r"\\\g<0>", _LINKS.sub(_ZERO_WIDTH, printable(text)))
    return _BLOCK.sub(r"\1\3\\\2\4", escaped)


def without_markup(text: str) -> str:
    """Lines for a page that renders Markdown and for a terminal alike: no image, link or HTML; the rest stays as it is."""
    shown = printable_lines(text).translate(_TAGS)
    for apart in (_LINKS, _LABELLED, _CODED):
        shown = apart.sub(_ZERO_WIDTH, shown)
    return shown


def inert(text: str) -> str:
    """Printable text for a chat or mail without mentions, links or markup; it looks the same.

    Services differ in what they escape, so nothing is escaped: a zero-width space breaks mentions and links, and markup
    characters are replaced by similar ones.
    """
    shown = _EDGE_OF_WORD.sub("ˍ", text.translate(_LOOK_ALIKES))
    for apart in (_LINKS, _LABELLED, _CODED, _DOMAINS):
        shown = apart.sub(_ZERO_WIDTH, shown)
    return shown


def _visible(character: re.Match[str]) -> str:
    return character[0].encode("unicode_escape", "surrogatepass").decode("ascii")
