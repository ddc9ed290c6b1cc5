"""The mutants of `benchmarks/mutants.py` change lines that are there."""

import pytest

from benchmarks.mutants import MUTANTS, REPOSITORY, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mutant_changes_one_line_and_names_its_tests(mutant: Mutant) -> None:
    assert (REPOSITORY / "timix_assets" / mutant.file).read_text().count(mutant.old) == 1
    assert all((REPOSITORY / "timix_assets_tests" / test).exists() for test in mutant.tests)
