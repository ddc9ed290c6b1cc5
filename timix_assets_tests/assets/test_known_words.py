"""The check of words: when most entries have a billing type or a status that nobody knows, the words differ, not the work."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetCheckSeverity

from timix_assets.assets.checks.rules import most_words_known
from timix_assets.lake.tables import Lake
from timix_assets.sandbox.faults import Fault
from timix_assets_tests.workspace import Workspace, failures, warnings

from ..conftest import TODAY
from .checked_lake import Row, empty_lake, put, rollup_context


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = empty_lake(tmp_path)
    put(lake, "subtasks", {"id": "tm", "billing_type": "TM"}, {"id": "odd", "billing_type": "Stunden"})
    return lake


def entries(*words: tuple[str | None, str | None], **columns: Any) -> list[Row]:
    """One entry for each pair of billing type and status."""
    common = {"month": TODAY.replace(day=1), "date": TODAY, "hours": Decimal(1), "subtask_id": "tm"}
    return [
        {"id": f"{i}", "billing_type": billing, "status": status, **common, **columns}
        for i, (billing, status) in enumerate(words)
    ]


def message(lake: Lake, rows: list[Row]) -> str | None:
    put(lake, "time_reports", *rows)
    return most_words_known(lake, rollup_context(lake)).message


KNOWN, ODD_TYPE, ODD_STATUS = ("TM", "Draft"), ("Stunden", "Draft"), ("TM", "Parked")


@pytest.mark.parametrize("odd", [ODD_TYPE, ODD_STATUS])
def test_half_of_the_entries_with_an_unknown_word_pass_and_more_fail(lake: Lake, odd: tuple[str, str]) -> None:
    assert message(lake, entries(KNOWN, odd)) is None
    assert message(lake, entries(KNOWN, odd, odd)) is not None


def test_words_are_shown_as_sent_with_their_counts(lake: Lake) -> None:
    rows = entries(ODD_TYPE, ODD_TYPE, ODD_TYPE, ("t-und-m", "Draft"), KNOWN)
    assert "billing_type Stunden (3), t-und-m (1), 4 of 5 entries" in str(message(lake, rows))


def test_few_unknown_words_are_shown_when_the_check_passes(lake: Lake) -> None:
    put(lake, "time_reports", *entries(KNOWN, KNOWN, ODD_STATUS))
    outcome = most_words_known(lake, rollup_context(lake))
    assert outcome.message is None
    assert outcome.figures == {"unknown status": "Parked (1)", "time entries": "3"}


def test_entry_without_a_billing_type_has_that_of_its_subtask(lake: Lake) -> None:
    assert message(lake, entries((None, "Draft"))) is None
    assert "Stunden (1)" in str(message(lake, entries((None, "Draft"), subtask_id="odd")))


def test_missing_word_is_unknown(lake: Lake) -> None:
    assert "none (1)" in str(message(lake, entries((None, "Draft"), subtask_id="gone")))


def test_entries_of_absurd_hours_have_no_say(lake: Lake) -> None:
    absurd = [{**row, "id": f"absurd {row['id']}"} for row in entries(ODD_TYPE, ODD_TYPE, hours=Decimal(25))]
    assert message(lake, [*entries(KNOWN), *absurd]) is None


def test_no_entries_pass(lake: Lake) -> None:
    assert message(lake, []) is None


def test_other_words_of_the_api_are_an_error_that_stops_no_run(workspace: Workspace) -> None:
    workspace.sandbox.faults.add(Fault("new_field", path="/time-reports", field="billingType", value='"Stunden"'))
    result = workspace.refresh("timix/time_reports", "timix/subtasks")

    assert failures(result) == {}
    assert result.success
    [found] = [c for c in result.get_asset_check_evaluations() if c.check_name == "most_words_known"]
    assert (found.passed, found.severity) == (False, AssetCheckSeverity.ERROR)
    assert "Stunden" in warnings(result, "timix/time_reports")["matches_contract"]
