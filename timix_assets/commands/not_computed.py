"""What a refresh did not compute, because something that it is computed from failed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotComputed:
    """Assets that one cause left out, and the assets that failed by it; both in order."""

    assets: tuple[str, ...]
    failed: tuple[str, ...]


def by_cause(
    failures: Mapping[str, str], parents: Mapping[str, Collection[str]], began: Collection[str]
) -> list[NotComputed]:
    """Groups what never began by the sentences of the failures before it, so that one cause is one group.

    failures: failed asset -> its sentence. parents: each asset of the run -> what it is computed from. began: the assets
    whose step left an event. An asset that did not begin for another reason is in no group.
    """
    groups: dict[frozenset[str], tuple[set[str], set[str]]] = {}
    for asset in parents.keys() - set(began):
        behind = _failed_before(asset, failures.keys(), parents)
        if behind:
            assets, failed = groups.setdefault(frozenset(failures[name] for name in behind), (set(), set()))
            assets.add(asset)
            failed |= behind
    return sorted(
        (NotComputed(tuple(sorted(assets)), tuple(sorted(failed))) for assets, failed in groups.values()),
        key=lambda group: group.assets,
    )


def sentence(group: NotComputed, *, most_named: int) -> str:
    """What a person is told of the group; more failed assets than `most_named` are counted, for they are named elsewhere."""
    they, stay = ("they are", "they stay as the last refresh left them")
    if len(group.assets) == 1:
        they, stay = ("it is", "it stays as the last refresh left it")
    *others, last = group.failed
    who = f"{', '.join(others)} and {last}" if others else last
    if len(group.failed) > most_named:
        who = f"{len(group.failed)} assets that {they} computed from"
    return f"{', '.join(group.assets)}, because {who} failed; {stay}."


def _failed_before(asset: str, failed: Collection[str], parents: Mapping[str, Collection[str]]) -> set[str]:
    ahead: list[str] = list(parents[asset])
    seen: set[str] = set()
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead.extend(parents.get(name, ()))
    return seen & set(failed)
