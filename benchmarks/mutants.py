"""Changes single lines of the core, one at a time, and runs the tests that should notice: `python -m benchmarks.mutants`.

A mutant that survives is a rule that no test holds. Each is applied to a copy of the repository; nothing here changes. A
line that is no longer in its file is stale and counts as an error: change the list with the code.
"""

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster  # noqa: F401  for the forks
import deltalake  # noqa: F401
import httpx  # noqa: F401
import hypothesis  # noqa: F401
import polars  # noqa: F401
import pytest
import uvicorn  # noqa: F401

REPOSITORY = Path(__file__).parents[1]
COPIED = ("timix_assets", "timix_assets_tests", "benchmarks", "pyproject.toml", "workspace.yaml", "dagster.yaml")
SECONDS = 120
"""For the tests of one mutant. One that hangs is noticed too."""
_SECONDS_LATER = count(int(time.time()) + 10, 10)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed line.

    Args:
        file: below `timix_assets/`.
        old: a part of the line that occurs once in the file.
        new: what stands there instead.
        tests: files below `timix_assets_tests/`.
    """

    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}: {self.old.strip()} → {self.new.strip()}"


def _of(file: str, tests: str, *changes: tuple[str, str]) -> Iterator[Mutant]:
    for old, new in changes:
        yield Mutant(file, old, new, tuple(tests.split()))


MUTANTS = (
    *_of(
        "api/listing.py",
        "api/test_listing.py",
        (
            "envelope.total is not None and envelope.total != total",
            "envelope.total is not None and envelope.total < total",
        ),
        ("if number > _MAX_PAGES:", "if number >= _MAX_PAGES:"),
        ("range(1, limits.listing_attempts + 1)", "range(1, limits.listing_attempts)"),
        ("if duplicates <= known_duplicates:", "if duplicates < known_duplicates:"),
        ("due = self._size if number < last_page else", "due = self._size if number <= last_page else"),
        ("range(2, checksum.last_page + 1)", "range(2, checksum.last_page)"),
        ("return rows >= self._size", "return rows > self._size"),
        ("if envelope.items and _hashes", "if _hashes"),
    ),
    *_of(
        "api/rate_limit.py",
        "api/test_rate_limit.py",
        ("in_order[-limit]", "in_order[-limit - 1]"),
        ("self._clock() + self._window)", "self._clock())"),
        ("if longer > self.budget_left_seconds:", "if longer > self._budget:"),
        ("self._spent_until = max(self._spent_until, until)", "self._spent_until = until"),
        ("numbers[LAST_USE] > now", "numbers[LAST_USE] < now - 1e9"),
        ("max(paused_until, now + min(seconds, self._window))", "max(paused_until, now + seconds)"),
    ),
    *_of(
        "api/retries.py",
        "api/test_retries.py",
        ("if failures >= self.attempts", "if failures > self.attempts"),
        ("spent_seconds >= self.budget_seconds", "spent_seconds >= self.budget_seconds * 10"),
        ("isinstance(error, ConnectionFailed) and not error.sent", "isinstance(error, ConnectionFailed)"),
        ("self.backoff_base_seconds * 2.0**doublings", "self.backoff_base_seconds * 2.0 * doublings"),
    ),
    *_of(
        "lake/commit.py",
        "lake/test_table_store.py lake/test_races.py lake/test_commit_durability.py",
        ("self.months is None or not replaced:", "self.months is not None or not replaced:"),
        ("return self.months.overlaps(", "return not self.months.overlaps("),
        ("CommitProperties(info, max_commit_retries=0)", "CommitProperties(info, max_commit_retries=5)"),
        ('if repeated(new.rows["key"]).is_empty():', "if not new.rows.is_empty():"),
        ("if change.rows == 0 or not self.guard.checks_columns:", "if not self.guard.checks_columns and change.rows:"),
        ("dropped = stored is not None and not set(stored) <= set(schema)", "dropped = False"),
        ("if table is None or table.version() == base:", "if table is None:"),
        ("(schema != stored and bool(new.digests))", "(schema != stored)"),
    ),
    *_of(
        "lake/shrink_guard.py",
        "lake/test_shrink_guard.py",
        ("rows >= self.from_rows and removed", "rows > self.from_rows and removed"),
        ("removed > self.max_removed_share * rows", "removed >= self.max_removed_share * rows"),
        ("if values >= self.from_rows and self.checks_columns", "if values > self.from_rows and self.checks_columns"),
    ),
    *_of(
        "lake/snapshots.py",
        "lake/test_races.py",
        ("table.version() < self.version", "table.version() > self.version"),
    ),
    *_of("lake/months.py", "lake/test_months.py", ("self.first <= other.last and", "self.first < other.last and")),
    *_of(
        "contract/values.py",
        "contract/test_values.py",
        ("number.adjusted() < _MAX_PLAIN_ID_DIGITS", "number.adjusted() <= _MAX_PLAIN_ID_DIGITS"),
        ("_INT64.start <= number < _INT64.stop", "_INT64.start <= number <= _INT64.stop"),
        ("1900 <= moment.year <= 2200", "1900 < moment.year <= 2200"),
        ("return bool(number) if number in (0, 1) else None", "return bool(number)"),
        ("date.fromisoformat(value[:10]) if instant(value) is not None", "date.fromisoformat(value[:10]) if value"),
    ),
    *_of(
        "contract/records.py",
        "contract/test_records.py",
        ('what = "is missing" if sent is None', 'what = "is missing" if sent is not None'),
        ('return [None if value == "" else value for value in values]', "return values"),
        ("elif value is not None and json_text(value) != json_text(values[row]):", "elif value is not None:"),
        ("row not in faults for row in range(len(records))", "row in faults for row in range(len(records))"),
    ),
    *_of(
        "contract/records.py",
        "contract/test_overrides.py",
        ("table.leave_out(row, [name])", "table.leave_out(row, [])"),
    ),
    *_of(
        "contract/exports.py",
        "contract/test_exports.py",
        ("return len(known) > 1 and", "return len(known) > 0 and"),
        ("if before.ends_its_line and not export.ends_its_line:", "if not export.ends_its_line:"),
        ("return is_names and has_figures and", "return is_names and"),
    ),
    *_of(
        "metrics/entries.py",
        "metrics/test_entries.py",
        ("(hours <= 0) | (hours > MAX_HOURS_PER_ENTRY)", "(hours < 0) | (hours > MAX_HOURS_PER_ENTRY)"),
        ("| (hours > MAX_HOURS_PER_ENTRY)", "| (hours >= MAX_HOURS_PER_ENTRY)"),
    ),
    *_of(
        "metrics/budget_health.py",
        "metrics/test_budgets.py metrics/test_rules.py metrics/test_worked_examples.py",
        ('used >= cap * pl.col("critical")', 'used > cap * pl.col("critical")'),
        ("used >= cap * warning()", "used > cap * warning()"),
        ('pl.col("cumulative") >= pl.col("cap").cast(EXACT)', 'pl.col("cumulative") > pl.col("cap").cast(EXACT)'),
    ),
    *_of(
        "metrics/amounts.py",
        "metrics/test_amounts.py",
        ('round(10, mode="half_away_from_zero")', 'round(10, mode="half_to_even")'),
        ("(to_price == 0) | (priced > 0)", "(to_price == 0)"),
    ),
    *_of(
        "metrics/limits.py",
        "assets/test_chart_metadata.py",
        ("pl.col(column).abs() > amount(", "pl.col(column) > amount("),
    ),
    *_of(
        "alerts/budgets.py",
        "alerts/test_budgets.py",
        (
            "SEVERITY[current.status] > SEVERITY[previous.status]",
            "SEVERITY[current.status] >= SEVERITY[previous.status]",
        ),
        ("budget.exhaustion_date - today <= within", "budget.exhaustion_date - today < within"),
        ("days + RECOVERY_DAYS if previous.near_exhaustion", "days if previous.near_exhaustion"),
        ("if project not in after}", "if project in after}"),
        ("near_exhaustion=runs_out or budget.status == OVER_BUDGET", "near_exhaustion=runs_out"),
    ),
    *_of(
        "alerts/outbox.py",
        "alerts/test_outbox.py",
        ("if not set(receivers) <= set(each.delivered)]", "if set(receivers) <= set(each.delivered)]"),
        ("if len(left) < len(self.pending):", "if len(left) > len(self.pending):"),
    ),
    *_of("alerts/outbox_file.py", "alerts/test_outbox.py", ("content, fsync=True", "content, fsync=False")),
    *_of(
        "ingest/probes.py",
        "automation/test_changes.py",
        ("self.total != before.total or", "self.total > before.total or"),
        ("self.first == before.first and self.content", "self.first != before.first and self.content"),
    ),
    *_of(
        "automation/changes.py",
        "automation/test_changes.py",
        ("cursor.attempts >= MAX_ATTEMPTS", "cursor.attempts > MAX_ATTEMPTS"),
    ),
    *_of(
        "assets/exports.py",
        "assets/test_exports.py",
        ("2 * export.table.rows <= export.before", "2 * export.table.rows < export.before"),
    ),
    *_of(
        "assets/chart_metadata.py",
        "assets/test_chart_metadata.py",
        (
            "within_limits(name, rows, context.params.firm.money_policy)",
            "rows",
        ),
    ),
    *_of(
        "text/printable.py",
        "text/test_printable.py",
        ("printable_lines(text).translate(_TAGS)", "printable_lines(text)"),
    ),
)


def main() -> int:
    """Prints a line for each mutant and the figure.

    Returns:
        The exit code: 1 if a mutant survived or is stale.
    """
    options = argparse.ArgumentParser("python -m benchmarks.mutants", description=__doc__)
    options.add_argument("words", nargs="*", help="only mutants whose file or line has one of these words")
    asked = options.parse_args()
    chosen = [each for each in MUTANTS if not asked.words or any(word in str(each) for word in asked.words)]
    stale = [each for each in chosen if _source(REPOSITORY, each).read_text("utf-8").count(each.old) != 1]
    print("\n".join(f"stale     {each}" for each in stale), end="\n" if stale else "")
    killed: list[Mutant] = []
    survivors: list[Mutant] = []
    with TemporaryDirectory(prefix="timix-mutants-") as folder:
        for name in COPIED:
            source = REPOSITORY / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, Path(folder, name))
        for each in (mutant for mutant in chosen if mutant not in stale):
            is_killed = _is_killed(Path(folder), each)
            (killed if is_killed else survivors).append(each)
            print(f"{'killed   ' if is_killed else 'survived '} {each}", flush=True)
        # Tests that passed with a mutant pass without one; the others might fail by themselves.
        for tests in {each.tests for each in killed} - {each.tests for each in survivors}:
            if _fails(Path(folder), tests):
                print(f"fail without a mutant: {' '.join(tests)}", flush=True)
                stale += [each for each in killed if each.tests == tests]
    killed = [each for each in killed if each not in stale]
    print(f"{len(killed)} of {len(killed) + len(survivors)} mutants were killed; {len(stale)} could not be tried.")
    return int(bool(survivors or stale))


def _source(folder: Path, mutant: Mutant) -> Path:
    return folder / "timix_assets" / mutant.file


def _is_killed(folder: Path, mutant: Mutant) -> bool:
    """Whether one of its tests fails with the changed line."""
    source = _source(folder, mutant)
    text = source.read_text("utf-8")
    _write(source, text.replace(mutant.old, mutant.new))
    try:
        return _fails(folder, mutant.tests)
    finally:
        _write(source, text)


def _write(source: Path, text: str) -> None:
    """Writes a file with a time of its own: Python recognizes a compiled file by seconds and size alone."""
    source.write_text(text, "utf-8")
    later = next(_SECONDS_LATER)
    os.utime(source, (later, later))


def _fails(folder: Path, tests: Sequence[str]) -> bool:
    """Runs the tests in a fork, which has everything imported but our own packages: that takes longer than most tests."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(folder)
        os.environ["PYTHONPATH"] = str(folder)
        sys.path.insert(0, str(folder))
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        files = [str(Path("timix_assets_tests", test)) for test in tests]
        os._exit(int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-m", "not long", *files])))
    give_up_at = time.monotonic() + SECONDS
    while time.monotonic() < give_up_at:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


if __name__ == "__main__":
    sys.exit(main())
