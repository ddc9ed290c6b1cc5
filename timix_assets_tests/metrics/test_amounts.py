"""Exact arithmetic: nothing rounded twice, nothing divided by zero."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from timix_assets.metrics.amounts import (
    AMOUNT,
    EXACT,
    amount,
    as_integer,
    from_integer,
    from_price,
    price,
    prorate,
    ratio,
    rounded,
    sum_or_null_if_unpriced,
)

from .small_firm import D

unhurried = settings(deadline=None)


def value(expression: pl.Expr) -> object:
    return pl.select(expression).item()


@unhurried
@given(of=st.decimals(0, 168, places=10, allow_nan=False), part=st.integers(0, 86400), whole=st.integers(1, 86400))
def test_prorate_rounds_once_to_four_places(of: Decimal, part: int, whole: int):
    exact = Fraction(of) * part / whole * 10**4
    nearest = Decimal(int(exact + Fraction(1, 2))) / 10**4
    assert value(prorate(amount(of), pl.lit(part), pl.lit(whole))) == nearest


def test_prorate_over_zero_is_null():
    assert value(prorate(amount(8), pl.lit(1), pl.lit(0))) is None


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [(1, 4, 0.25), (1, 0, None), (0, 0, None), (1, None, None), (None, 1, None)],
)
def test_ratio_without_a_denominator_is_null(numerator: int | None, denominator: int | None, expected: float | None):
    columns = [pl.lit(None if n is None else D(n), pl.Decimal(38, 10)) for n in (numerator, denominator)]
    assert value(ratio(*columns)) == expected


@unhurried
@given(exact=st.decimals(-1000, 1000, places=14, allow_nan=False))
@example(exact=D("2.5E-10"))
@example(exact=D("-2.5E-10"))
def test_rounded_is_half_away_from_zero_to_ten_places(exact: Decimal):
    assert value(rounded(pl.lit(exact, EXACT))) == exact.quantize(D("1E-10"), ROUND_HALF_UP)


@unhurried
@given(hours=st.decimals(-24, 24, places=10, allow_nan=False))
def test_from_integer_inverts_as_integer(hours: Decimal):
    assert value(from_integer(as_integer(amount(hours)))) == hours


@unhurried
@given(
    hours=st.decimals(0, 24, places=10, allow_nan=False),
    rate=st.decimals(-(10**9), 10**9, places=10, allow_nan=False),
)
@example(hours=D(24), rate=D(10**9))
def test_prices_are_exact_to_20_places(hours: Decimal, rate: Decimal):
    with localcontext(prec=38):
        assert value(from_price(price(amount(hours), amount(rate)))) == hours * rate


def test_a_sum_of_the_largest_prices_is_exact():
    largest = pl.repeat(24, 10**7, dtype=AMOUNT)
    assert value(from_price(price(largest, amount(10**9)).sum())) == D(24) * 10**16


@pytest.mark.parametrize(("to_price", "priced", "expected"), [(0, 0, 0), (2, 0, None), (2, 1, 0)])
def test_sum_is_null_only_if_nothing_to_price_is_priced(to_price: int, priced: int, expected: int | None):
    assert (
        value(sum_or_null_if_unpriced(pl.lit(D(0), EXACT), to_price=pl.lit(to_price), priced=pl.lit(priced)))
        == expected
    )


positive = st.decimals(D("0.01"), 10**7, places=2, allow_nan=False)


@unhurried
@given(pairs=st.lists(st.tuples(positive, positive), min_size=2, max_size=4))
def test_ratio_does_not_depend_on_the_number_of_rows(pairs: list[tuple[Decimal, Decimal]]):
    frame = pl.DataFrame(pairs, {"a": AMOUNT, "b": AMOUNT}, orient="row")
    quotient = ratio(pl.col("a"), pl.col("b"))
    together = frame.select(quotient).to_series().to_list()
    assert [frame[n].select(quotient).item() for n in range(len(pairs))] == together
    assert together == [pytest.approx(float(Fraction(a) / Fraction(b)), rel=1e-15, abs=1e-19) for a, b in pairs]


def test_ratio_does_not_multiply_by_the_reciprocal():
    assert value(ratio(amount(D("11.5")), pl.lit(20))) == 0.575


def test_ratio_too_large_for_a_decimal_is_a_float():
    assert value(ratio(amount(10**12), amount(D("1E-10")))) == pytest.approx(1e22)
    assert value(ratio(amount(1), amount(10**25))) == pytest.approx(1e-25)
