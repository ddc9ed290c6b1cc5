"""What a listing taught us about the contract: fields that are new, missing, unreadable or unheard of."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from timix_assets.documented import ROLES_WITHOUT_COST

from .schema import RESCUED, Endpoint

_SAMPLES = 3
_LONGEST_SAMPLE = 80


COST_COLUMNS = frozenset({"cost_rate", "cost_rate_currency", "cost", "profit", "margin_percent"})
"""Columns, of any endpoint, that some roles never see."""


def hidden_from(role: str | None) -> frozenset[str]:
    """The columns that a key of this role never sees."""
    return COST_COLUMNS if role in ROLES_WITHOUT_COST else frozenset()


def clipped(value: str) -> str:
    """A value short enough to be shown in a message."""
    return value if len(value) <= _LONGEST_SAMPLE else value[: _LONGEST_SAMPLE - 1] + "…"


@dataclass(slots=True)
class Findings:
    """Sums up over the chunks of a listing with `+`; how the records were cut into chunks makes no difference.

    Nested columns and fields are named by path: `lines.hours`.

    records: how many came.
    expected, present: the columns that were looked for, and those that at least one record had a field for.
    unknown_fields: fields without a column -> how many records (or elements of a nested list) have them.
    unreadable, samples: column -> how many values could not be read, and the first few of them as JSON text, cut short.
    unknown_values: enum column -> value that the contract does not know -> how often.
    replaced_characters: lone surrogates, now U+FFFD.
    """

    records: int = 0
    expected: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()
    unknown_fields: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    samples: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unknown_values: dict[str, Counter[str]] = field(default_factory=dict)
    replaced_characters: int = 0

    def __add__(self, other: "Findings") -> "Findings":
        return Findings(
            records=self.records + other.records,
            expected=self.expected | other.expected,
            present=self.present | other.present,
            unknown_fields=self.unknown_fields + other.unknown_fields,
            unreadable=self.unreadable + other.unreadable,
            samples={
                c: _first_few(self.samples.get(c, ()), other.samples.get(c, ())) for c in self.samples | other.samples
            },
            unknown_values={
                c: self.unknown_values.get(c, Counter()) + other.unknown_values.get(c, Counter())
                for c in self.unknown_values | other.unknown_values
            },
            replaced_characters=self.replaced_characters + other.replaced_characters,
        )

    @property
    def missing_columns(self) -> frozenset[str]:
        """Columns whose field was in no record at all, under any spelling. Without records nothing is missing."""
        return self.expected - self.present

    def missing_required(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Columns that no record has a field for though every row needs them: nothing can become a table.

        The columns of the key always; another required one when there is more than one record, for a single one may
        just lack it.
        """
        needed = endpoint.key if self.records < 2 else endpoint.needed
        return tuple(name for name in needed if name in self.missing_columns)

    def note_unreadable(self, column: str, values: Iterable[str]) -> None:
        """values: as JSON text."""
        shown = [clipped(value) for value in values]
        self.unreadable[column] += len(shown)
        self.samples[column] = _first_few(self.samples.get(column, ()), shown)

    def note_unknown_values(self, column: str, values: Iterable[str]) -> None:
        counted = Counter(clipped(value) for value in values)
        if counted:
            self.unknown_values[column] = self.unknown_values.get(column, Counter()) + counted

    def sentences(self, endpoint: Endpoint, role: str | None = None) -> list[str]:
        """What a person should know, the gravest first, one sentence each; none when all is as the contract says.

        role: of the API key. What is hidden from it is not missing; see `on_hidden_fields`.
        """
        missing = self._on_missing_fields(endpoint, hidden_from(role))
        return [*missing, *self.on_values(endpoint), *self._on_unknown_fields(endpoint)]

    def on_hidden_fields(self, endpoint: Endpoint, role: str | None) -> list[str]:
        """The sentence on fields that no record has because the key's role may not see them."""
        names = [
            f"`{column.name}`" for column in endpoint.columns if column.name in self.missing_columns & hidden_from(role)
        ]
        if not names:
            return []
        return [
            f"{', '.join(names)} of {endpoint.name} cannot be read with this key: a {role} never sees cost; for cost, use the "
            "key of a Finance, Admin or Owner."
        ]

    def on_values(self, endpoint: Endpoint) -> list[str]:
        """Just the sentences on values, none on fields that are missing or new."""
        unreadable = [
            f"{count:,} {'value' if count == 1 else 'values'} of `{column}` of {endpoint.name} could not be read, for example "
            f"{' and '.join(self.samples[column])}: what was sent is kept in `{RESCUED}`, or in quarantine."
            for column, count in sorted(self.unreadable.items())
        ]
        unknown = [
            f"`{column}` of {endpoint.name} has values that the contract does not know, kept as they came: {_counts(counted)}."
            for column, counted in sorted(self.unknown_values.items())
        ]
        replaced = [
            f"{endpoint.name} has halves of surrogate pairs, {self.replaced_characters:,} in all, which no table can hold: "
            "each is now U+FFFD, and only the source can mend it."
        ]
        return [*unreadable, *unknown, *(replaced if self.replaced_characters else ())]

    def _on_missing_fields(self, endpoint: Endpoint, hidden: frozenset[str]) -> list[str]:
        gone = self.missing_columns - hidden
        missing = [f"`{column.name}`" for column in endpoint.columns if column.name in gone]
        if not missing:
            return []
        return [
            f"No record of {endpoint.name} has a field for {', '.join(missing)}: if the workspace names it differently, set "
            "that name as an override (`timix-assets doctor` shows how)."
        ]

    def _on_unknown_fields(self, endpoint: Endpoint) -> list[str]:
        if not self.unknown_fields:
            return []
        return [
            f"{endpoint.name} has fields that the contract does not know, kept in `{RESCUED}`: {_counts(self.unknown_fields)}."
        ]


def _first_few(first: Iterable[str], then: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *then]))[:_SAMPLES]


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in sorted(counted.items()))
