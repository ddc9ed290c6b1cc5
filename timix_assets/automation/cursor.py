"""The cursor of the sensor timix_changes: the last probes, and the change that no run has read yet."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Self

from pydantic import NonNegativeInt, TypeAdapter

from timix_assets.ingest.probes import PROBED_ENDPOINTS, Probe, digest

KNOWN = {endpoint.name for endpoint in PROBED_ENDPOINTS}


@dataclass(frozen=True, slots=True)
class Cursor:
    """State from one tick to the next.

    Args:
        seen: the probe of each endpoint at the last change, or the first one; empty before the first tick.
        change: the id of that change, in the tags of its runs.
        unread: the changed endpoints, until a run for the change has succeeded.
        attempts: runs requested for it since.
    """

    seen: Mapping[str, Probe] = field(default_factory=dict)
    change: str = ""
    unread: tuple[str, ...] = ()
    attempts: NonNegativeInt = 0

    @staticmethod
    def read(text: str | None) -> "Cursor":
        """Parses what `text` wrote; empty if it is anything else, since people can edit it in the UI."""
        try:
            cursor = _FORM.validate_json(text or "{}", strict=True)
        # A ValidationError is a ValueError, and so is the one for a lone surrogate.
        except ValueError:
            return Cursor()
        return cursor if KNOWN.issuperset(cursor.unread) else Cursor()

    def text(self) -> str:
        return json.dumps(asdict(self))

    def acknowledged(self) -> Self:
        """After a run for the change has succeeded."""
        return replace(self, unread=(), attempts=0)

    def observed(self, now: Mapping[str, Probe]) -> Self:
        """After a tick without a change: records the probes of new endpoints, and the path of the others."""
        observed = {name: replace(self.seen.get(name, shown), path=shown.path) for name, shown in now.items()}
        return replace(self, seen={**self.seen, **observed})

    def requested(self, changed: Iterable[str], now: Mapping[str, Probe]) -> Self:
        """A run is requested for what has changed now and what is still unread.

        The new id is chained to the previous one: deleting a row, restoring it and deleting it again are three changes, and
        so is a retry. A tick that is repeated gives the same id.
        """
        changed = set(changed)
        shown = sorted((name, probe.total, probe.content) for name, probe in now.items())
        return replace(
            self,
            seen={**self.seen, **now},
            change=digest([self.change, shown]),
            unread=tuple(sorted(changed.union(self.unread))),
            attempts=1 if changed else self.attempts + 1,
        )


_FORM = TypeAdapter(Cursor)
