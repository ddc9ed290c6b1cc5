"""Whatever tags a run is launched with, an asset is read for the months that they name, or fails with one message."""

import pytest
from dagster import DagsterError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from timix_assets.partitions import RANGE_END, RANGE_START
from timix_assets.runs.tags import ACCEPT_SHRINK
from timix_assets_tests.workspace import Workspace, failures

PARTITION = "dagster/partition"
ODD = [
    "",
    " ",
    "2026-10",
    "2026-10-01",
    "2026-10-02",
    "2026-13-01",
    "1996-10-01",
    "9999-12-01",
    "2026-11-01",
    "..",
    "\x1b[2J",
]
text = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=30)
names = st.sampled_from([RANGE_START, RANGE_END, PARTITION, ACCEPT_SHRINK, "timix/worker", "timix/change", "timix/job"])


@pytest.mark.long
@pytest.mark.timeout(300)
@settings(max_examples=settings.default.max_examples // 10)
@given(tags=st.dictionaries(names, text, max_size=4))
@example(tags={RANGE_START: "2026-10-01", RANGE_END: "2026-09-01"})
@example(tags={RANGE_START: "2026-10-01"})
@example(tags={RANGE_END: "2026-10-01"})
@example(tags={RANGE_START: "1996-10-01", RANGE_END: "2026-10-01"})
@example(tags={RANGE_START: "2026-10-01", RANGE_END: "9999-12-01"})
@example(tags={RANGE_START: "2026-10-02", RANGE_END: "2026-10-20"})
@example(tags={RANGE_START: "x", RANGE_END: "y"})
@example(tags={RANGE_START: "2026-10-01", RANGE_END: "2026-10-01", PARTITION: "2026-09-01"})
@example(tags={PARTITION: "2026-13-01"})
@example(tags={PARTITION: "1026-10-01"})
@example(tags={RANGE_START: "2026-10-01", RANGE_END: "2026-10-01", ACCEPT_SHRINK: "yes", "timix/worker": "x y z"})
def test_any_tags_give_months_or_one_message(workspace: Workspace, tags: dict[str, str]) -> None:
    read_with(workspace, tags)


@pytest.mark.long  # Dagster records every month of the millennium.
def test_a_range_of_a_millennium_is_one_message(workspace: Workspace) -> None:
    read_with(workspace, {RANGE_START: "1026-10-01", RANGE_END: "2026-10-01"})


def read_with(workspace: Workspace, tags: dict[str, str]) -> None:
    workspace.tags = tags
    try:
        result = workspace.refresh("timix/time_reports", months=None)
    except (DagsterError, ValueError):
        # Dagster launches no run with these of its own tags.
        assert tags.keys() & {RANGE_START, RANGE_END, PARTITION}
        return
    if not result.success:
        [said] = failures(result).values()
        assert "unexpected" not in said
        assert said.endswith((".", "?"))
