"""What a write sets in a record of Timix, for comparison and for the ledger. Pure."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Self


class Values(ABC):
    """Values of one record, by column. None: nothing is set there.

    They are compared by what they mean, not by their form: how many blanks are between words does not count.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def kind(self) -> str:
        """What the record is, such as `time_entry` or `customer`."""

    @abstractmethod
    def items(self) -> Mapping[str, object]:
        """Column -> value."""

    @abstractmethod
    def over(self, current: Self) -> Self:
        """These values, with those of `current` where nothing is set: a PUT replaces the whole record."""

    def differences(self, current: Self) -> list[str]:
        """The columns in which `current` must change to have the values that are set here, such as `hours 3 -> 4`."""
        return [f"{name} {_shown(theirs)} -> {_shown(mine)}" for name, mine, theirs in self._unequal(current)]

    def changes_to(self, current: Self) -> list[str]:
        """The columns in which `current` no longer has the values that are set here, such as `hours 4 -> 3`."""
        return [f"{name} {_shown(mine)} -> {_shown(theirs)}" for name, mine, theirs in self._unequal(current)]

    def _unequal(self, current: Self) -> Iterator[tuple[str, object, object]]:
        others = current.items()
        for name, mine in self.items().items():
            if mine is not None and not self._is_same(name, mine, others.get(name)):
                yield name, mine, others.get(name)

    def _is_same(self, name: str, mine: object, theirs: object) -> bool:
        """Whether two values of a column mean the same."""
        return _words(_plain(mine)) == _words(_plain(theirs))

    def as_json(self) -> str:
        """The values as JSON text with sorted names."""
        return json.dumps({k: _plain(v) for k, v in self.items().items()}, sort_keys=True, ensure_ascii=False)


def _words(text: str | None) -> list[str] | None:
    return None if text is None else text.split()


def _plain(value: object) -> str | None:
    """A value for storage: numbers without trailing zeros, text without blanks around it, lists sorted."""
    if value is None:
        return None
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, tuple):
        return ", ".join(sorted(value))
    return value.isoformat() if isinstance(value, date) else str(value).strip()


def _shown(value: object) -> str:
    text = _plain(value)
    return "nothing" if text is None else text if len(text) <= 40 else f"{text[:39]}…"
