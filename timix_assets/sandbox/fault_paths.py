"""Where a fault can strike at all: one that is put on a path that nobody can ask for is refused, not silently idle."""

from collections.abc import Iterable, Sequence

from starlette.routing import compile_path

from .faults import Fault

ROW = "{id}"
WILDCARDS = "*?"


def check_paths(fault: Fault, known: Sequence[str], armed: Iterable[Fault]) -> None:
    """ValueError when `path` matches neither a known path nor the `to` of a moved fault, or when a moved `to` is no path.

    known: paths below the base URL, as the routes declare them (`/projects/{id}`).
    """
    if fault.kind == "moved" and not str(fault.to or "").startswith("/"):
        raise ValueError(f"A moved fault needs the new path in `to`, with a leading slash; it is {fault.to!r}.")
    if fault.path is None:
        return
    moved_to = [other.to for other in armed if other.kind == "moved" and other.to]
    if not isinstance(fault.path, str) or not any(_can_match(fault.path, path) for path in (*known, *moved_to)):
        plain = sorted({path for path in known if ROW not in path})
        raise ValueError(
            f"The sandbox has no path {fault.path!r}, so the fault would never strike; write it below the base URL with a "
            f"leading slash, * and ? as wildcards: {', '.join(plain)}, one below these such as {plain[0]}/{ROW}, or the "
            "`to` of a moved fault that is on."
        )


def _can_match(pattern: str, path: str) -> bool:
    """Whether a request for the declared path can have a path that the pattern of a fault matches."""
    if not any(wildcard in pattern for wildcard in WILDCARDS):
        return compile_path(path)[0].match(pattern) is not None
    return _overlap(pattern, path.replace(ROW, "?*"))


def _overlap(one: str, other: str) -> bool:
    """Whether some text matches both patterns."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "*":
        return _overlap(other, one)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and _overlap(one[1:], other[1:])
