"""What a store's accounts say of an order, told as stories (SPEC P1, P4, O7, O8, M1, M7)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from foundation.work import WorkState
from orders import payments
from orders.models import Refund
from payouts import reactions
from payouts.models import LedgerAccount, LedgerEntry
from tests import builders
from tests.payouts import money
from tests.payouts.money import book, of_store, statement_of_store

pytestmark = pytest.mark.django_db
SHARE, TOTAL = 34_000, 45_000  # as builders.order has it


# spec: P1
def test_a_paid_order_is_held_for_its_store_and_free_when_delivered():
    order = book(builders.paid_order())
    assert of_store(order) == (SHARE, 0)
    money.deliver(order)
    book(order)
    assert of_store(order) == (0, SHARE)
    assert statement_of_store(order) == [
        ("held", "order", SHARE),
        ("held", "release", -SHARE),
        ("payable", "release", SHARE),
    ]
    assert set(LedgerEntry.objects.values_list("order_ref", flat=True)) == {order.public_id}
    first = LedgerEntry.objects.get(kind="order")
    assert first.occurred_at == order.paid_at
    assert LedgerEntry.objects.filter(kind="release").first().occurred_at == order.delivered_at


def test_an_unpaid_order_leaves_no_trace():
    order = book(builders.order())
    assert LedgerAccount.objects.count() == 0
    assert statement_of_store(order) == []


def test_a_payment_of_another_amount_is_not_booked():
    """SPEC O8: it opens an incident and moves nothing."""
    order = builders.order()
    payments.apply_payment_event(builders.payment_of(order, amount_minor=TOTAL - 1))
    assert of_store(book(order)) == (0, 0)


# spec: P4
def test_refunds_take_their_part_of_the_share_from_where_it_stands():
    order = book(builders.paid_order())
    money.refunded(order, 15_000)  # a third
    book(order)
    assert of_store(order) == (SHARE - 11_333, 0)
    money.deliver(order)
    book(order)
    assert of_store(order) == (0, SHARE - 11_333)
    money.refunded(order, 30_000)
    book(order)
    assert of_store(order) == (0, SHARE - 22_667)
    money.refunded(order, TOTAL)
    assert of_store(book(order)) == (0, 0)


def test_many_small_refunds_add_up_to_nothing_left():
    """Parts are booked as differences of the cumulative share, so that rounding never leaves a cent. SPEC M7."""
    order = book(builders.paid_order(total_minor=1_000, items_minor=1_000, store_share_minor=777))
    for amount in range(7, 1_001, 7):
        money.refunded(order, amount)
        book(order)
    money.refunded(order, 1_000)
    assert of_store(book(order)) == (0, 0)
    assert sum(amount for _, _, amount in statement_of_store(order)) == 0


def test_a_refund_after_the_payout_makes_the_store_owe_it():
    order = book(builders.paid_order())
    money.deliver(order)
    book(order)
    account = LedgerAccount.objects.get(kind="payable")
    money.owed(account.payee_id, -SHARE, currency="INR")  # it was paid out
    money.refunded(order, TOTAL)
    assert of_store(book(order)) == (0, -SHARE)


def test_a_refund_seen_before_its_payment_is_booked_with_it():
    order = builders.order()
    money.refunded(order, 15_000)
    payments.apply_payment_event(builders.payment_of(order))
    book(order)
    assert of_store(order) == (SHARE - 11_333, 0)


# spec: O7
def test_a_cancellation_waits_for_stripe_and_leaves_the_fee():
    store = builders.store(cancellation_fee_minor=4_500)
    order = book(builders.acknowledged(builders.paid_order(of=store)))
    money.cancel(order)
    book(order)
    assert of_store(order) == (SHARE, 0)  # asked for, not confirmed: nothing may be free yet
    money.refunded(order, TOTAL - 4_500)
    book(order)
    assert of_store(order) == (0, 3_400)  # the store's share of what was kept
    assert statement_of_store(order)[-1] == ("payable", "cancellation_fee", 3_400)
    money.refunded(order, TOTAL)  # waived after all
    assert of_store(book(order)) == (0, 0)


def test_a_cancellation_without_fee_leaves_nothing():
    order = book(builders.paid_order())
    money.cancel(order, refuse_store=True)
    money.refunded(order, TOTAL)
    assert of_store(book(order)) == (0, 0)
    assert [kind for _, kind, _ in statement_of_store(order)] == ["order", "refund"]


def test_a_refund_that_was_taken_back_is_not_waited_for():
    order = book(builders.paid_order())
    money.cancel(order)
    Refund.objects.update(state=WorkState.DISCARDED)
    assert of_store(book(order)) == (0, SHARE)


def test_a_failed_delivery_waits_for_its_refund():
    order = book(builders.paid_order())
    money.fail(order)
    assert of_store(book(order)) == (SHARE, 0)
    money.refunded(order, TOTAL)
    assert of_store(book(order)) == (0, 0)


# spec: O8
def test_money_for_a_cancelled_order_comes_and_goes():
    order = builders.order()
    money.cancel(order)
    payments.apply_payment_event(builders.payment_of(order))
    book(order)
    assert of_store(order) == (SHARE, 0)
    assert Refund.objects.get().amount_minor == TOTAL
    money.refunded(order, TOTAL)
    assert of_store(book(order)) == (0, 0)


def test_delivered_after_cancelled_is_settled_by_evidence():
    order = book(builders.paid_order())
    money.cancel(order)
    money.deliver(order)
    assert of_store(book(order)) == (0, SHARE)
    money.refunded(order, TOTAL)
    assert of_store(book(order)) == (0, 0)


def test_a_store_without_share_needs_no_entries():
    order = builders.paid_order(store_share_minor=0)
    money.deliver(order)
    book(order)
    assert statement_of_store(order) == []


# ── again, and together ──────────────────────────────────────────────────────────────────────────────────────────
def test_booking_again_changes_nothing():
    order = book(builders.paid_order())
    money.refunded(order, 15_000)
    money.deliver(order)
    for _ in range(3):
        book(order)
    money.refunded(order, 20_000)
    before = statement_of_store(book(order))
    for _ in range(3):
        book(order)
    assert statement_of_store(order) == before


@pytest.mark.django_db(transaction=True)
def test_bookings_of_one_order_at_once_are_one_booking():
    order = builders.paid_order()
    money.refunded(order, 15_000)
    money.deliver(order)

    def work(_: int) -> None:
        try:
            reactions.book_order(order.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    assert of_store(order) == (0, SHARE - 11_333)
    assert len(statement_of_store(order)) == 4
