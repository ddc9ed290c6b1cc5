"""Exact arithmetic: nothing rounded twice, nothing divided by zero."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timix_assets.metrics.amounts import (
    AMOUNT,
    EXACT,
    amount,
    as_integer,
    from_integer,
    ratio,
    rounded,
    share,
    total_worth,
)

from .small_firm import D

unhurried = settings(deadline=None)


def value(expression: pl.Expr) -> object:
    return pl.select(expression).item()


@unhurried
@given(of=st.decimals(0, 168, places=10, allow_nan=False), part=st.integers(0, 86400), whole=st.integers(1, 86400))
def test_a_share_is_rounded_once_half_away_from_zero_to_four_places(of: Decimal, part: int, whole: int):
    exact = Fraction(of) * part / whole * 10**4
    nearest = Decimal(int(exact + Fraction(1, 2))) / 10**4
    assert value(share(amount(of), pl.lit(part), pl.lit(whole))) == nearest


def test_a_share_of_nothing_is_null():
    assert value(share(amount(8), pl.lit(1), pl.lit(0))) is None


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [(1, 4, 0.25), (1, 0, None), (0, 0, None), (1, None, None), (None, 1, None)],
)
def test_a_ratio_with_nothing_below_is_null(numerator: int | None, denominator: int | None, expected: float | None):
    columns = [pl.lit(None if n is None else D(n), pl.Decimal(38, 10)) for n in (numerator, denominator)]
    assert value(ratio(*columns)) == expected


@unhurried
@given(exact=st.decimals(-1000, 1000, places=14, allow_nan=False))
def test_a_sum_is_rounded_half_away_from_zero_to_ten_places(exact: Decimal):
    assert value(rounded(pl.lit(exact, EXACT))) == exact.quantize(D("1E-10"), ROUND_HALF_UP)


@unhurried
@given(hours=st.decimals(-24, 24, places=10, allow_nan=False))
def test_hours_come_back_from_integers_unchanged(hours: Decimal):
    assert value(from_integer(as_integer(amount(hours)))) == hours


@pytest.mark.parametrize(("to_price", "priced", "expected"), [(0, 0, 0), (2, 0, None), (2, 1, 0)])
def test_a_total_is_unknown_only_when_there_is_something_to_price_and_nothing_is(
    to_price: int, priced: int, expected: int | None
):
    assert value(total_worth(pl.lit(D(0), EXACT), to_price=pl.lit(to_price), priced=pl.lit(priced))) == expected


positive = st.decimals(D("0.01"), 10**7, places=2, allow_nan=False)


@unhurried
@given(pairs=st.lists(st.tuples(positive, positive), min_size=2, max_size=4))
def test_a_ratio_is_the_same_in_a_table_of_one_row_as_in_a_larger_one(pairs: list[tuple[Decimal, Decimal]]):
    frame = pl.DataFrame(pairs, {"a": AMOUNT, "b": AMOUNT}, orient="row")
    quotient = ratio(pl.col("a"), pl.col("b"))
    together = frame.select(quotient).to_series().to_list()
    assert [frame[n].select(quotient).item() for n in range(len(pairs))] == together
    assert together == [pytest.approx(float(Fraction(a) / Fraction(b)), rel=1e-15, abs=1e-19) for a, b in pairs]


def test_a_ratio_that_comes_out_even_is_exact_and_not_by_way_of_the_reciprocal():
    assert value(ratio(amount(D("11.5")), pl.lit(20))) == 0.575


def test_a_ratio_too_large_for_a_decimal_is_still_a_float():
    assert value(ratio(amount(10**12), amount(D("1E-10")))) == pytest.approx(1e22)
    assert value(ratio(amount(1), amount(10**25))) == pytest.approx(1e-25)
