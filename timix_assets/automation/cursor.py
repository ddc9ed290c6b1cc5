"""What the sensor timix_changes remembers from tick to tick: what it saw, and which change nobody has read yet."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from timix_assets.automation.sightings import Sighting, digest


@dataclass(frozen=True, slots=True)
class Cursor:
    """seen: what each watched resource showed at the last change, or at its first sight; empty before the first look.

    change: the name of that change, by which its runs are known. unread: the resources that it is about, until a run
    for it has succeeded. attempts: how often it was asked for, without a further change in between.
    """

    seen: Mapping[str, Sighting] = field(default_factory=dict)
    change: str = ""
    unread: tuple[str, ...] = ()
    attempts: int = 0

    @classmethod
    def read(cls, text: str | None) -> Self:
        """As `text` wrote it; an empty one when it is of another form."""
        try:
            kept: Mapping[str, Any] = json.loads(text or "{}")
            return cls(
                seen={name: Sighting(**seen) for name, seen in kept.get("seen", {}).items()},
                change=str(kept.get("change", "")),
                unread=tuple(kept.get("unread", ())),
                attempts=int(kept.get("attempts", 0)),
            )
        except (ValueError, TypeError, AttributeError):
            return cls()

    def text(self) -> str:
        return json.dumps(asdict(self))

    def settled(self) -> Self:
        """After a run for the change has succeeded."""
        return replace(self, unread=(), attempts=0)

    def meeting(self, now: Mapping[str, Sighting]) -> Self:
        """After a look without a change: what was never seen before is remembered, and of the others the path."""
        met = {name: replace(self.seen.get(name, shown), path=shown.path) for name, shown in now.items()}
        return replace(self, seen={**self.seen, **met})

    def asking(self, changed: Iterable[str], now: Mapping[str, Sighting]) -> Self:
        """For what has changed now and what is still unread, under a new name.

        The name is chained to the one before it: a row deleted, restored and deleted again is a new change each time, and
        so is the same change that is asked for once more. A tick that is repeated gives the same name.
        """
        changed = set(changed)
        shown = sorted((name, sighting.total, sighting.content) for name, sighting in now.items())
        return replace(
            self,
            seen={**self.seen, **now},
            change=digest([self.change, shown]),
            unread=tuple(sorted(changed.union(self.unread))),
            attempts=1 if changed else self.attempts + 1,
        )
