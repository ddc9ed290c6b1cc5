"""What a refresh did not compute because an upstream asset failed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SkippedAssets:
    """Assets that were skipped for one cause, and the failed assets upstream of them; both sorted."""

    assets: tuple[str, ...]
    failed: tuple[str, ...]


def skipped_by_cause(
    failures: Mapping[str, str], parents: Mapping[str, Collection[str]], started: Collection[str]
) -> list[SkippedAssets]:
    """Groups the assets that never started by the messages of the failures upstream, so that one cause is one group.

    Args:
        failures: Failed asset -> its message.
        parents: Each asset of the run -> its upstream assets.
        started: The assets whose step has an event.

    Returns:
        The groups, sorted. An asset that did not start for another reason is in none.
    """
    groups: dict[frozenset[str], tuple[set[str], set[str]]] = {}
    for asset in parents.keys() - set(started):
        upstream = _failed_upstream(asset, failures.keys(), parents)
        if upstream:
            assets, failed = groups.setdefault(frozenset(failures[name] for name in upstream), (set(), set()))
            assets.add(asset)
            failed |= upstream
    return sorted(
        (SkippedAssets(tuple(sorted(assets)), tuple(sorted(failed))) for assets, failed in groups.values()),
        key=lambda group: group.assets,
    )


def describe(group: SkippedAssets, *, max_named: int) -> str:
    """The message for a group. More failed assets than `max_named` are counted, because they are listed elsewhere."""
    they_keep = "it keeps its" if len(group.assets) == 1 else "they keep their"
    *others, last = group.failed
    cause = f"{', '.join(others)} and {last}" if others else last
    if len(group.failed) > max_named:
        cause = f"{len(group.failed)} upstream assets"
    return f"{', '.join(group.assets)}, because {cause} failed; {they_keep} previous content."


def _failed_upstream(asset: str, failed: Collection[str], parents: Mapping[str, Collection[str]]) -> set[str]:
    ahead: list[str] = list(parents[asset])
    seen: set[str] = set()
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead.extend(parents.get(name, ()))
    return seen & set(failed)
