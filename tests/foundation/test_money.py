"""Money: shares that add up to the last cent."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation import money

amounts = st.integers(0, 10**12)


# spec: P4
@given(part=amounts, steps=st.lists(st.integers(0, 10**9), min_size=1, max_size=12))
def test_shares_of_growing_amounts_add_up_exactly(part, steps):
    whole = sum(steps)
    before, total = 0, 0
    for step in steps:
        total += money.share_of(part, before + step, whole) - money.share_of(part, before, whole)
        before += step
    assert total == (part if whole else 0)


@given(part=st.integers(-(10**12), 10**12), of=amounts, whole=st.integers(1, 10**12))
def test_a_share_is_the_nearest_whole_number(part, of, whole):
    exact = Fraction(part * of, whole)
    share = money.share_of(part, of, whole)
    assert abs(share - exact) <= Fraction(1, 2)
    if share - exact == Fraction(-1, 2):
        raise AssertionError("halves are rounded up")


@given(part=amounts, smaller=amounts, larger=amounts, whole=st.integers(1, 10**12))
def test_a_larger_part_never_gets_a_smaller_share(part, smaller, larger, whole):
    smaller, larger = sorted((smaller, larger))
    assert money.share_of(part, smaller, whole) <= money.share_of(part, larger, whole)


def test_halves_go_up_ends_are_exact_and_nothing_divides_by_zero():
    assert money.share_of(1, 1, 2) == 1
    assert money.share_of(100, 1, 3) == 33
    assert money.share_of(100, 2, 3) == 67
    assert [money.share_of(999, 0, 7), money.share_of(999, 7, 7), money.share_of(999, 5, 0)] == [0, 999, 0]


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (123_456, "INR", "₹1,234.56"),
        (-1250, "usd", "-$12.50"),
        (5, "EUR", "€0.05"),
        (1500, "JPY", "¥1,500"),
        (1234, "KWD", "KWD 1.234"),
    ],
)
def test_people_read_major_units(amount, currency, text):
    assert money.format_money(amount, currency) == text


def test_a_currency_we_do_no_business_in_is_not_guessed():
    assert not money.is_known_currency("XAU")
    assert money.is_known_currency("inr")
    with pytest.raises(KeyError):
        money.currency_exponent("XAU")
