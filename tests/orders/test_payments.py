"""What Stripe says about an order's money: booked once, in any order, and never against what was ordered."""

from datetime import timedelta

import pytest
from django.db import transaction

from foundation import clock
from foundation.errors import Transient
from foundation.models import Event, Job
from notifications.models import Incident, Message
from orders import cancellation, delivery_progress, locks, payments
from orders.evidence import EventOutcome, PaymentCanceled, PaymentFailed
from orders.lifecycle import OrderStatus
from orders.models import Order, Payment, Refund
from tests import builders

pytestmark = pytest.mark.django_db


def take(evidence, order: Order | None = None) -> EventOutcome:
    verdict = payments.apply_payment_event(evidence)
    if order is not None:
        order.refresh_from_db()
    return verdict


def failure_of(order: Order, number: int = 1, reason: str = "Your card was declined.", **facts) -> PaymentFailed:
    known = {"intent_id": order.stripe_payment_intent, "order_ref": order.public_id, "occurred_at": clock.now()}
    return PaymentFailed(**{**known, "event_id": f"evt_failed_{order.pk}_{number}", "reason": reason, **facts})


def canceled_of(order: Order, **facts) -> PaymentCanceled:
    known = {"intent_id": order.stripe_payment_intent, "order_ref": order.public_id, "occurred_at": clock.now()}
    return PaymentCanceled(**{**known, "event_id": f"evt_canceled_{order.pk}", **facts})


def names(order: Order) -> list[str]:
    return list(Event.objects.filter(subject=f"order:{order.pk}").order_by("version").values_list("name", flat=True))


def told(order: Order) -> list[str]:
    return list(Message.objects.filter(order_ref=order.public_id).order_by("pk").values_list("event", flat=True))


def cancelled(order: Order) -> Order:
    cancellation.cancel_by_person(order.pk, by=builders.TEST, reason="changed their mind")
    order.refresh_from_db()
    return order


# spec: P1, O5
def test_a_payment_confirms_the_order_books_it_and_tells_the_store() -> None:
    order = builders.order()
    evidence = builders.payment_of(order)
    assert take(evidence, order) == EventOutcome.APPLIED
    payment = Payment.objects.get(order=order)
    assert (payment.amount_minor, payment.currency, payment.stripe_charge) == (45_000, "INR", evidence.charge_id)
    assert payment.paid_at == order.paid_at == evidence.occurred_at
    assert order.status == OrderStatus.STORE_NOTIFIED
    assert names(order)[:2] == ["order.payment_confirmed", "order.status_changed"]
    assert told(order) == ["store.order_placed"]
    assert Job.objects.filter(handler="payouts.book_order", subject=f"order:{order.pk}").count() == 1


# spec: P1
def test_the_same_payment_twice_is_one() -> None:
    order = builders.order()
    evidence = builders.payment_of(order)
    take(evidence)
    before = names(order)
    assert take(evidence) == EventOutcome.REPEATED
    assert names(order) == before
    assert Payment.objects.filter(order=order).count() == 1


# spec: O4
def test_a_webhook_faster_than_our_own_commit_finds_its_order_by_the_metadata() -> None:
    order = builders.order(stripe_payment_intent="")
    assert take(builders.payment_of(order, intent_id="pi_not_yet_ours"), order) == EventOutcome.APPLIED
    assert order.stripe_payment_intent == "pi_not_yet_ours"


def test_an_adopted_intent_carries_no_metadata_and_is_found_by_its_id() -> None:
    order = builders.order()
    assert take(builders.payment_of(order, order_ref=""), order) == EventOutcome.APPLIED


# spec: P8
def test_money_without_an_order_waits_a_while_and_is_then_ops_business() -> None:
    order = builders.order()
    strange = {"order_ref": "", "intent_id": "pi_of_nobody"}
    with pytest.raises(Transient, match="pi_of_nobody"):
        take(builders.payment_of(order, **strange))
    assert not Incident.objects.exists()
    old = clock.now() - payments.ORPHAN_WAIT - timedelta(seconds=1)
    assert take(builders.payment_of(order, **strange, occurred_at=old)) == EventOutcome.REFUSED
    incident = Incident.objects.get(kind=payments.ORPHAN)
    assert incident.severity == "critical"
    assert incident.detail["amount_minor"] == order.total_minor


def test_no_money_without_an_order_is_nobody_s_business() -> None:
    order = builders.order()
    strange = {"order_ref": "", "intent_id": "pi_of_nobody"}
    assert take(failure_of(order, **strange)) == EventOutcome.IGNORED
    assert take(canceled_of(order, **strange)) == EventOutcome.IGNORED


# spec: O8
@pytest.mark.parametrize("facts", [{"amount_minor": 44_999}, {"amount_minor": 45_001}, {"currency": "usd"}])
def test_another_amount_or_currency_moves_nothing_and_opens_an_incident(facts) -> None:
    order = builders.order()
    assert take(builders.payment_of(order, **facts), order) == EventOutcome.REFUSED
    assert order.status == OrderStatus.PENDING
    assert not Payment.objects.exists()
    assert not names(order)
    assert Incident.objects.get(kind=payments.MISMATCH).severity == "critical"


def test_a_second_payment_for_the_same_order_is_for_ops() -> None:
    order = builders.paid_order()
    assert take(builders.payment_of(order, intent_id="pi_another", event_id="evt_other")) == EventOutcome.REFUSED
    assert Payment.objects.get(order=order).stripe_payment_intent == order.stripe_payment_intent
    assert Incident.objects.filter(kind=payments.PAID_TWICE, order_ref=order.public_id).exists()


# spec: O8
def test_money_for_a_cancelled_order_is_refunded_by_itself() -> None:
    order = cancelled(builders.order())
    assert take(builders.payment_of(order), order) == EventOutcome.APPLIED
    assert order.status == OrderStatus.CANCELLED
    refund = Refund.objects.get(order=order)
    assert (refund.amount_minor, refund.reference) == (45_000, payments.LATE_REFERENCE)
    assert "store.order_placed" not in told(order)
    take(builders.payment_of(order))
    assert Refund.objects.filter(order=order).count() == 1


# ── P2 ───────────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: P2
def test_a_declined_payment_is_kept_and_the_customer_told() -> None:
    order = builders.order()
    assert take(failure_of(order), order) == EventOutcome.APPLIED
    assert order.payment_error == "Your card was declined."
    assert order.status == OrderStatus.PENDING
    assert names(order) == ["order.payment_failed"]
    assert told(order) == ["order.payment_failed"]
    assert take(failure_of(order)) == EventOutcome.REPEATED
    assert names(order) == ["order.payment_failed"]


# spec: P2, P8
def test_the_latest_decline_stands_whatever_comes_last() -> None:
    order, at = builders.order(), clock.now()
    take(failure_of(order, 2, "second", occurred_at=at))
    take(failure_of(order, 1, "first", occurred_at=at - timedelta(seconds=9)), order)
    assert order.payment_error == "second"


# spec: P2, P8
def test_a_decline_is_old_news_once_the_money_is_there() -> None:
    order = builders.order()
    take(failure_of(order))
    take(builders.payment_of(order), order)
    assert order.payment_error == ""
    assert take(failure_of(order, 2), order) == EventOutcome.STALE
    assert order.payment_error == ""


# ── P3 ───────────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: P3
def test_a_cancelled_intent_cancels_the_unpaid_order() -> None:
    order = builders.order()
    evidence = canceled_of(order)
    assert take(evidence, order) == EventOutcome.APPLIED
    assert order.status == OrderStatus.CANCELLED
    assert order.failed_at == evidence.occurred_at
    assert told(order) == ["order.cancelled"]
    assert names(order).count("order.cancelled") == 1
    assert take(evidence) == EventOutcome.REPEATED


# spec: P3, P8
def test_a_cancelled_intent_says_nothing_about_a_paid_order() -> None:
    order = builders.paid_order()
    assert take(canceled_of(order), order) == EventOutcome.STALE
    assert order.status == OrderStatus.STORE_NOTIFIED
    assert order.failed_at is None


def test_an_intent_that_the_order_no_longer_uses_says_nothing() -> None:
    order = builders.order()
    assert take(canceled_of(order, intent_id="pi_older"), order) == EventOutcome.STALE
    assert order.status == OrderStatus.PENDING


def test_our_own_cancellation_comes_back_and_is_told_once() -> None:
    order = cancelled(builders.order())
    assert take(canceled_of(order), order) == EventOutcome.APPLIED
    assert order.payment == "cancelled"
    assert order.cancel_reason == "changed their mind"
    assert told(order) == ["order.cancelled"]
    assert names(order).count("order.cancelled") == 1


# ── P4 ───────────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: P4
def test_a_partial_refund_is_kept_and_leaves_the_status() -> None:
    order = builders.ready(builders.paid_order())
    assert take(builders.refund_of(order, 10_000), order) == EventOutcome.APPLIED
    assert (order.refunded_minor, order.payment, order.status) == (10_000, "partly_refunded", "ready_for_pickup")
    assert Payment.objects.get(order=order).refunded_minor == 10_000
    event = Event.objects.get(subject=f"order:{order.pk}", name="order.refunded")
    assert event.data == {"refunded_minor": 10_000, "difference_minor": 10_000, "full": False}
    assert Message.objects.get(event="order.refunded").params["amount"] == "₹100.00"


# spec: P4, P8
def test_refunded_amounts_are_cumulative_and_the_largest_stands() -> None:
    order = builders.paid_order()
    assert take(builders.refund_of(order, 30_000)) == EventOutcome.APPLIED
    assert take(builders.refund_of(order, 10_000)) == EventOutcome.STALE
    assert take(builders.refund_of(order, 30_000)) == EventOutcome.REPEATED
    assert take(builders.refund_of(order, 40_000), order) == EventOutcome.APPLIED
    assert order.refunded_minor == 40_000
    assert names(order).count("order.refunded") == 2


# spec: P4
def test_a_full_refund_makes_the_order_refunded() -> None:
    order = builders.ready(builders.paid_order())
    take(builders.refund_of(order, 45_000), order)
    assert order.status == OrderStatus.REFUNDED
    assert order.refunded_at is not None


def test_a_full_refund_stops_the_kitchen_and_asks_for_no_second_one() -> None:
    order = builders.acknowledged(builders.paid_order())
    take(builders.refund_of(order, 45_000), order)
    assert order.preparation == "cancelled"
    assert "order.cancelled" in names(order)
    assert not Refund.objects.filter(order=order).exists()


# spec: P8
def test_a_refund_seen_before_its_payment_books_both_and_the_payment_cannot_win() -> None:
    order, paid_at = builders.order(), clock.now() - timedelta(minutes=5)
    assert take(builders.refund_of(order, 45_000, paid_at=paid_at), order) == EventOutcome.APPLIED
    assert order.status == OrderStatus.REFUNDED
    payment = Payment.objects.get(order=order)
    assert (payment.amount_minor, payment.refunded_minor, payment.paid_at) == (45_000, 45_000, paid_at)
    assert {"order.payment_confirmed", "order.refunded"} <= set(names(order))

    late = builders.payment_of(order, occurred_at=paid_at + timedelta(seconds=2))
    assert take(late, order) == EventOutcome.APPLIED
    assert order.status == OrderStatus.REFUNDED
    assert order.paid_at == Payment.objects.get(order=order).paid_at == late.occurred_at
    assert take(late) == EventOutcome.REPEATED


# spec: P8
def test_a_partial_refund_seen_first_still_sends_the_order_to_the_store() -> None:
    order = builders.order()
    take(builders.refund_of(order, 1_000), order)
    assert order.status == OrderStatus.STORE_NOTIFIED
    assert order.payment == "partly_refunded"


# spec: O8, P8
def test_a_partial_refund_of_a_cancelled_order_that_we_thought_unpaid_gives_the_rest_back() -> None:
    order = cancelled(builders.order())
    take(builders.refund_of(order, 1_000), order)
    assert order.status == OrderStatus.CANCELLED
    assert Refund.objects.get(order=order).amount_minor == 44_000


@pytest.mark.parametrize("facts", [{"refunded_minor": 45_001}, {"currency": "usd"}])
def test_a_refund_that_does_not_fit_its_payment_moves_nothing(facts) -> None:
    order = builders.paid_order()
    evidence = builders.refund_of(order, **{"refunded_minor": 45_000, **facts})
    assert take(evidence, order) == EventOutcome.REFUSED
    assert (order.refunded_minor, order.payment) == (0, "paid")
    assert Incident.objects.filter(kind=payments.MISMATCH).exists()


def test_a_refund_while_it_is_being_carried_is_for_ops_to_decide() -> None:
    order = builders.ready(builders.paid_order())
    with transaction.atomic():
        delivery_progress.record_picked_up(locks.lock_order(order.pk), 1, by=builders.TEST, eta_minutes=9)
    take(builders.refund_of(order, 45_000), order)
    assert (order.status, order.preparation) == (OrderStatus.REFUNDED, "ready")
    assert Incident.objects.filter(kind="refunded_on_the_way", order_ref=order.public_id).exists()
