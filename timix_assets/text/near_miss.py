"""Suggests the name that was meant, for a table or asset that does not exist."""

from collections.abc import Collection

from timix_assets.text.wording import similarity

_MIN_SIMILARITY = 0.6
"""From this similarity on another name is suggested; difflib's own default."""


def nearest(name: str, known: Collection[str]) -> str | None:
    """The most similar of the known names; None if none is similar."""
    best = max(known, key=lambda other: similarity(name.lower(), other.lower()), default=None)
    return best if best and similarity(name.lower(), best.lower()) >= _MIN_SIMILARITY else None


def hint(name: str, known: Collection[str]) -> str:
    """Suggests the most similar key such as `timix/customers`, else the keys of its group, else the groups."""
    best = max(known, key=lambda key: (similarity(_within_group(name), _within_group(key)), similarity(name, key)))
    if similarity(_within_group(name), _within_group(best)) >= _MIN_SIMILARITY:
        return f"did you mean {best}?"
    group = [key for key in sorted(known) if key.startswith(f"{name.partition('/')[0]}/")]
    if group:
        return f"this group has {', '.join(group)}."
    groups = sorted({key.partition("/")[0] for key in known})
    return f"write a whole key, such as {best}; the groups are {', '.join(groups)}, listed in the README."


def _within_group(key: str) -> str:
    return key.rpartition("/")[2]
