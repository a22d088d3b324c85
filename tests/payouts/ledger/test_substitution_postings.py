"""What a store's accounts say of an order of which something was left out (SPEC O6, P4, M7)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders import substitutions
from orders.lifecycle import SubstitutionPreference
from orders.models import Order, Refund
from orders.place_order import RequestedItem
from orders.substitutions import SubstitutionDecision
from payouts import audit
from payouts.ledger.posting_rules import OrderFacts, reversed_share
from tests.builders import TEST, basket, suggested
from tests.payouts import money
from tests.payouts.money import book, of_store, statement_of_store

BIRYANI = RequestedItem(name="Biryani", quantity=1, price_minor=25_000)
SHARE = 50_000 - 7_500 + 2_500


def dinner(**facts: Any) -> Order:
    return basket(("Thali", 2, 20_000), ("Lassi", 1, 10_000), tax_minor=2_500, **facts)


def decided(order: Order, position: int, accepted: bool) -> None:
    (one,) = suggested(order, (position, BIRYANI))
    decision = SubstitutionDecision(substitution_id=one.public_id, accepted=accepted)
    substitutions.decide_substitutions(order.pk, [decision], how=one.How.API, by=TEST)
    order.refresh_from_db()


def earned(items_minor: int, tax_minor: int) -> int:
    return items_minor - items_minor * 15 // 100 + tax_minor


def proved() -> bool:
    return audit.prove_ledger().is_proved


# spec: O6, P4
@pytest.mark.django_db
def test_totals_touch_no_ledger_until_stripe_has_given_back():
    order = book(dinner())
    decided(order, 0, False)
    book(order)
    assert of_store(order) == (SHARE, 0)
    money.refunded(order, 42_000)
    book(order)
    assert of_store(order) == (earned(10_000, 500), 0)
    money.deliver(order)
    assert statement_of_store(book(order))[-1] == ("payable", "release", earned(10_000, 500))
    assert proved()


# spec: O6, P4, M7
@pytest.mark.django_db
def test_each_difference_takes_its_own_part_and_the_rest_goes_in_proportion():
    order = book(dinner())
    decided(order, 1, True)  # 250.00 instead of 100.00: the store bears it
    decided(order, 0, True)
    money.refunded(order, (first := sum(Refund.objects.values_list("amount_minor", flat=True))))
    assert of_store(book(order)) == (earned(order.items_minor, order.tax_minor), 0)
    half = order.authorised_minor - first
    money.refunded(order, first + half // 2)  # goodwill
    left = earned(order.items_minor, order.tax_minor)
    assert of_store(book(order)) == (left - (left * (half // 2) * 2 + half) // (2 * half), 0)
    money.refunded(order, order.authorised_minor)
    assert of_store(book(order)) == (0, 0)
    assert proved()


# spec: O6, M7
@pytest.mark.django_db
def test_a_store_keeps_nothing_of_what_it_has_left_out_altogether():
    order = book(dinner(substitution_preference=SubstitutionPreference.REFUSE))
    decided(order, 0, False)
    decided(order, 1, False)
    money.refunded(order, 52_500)
    assert of_store(book(order)) == (0, 0)
    money.refunded(order, 57_500)
    assert of_store(book(order)) == (0, 0)
    assert proved()


# spec: O6, M7
@pytest.mark.django_db
def test_the_books_agree_while_a_difference_is_on_its_way_after_goodwill():
    order = book(dinner())
    money.ask_refund(order, 10_001)
    money.refunded(order, 10_001)
    book(order)
    decided(order, 0, True)
    book(order)
    assert proved()
    money.refunded(order, 10_001 + 15_750)
    book(order)
    assert proved()


# spec: O6, M7
@given(data=st.data(), share=st.integers(0, 10_000), kept=st.integers(0, 5_000))
def test_however_refunds_come_in_nothing_is_taken_twice_and_all_of_it_in_the_end(
    data: st.DataObject, share: int, kept: int
):
    differences: list[tuple[int, int]] = []
    left = share
    for amount in data.draw(st.lists(st.integers(1, 5_000), max_size=4)):
        part = data.draw(st.integers(0, min(amount, left)))
        differences.append((amount, part))
        left -= part
    total = sum(amount for amount, _ in differences) + max(kept, left)

    def taken(refunded: int, known: int = len(differences)) -> int:
        facts = OrderFacts("order:1", share, total, refunded_minor=refunded, differences=tuple(differences[:known]))
        return reversed_share(facts)

    refunded = sorted(data.draw(st.lists(st.integers(0, total), max_size=5)))
    steps = [taken(one) for one in (0, *refunded, total)]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, share if total else 0)
    for known in range(len(differences)):
        done = sum(amount for amount, _ in differences[:known])
        assert taken(done, known) == taken(done) == sum(part for _, part in differences[:known])
