"""Rejects a fault on a path that the sandbox does not serve: it would silently never apply."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from starlette.routing import compile_path

from .faults import Fault, quoted_input

ROW = "{id}"
WILDCARDS = "*?"
MAX_PATH_LENGTH = 200


def check_paths(fault: Fault, known: Sequence[str], active: Iterable[Fault]) -> None:
    """ValueError when `path` matches neither a known path nor the `to` of a moved fault, or when a moved `to` is not a path.

    known: paths below the base URL, as the routes declare them (`/projects/{id}`).
    """
    if fault.kind == "moved" and not str(fault.to or "").startswith("/"):
        raise ValueError(
            f"A moved fault needs the new path in `to`, with a leading slash; it is {quoted_input(fault.to)}."
        )
    if fault.path is None:
        return
    if len(fault.path) > MAX_PATH_LENGTH:
        raise ValueError(f"path must have at most {MAX_PATH_LENGTH} characters.")
    moved_to = [other.to for other in active if other.kind == "moved" and other.to]
    if not any(_can_match(fault.path, path) for path in (*known, *moved_to)):
        plain = sorted({path for path in known if ROW not in path})
        raise ValueError(
            f"The sandbox has no path {quoted_input(fault.path)}, so the fault would never apply. Use a path below the base URL "
            f"with a leading slash (* and ? are wildcards): {', '.join(plain)}, a record such as {plain[0]}/{ROW}, or the "
            "`to` of an active moved fault."
        )


def _can_match(pattern: str, path: str) -> bool:
    """Whether a request for the declared path can have a path that the pattern of a fault matches."""
    if not any(wildcard in pattern for wildcard in WILDCARDS):
        return compile_path(path)[0].match(pattern) is not None
    return _overlap(pattern, path.replace(ROW, "?*"))


@lru_cache(maxsize=100_000)
def _overlap(one: str, other: str) -> bool:
    """Whether some text matches both patterns. Cached, because many wildcards would otherwise take exponential time."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "*":
        return _overlap(other, one)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and _overlap(one[1:], other[1:])
