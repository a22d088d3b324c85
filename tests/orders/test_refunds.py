"""Refunds: never more than captured, never twice, whatever becomes of the calls (real calls to the sandbox)."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from foundation import clock, stripe
from foundation.errors import Invalid
from foundation.models import OutboundCall
from foundation.work import WorkState
from foundation.work_queues import WorkQueue
from notifications.models import Incident
from orders import locks, payments, refunds
from orders.models import Order, Refund
from tests import builders
from tests.orders.stripe_side import charge, charged_refunds

pytestmark = pytest.mark.django_db


def request(order: Order, amount_minor: int, reference: str = "test", **facts) -> Refund:
    with transaction.atomic():
        return refunds.request_refund(
            locks.lock_order(order.pk), amount_minor, reference=reference, reason="a test", **facts
        )


def paid_at_stripe() -> Order:
    """A paid order whose money really is at the sandbox."""
    order = builders.order()
    order.stripe_payment_intent = charge(order)
    order.save()
    return builders.paid(order)


def due_again(refund: Refund) -> None:
    Refund.objects.filter(pk=refund.pk).update(due_at=Now())


# ── what may be asked for ────────────────────────────────────────────────────────────────────────────────────────
# spec: O7
@pytest.mark.parametrize("amount", [0, -1, 45_001])
def test_not_more_than_was_captured_and_not_nothing(amount) -> None:
    order = builders.paid_order()
    with pytest.raises(Invalid) as refused:
        request(order, amount)
    assert refused.value.field == "amount"
    assert "₹450.00" in refused.value.message


def test_nothing_can_be_given_back_of_an_unpaid_order() -> None:
    order = builders.order()
    with pytest.raises(Invalid):
        request(order, 1)
    with transaction.atomic():
        assert refunds.request_remaining(locks.lock_order(order.pk), reference="r", reason="r") is None


# spec: O7
def test_what_is_promised_sent_and_proven_counts_once() -> None:
    order = builders.paid_order()
    request(order, 20_000, "first")
    with pytest.raises(Invalid, match=r"₹250\.00"):
        request(order, 25_001, "second")
    Refund.objects.update(state=WorkState.DONE)
    with transaction.atomic():
        assert refunds.refundable_minor(locks.lock_order(order.pk)) == 25_000
    payments.apply_payment_event(builders.refund_of(order, 20_000))  # Stripe's evidence of the same refund
    with transaction.atomic():
        assert refunds.refundable_minor(locks.lock_order(order.pk)) == 25_000


# spec: O7
def test_one_reason_is_one_refund() -> None:
    order = builders.paid_order()
    first = request(order, 10_000)
    assert request(order, 30_000).pk == first.pk
    assert Refund.objects.get().amount_minor == 10_000


def test_a_request_that_was_taken_back_can_be_made_again() -> None:
    order = builders.paid_order()
    later = clock.now() + timedelta(hours=1)
    first = request(order, 10_000, due_at=later)
    with transaction.atomic():
        assert refunds.withdraw_unsent(locks.lock_order(order.pk), "test")
    again = request(order, 20_000)
    assert (again.pk, again.state, again.amount_minor) == (first.pk, WorkState.PENDING, 20_000)
    assert again.due_at < later


# spec: O8
def test_what_has_been_claimed_cannot_be_taken_back() -> None:
    order = builders.paid_order()
    request(order, 10_000)
    Refund.claim_batch(limit=1, lease_s=60)
    with transaction.atomic():
        assert not refunds.withdraw_unsent(locks.lock_order(order.pk), "test")
        assert refunds.is_in_progress(order, "test")


# ── what becomes of it at Stripe ─────────────────────────────────────────────────────────────────────────────────
# spec: O7
def test_a_request_becomes_a_refund_at_stripe(sandbox, work_off) -> None:
    order = paid_at_stripe()
    refund = request(order, 12_345)
    work_off(refunds.QUEUE)
    refund.refresh_from_db()
    assert refund.state == WorkState.DONE
    (there,) = charged_refunds(order)
    assert (there.id, there.amount_minor) == (refund.stripe_refund, 12_345)
    assert there.metadata == {"refund": refund.public_id, "order": order.public_id, "reference": "test"}
    call = OutboundCall.objects.filter(purpose="refund.create").get()
    assert call.reference == f"refund:{refund.pk}"


# spec: O8
def test_a_refund_that_is_not_due_waits(sandbox, work_off) -> None:
    order = paid_at_stripe()
    request(order, 100, due_at=clock.now() + timedelta(hours=1))
    assert work_off(refunds.QUEUE) == 0
    assert charged_refunds(order) == []


# spec: O7
@pytest.mark.parametrize("kind", ["lost_answer", "error_500"])
@pytest.mark.parametrize("forgotten", [False, True])
def test_an_unknown_outcome_is_looked_up_and_never_doubled(sandbox, work_off, kind, forgotten) -> None:
    """An answer that was lost after execution, and a 500 that Stripe replays under its key, with the key remembered or
    forgotten: one refund."""
    order = paid_at_stripe()
    sandbox.fault("stripe", "answer", kind, path="/v1/refunds", times=1)
    refund = request(order, 5_000)
    work_off(refunds.QUEUE)
    refund.refresh_from_db()
    assert refund.state == WorkState.PENDING
    if forgotten:
        sandbox.control("POST", "stripe/forget_keys")
    for _ in range(3):
        due_again(refund)
        work_off(refunds.QUEUE)
    refund.refresh_from_db()
    assert refund.state == WorkState.DONE
    assert [there.id for there in charged_refunds(order)] == [refund.stripe_refund]


def test_a_charge_that_others_refunded_needs_no_refund(sandbox, work_off) -> None:
    order = paid_at_stripe()
    stripe.create_refund(
        intent_id=order.stripe_payment_intent, amount_minor=45_000, metadata={}, reference="", idempotency_key="dash"
    )
    refund = request(order, 45_000)
    work_off(refunds.QUEUE)
    refund.refresh_from_db()
    assert refund.state == WorkState.IGNORED
    assert len(charged_refunds(order)) == 1
    assert not Incident.objects.exists()


def test_a_refused_refund_is_ops_business(sandbox, work_off) -> None:
    order = builders.paid_order(stripe_payment_intent="pi_unknown_at_stripe")
    refund = request(order, 45_000)
    work_off(refunds.QUEUE)
    refund.refresh_from_db()
    assert refund.state == WorkState.DEAD
    incident = Incident.objects.get(kind=refunds.FAILED)
    assert (incident.severity, incident.order_ref) == ("critical", order.public_id)
    assert incident.detail["refund"] == refund.pk


@pytest.mark.django_db(transaction=True)
def test_a_lane_never_holds_a_transaction_while_it_calls(sandbox, monkeypatch, work_off) -> None:
    seen = []
    real = stripe.create_refund
    monkeypatch.setattr(stripe, "create_refund", lambda **p: (seen.append(connection.in_atomic_block), real(**p))[1])
    request(paid_at_stripe(), 100)
    work_off(refunds.QUEUE)
    assert seen == [False]
    assert isinstance(refunds.QUEUE, WorkQueue)
    assert refunds.QUEUE.lease_s > 2 * stripe.TIMEOUT_S
