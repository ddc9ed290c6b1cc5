"""What an API key looks like, and how text is kept free of one. Known to every room; it knows none."""

import re

KEY_PREFIX = "bbl_"
MASK = "[key]"

_ANY_KEY = re.compile(rf"{KEY_PREFIX}[\w.~+/=-]+", re.IGNORECASE)


def without_keys(text: str) -> str:
    """`text` with a mask in the place of everything that looks like a Timix key."""
    return _ANY_KEY.sub(MASK, text)


def holds_a_key(text: str) -> bool:
    """Whether something in `text` looks like a Timix key."""
    return _ANY_KEY.search(text) is not None
