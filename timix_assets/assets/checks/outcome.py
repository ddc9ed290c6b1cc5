"""What evaluating a rule gives, and how every result reaches Dagster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from dagster import AssetCheckResult, AssetCheckSeverity, AssetKey, MetadataValue

from timix_assets.text.printable import without_markup
from timix_assets.text.wording import count_noun

MAX_SHOWN = 20
"""Violations that a check shows; the others are counted."""

LINE_BREAK = "  \n"
"""In Markdown; without the blanks the lines would run together."""


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """The rows that break a rule, and what that means.

    Args:
        violations: one row each; empty when the rule holds.
        noun: what such a row is, e.g. `duplicate key`; the message begins with their number.
        explanation: the rest of the message: where they are, and what to do.
        figures: label -> value, shown as metadata whether the rule holds or not.
        plural: of the noun, where an s is not enough.
    """

    violations: pl.DataFrame
    noun: str
    explanation: str
    figures: Mapping[str, str] = field(default_factory=dict)
    plural: str = ""

    @property
    def message(self) -> str | None:
        """None when the rule holds."""
        rows = self.violations.height
        return f"{count_noun(rows, self.noun, self.plural)} {self.explanation}" if rows else None


def check_result(
    key: AssetKey,
    name: str,
    *,
    passed: bool,
    lines: Sequence[str] = (),
    metadata: Mapping[str, MetadataValue[Any]] | None = None,
    is_error: bool = False,
) -> AssetCheckResult:
    """A result whose description cannot do anything in Dagster's pages, which render it as Markdown, nor on a terminal.

    Args:
        key: the asset.
        name: the check.
        passed: whether the rule holds.
        lines: the description; names of fields, values and the server's messages may be part of it.
        metadata: label -> value; Markdown is written by `markdown`.
        is_error: whether a failure is an error; else it is a warning.
    """
    return AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=passed,
        severity=AssetCheckSeverity.ERROR if is_error else AssetCheckSeverity.WARN,
        description=LINE_BREAK.join(map(without_markup, lines)) or None,
        metadata=dict(metadata or {}),
    )
