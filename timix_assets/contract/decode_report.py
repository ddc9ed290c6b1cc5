"""How records differ from the contract: fields that are new or missing, values that are unreadable or unknown."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from timix_assets.text.doctor_advice import SHOWS_HOW
from timix_assets.text.wording import count_noun
from timix_assets.vendor import ROLES_WITHOUT_COST

from .schema import RESCUED, Column, Endpoint, normalized

_MAX_SAMPLES = 3
_MAX_SAMPLE_LENGTH = 80
Counted = TypeVar("Counted")


COST_COLUMNS = frozenset({"cost_rate", "cost_rate_currency", "cost", "profit", "margin_percent"})
"""Columns of any endpoint that some roles never see."""


def hidden_from(role: str | None) -> frozenset[str]:
    """The columns that a key of this role never sees."""
    return COST_COLUMNS if role in ROLES_WITHOUT_COST else frozenset()


def clipped(value: str) -> str:
    """A value short enough to be shown in a message."""
    return value if len(value) <= _MAX_SAMPLE_LENGTH else value[: _MAX_SAMPLE_LENGTH - 1] + "…"


@dataclass(slots=True)
class DecodeReport:
    """What was found while decoding records. Reports of the batches of one listing are added with `+`.

    Nested columns and fields are named by path: `lines.hours`.

    Attributes:
        records: Number of records.
        expected, present: Columns of the contract, and those among them that at least one record has a field for.
        unknown_fields: Field without a column -> number of records (or elements of a nested list) that have it.
        unreadable: Column -> number of values that could not be read.
        samples: Column -> the first few of those values as JSON text, shortened.
        unknown_values: Enum column -> value that the contract does not declare -> how often.
        spellings: Enum column -> (another word for a declared value, that value) -> how often.
        replaced_characters: Lone surrogates, replaced by U+FFFD.
    """

    records: int = 0
    expected: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()
    unknown_fields: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    samples: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unknown_values: dict[str, Counter[str]] = field(default_factory=dict)
    spellings: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    replaced_characters: int = 0

    def __add__(self, other: "DecodeReport") -> "DecodeReport":
        return DecodeReport(
            records=self.records + other.records,
            expected=self.expected | other.expected,
            present=self.present | other.present,
            unknown_fields=self.unknown_fields + other.unknown_fields,
            unreadable=self.unreadable + other.unreadable,
            samples={
                c: _first_few(self.samples.get(c, ()), other.samples.get(c, ())) for c in self.samples | other.samples
            },
            unknown_values=_added(self.unknown_values, other.unknown_values),
            spellings=_added(self.spellings, other.spellings),
            replaced_characters=self.replaced_characters + other.replaced_characters,
        )

    @property
    def missing_columns(self) -> frozenset[str]:
        """Columns without a field in any record, under any alias. Without records, none is missing."""
        return self.expected - self.present

    def missing_required(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Required columns that no record has a field for, so that no table can be built.

        With a single record, only the columns of the key: it may just lack another one.
        """
        needed = endpoint.key if self.records < 2 else endpoint.required_columns
        return tuple(name for name in needed if name in self.missing_columns)

    def add_unreadable(self, column: str, values: Iterable[str]) -> None:
        """values: as JSON text."""
        shown = [clipped(value) for value in values]
        self.unreadable[column] += len(shown)
        self.samples[column] = _first_few(self.samples.get(column, ()), shown)

    def add_words(self, name: str, column: Column, words: Mapping[str, int]) -> None:
        """Counts unknown values and further spellings. A declared value in other case or with other separators is neither.

        name: the column's, by path. words: word as sent -> how often.
        """
        plain = set(map(normalized, column.values))
        for word, count in words.items():
            value = column.value_of(word)
            if value is None:
                self.unknown_values.setdefault(name, Counter())[clipped(word)] += count
            elif normalized(word) not in plain:
                self.spellings.setdefault(name, Counter())[clipped(word), value] += count

    def messages(self, endpoint: Endpoint, role: str | None = None) -> list[str]:
        """One message per difference from the contract, the most serious first.

        role: of the API key. Fields hidden from it are not missing; see `hidden_field_messages`.
        """
        messages = self.value_messages(endpoint)
        gone = self.missing_columns - hidden_from(role)
        if missing := [f"`{column.name}`" for column in endpoint.columns if column.name in gone]:
            messages.insert(
                0,
                f"No record of {endpoint.name} has a field for {', '.join(missing)}. If the workspace uses another name, "
                f"set it in TIMIX_OVERRIDES{SHOWS_HOW}.",
            )
        if self.unknown_fields:
            messages.append(f"{endpoint.name} has unknown fields, kept in `{RESCUED}`: {_counts(self.unknown_fields)}.")
        return messages

    def hidden_field_messages(self, endpoint: Endpoint, role: str | None) -> list[str]:
        """The message on fields that are missing because the key's role may not see them."""
        names = [
            f"`{column.name}`" for column in endpoint.columns if column.name in self.missing_columns & hidden_from(role)
        ]
        if not names:
            return []
        return [
            f"{', '.join(names)} of {endpoint.name} cannot be read with this key: a {role} never sees cost. For cost, use the "
            "key of a Finance, Admin or Owner."
        ]

    def spelling_messages(self, endpoint: Endpoint) -> list[str]:
        """The messages on words that were read as a declared value: no difference, but worth knowing."""
        return [
            f"`{column}` of {endpoint.name} has other words for known values: "
            + ", ".join(f"{word} is read as {value} ({count:,})" for (word, value), count in sorted(counted.items()))
            + "."
            for column, counted in sorted(self.spellings.items())
        ]

    def value_messages(self, endpoint: Endpoint) -> list[str]:
        """The messages on values, without those on missing or unknown fields."""
        unreadable = [
            f"{count_noun(count, 'value')} of `{column}` of {endpoint.name} could not be read, for example "
            f"{' and '.join(self.samples[column])}: the original is kept in `{RESCUED}`, or in quarantine."
            for column, count in sorted(self.unreadable.items())
        ]
        unknown = [
            f"`{column}` of {endpoint.name} has unknown values, stored as sent: {_counts(counted)}."
            for column, counted in sorted(self.unknown_values.items())
        ]
        replaced = [
            f"{endpoint.name} has {count_noun(self.replaced_characters, 'lone surrogate')}, which cannot be stored: replaced by "
            "U+FFFD. Correct the text in Timix."
        ]
        return [*unreadable, *unknown, *(replaced if self.replaced_characters else ())]


def _added(first: Mapping[str, Counter[Counted]], then: Mapping[str, Counter[Counted]]) -> dict[str, Counter[Counted]]:
    return {c: first.get(c, Counter()) + then.get(c, Counter()) for c in {**first, **then}}


def _first_few(first: Iterable[str], then: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *then]))[:_MAX_SAMPLES]


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in sorted(counted.items()))
