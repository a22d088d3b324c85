"""Calling an order off: its money, its store, its customer (SPEC O7), also against a payment that is faster."""

import pytest
from django.db import transaction
from django.db.models.functions import Now

from foundation import stripe
from foundation.errors import IllegalMove
from foundation.events import Cause
from foundation.models import Event, Job
from foundation.work import WorkState
from notifications.models import Message
from orders import cancellation, delivery_progress, locks, payment_intents, payments, transitions
from orders.evidence import EventOutcome
from orders.lifecycle import CarriageState, OrderStatus
from orders.models import IntentCancellation, Order, PosRelay, Refund
from orders.serviceability import Refusal
from tests import builders
from tests.orders.stripe_side import intent_for, pay

pytestmark = pytest.mark.django_db
BY = Cause("user:7", "api")


def cancel(order: Order, **facts) -> Order:
    cancellation.cancel_by_person(order.pk, by=BY, reason=facts.pop("reason", "changed their mind"), **facts)
    order.refresh_from_db()
    return order


def refund_of(order: Order) -> Refund:
    return Refund.objects.get(order=order)


# spec: O7
def test_an_unpaid_order_is_cancelled_with_its_intent(sandbox, work_off) -> None:
    order = builders.order()
    order.stripe_payment_intent = intent_for(order).id
    order.save()
    cancel(order)
    assert (order.status, order.cancel_reason) == (OrderStatus.CANCELLED, "changed their mind")
    assert not Refund.objects.exists()
    work_off(payment_intents.QUEUE)
    assert IntentCancellation.objects.get(order=order).state == WorkState.DONE
    assert stripe.retrieve_payment_intent(order.stripe_payment_intent).status == "canceled"
    assert pay(order.stripe_payment_intent).status_code == 400


# spec: O7, O8
def test_a_payment_that_was_faster_than_the_cancellation_is_given_back(sandbox, work_off) -> None:
    """Stripe refuses to cancel what has succeeded; the money's own evidence brings the refund."""
    order = builders.order()
    order.stripe_payment_intent = intent_for(order).id
    order.save()
    cancel(order)
    pay(order.stripe_payment_intent).raise_for_status()
    work_off(payment_intents.QUEUE)
    assert IntentCancellation.objects.get(order=order).state == WorkState.IGNORED
    assert not Refund.objects.exists()
    assert payments.apply_payment_event(builders.payment_of(order)) == EventOutcome.APPLIED
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELLED
    assert refund_of(order).amount_minor == order.total_minor


def test_a_stripe_that_is_down_is_asked_again(sandbox, work_off) -> None:
    order = builders.order()
    order.stripe_payment_intent = intent_for(order).id
    order.save()
    sandbox.fault("stripe", "answer", "error_500", path="/v1/payment_intents", times=1)
    cancel(order)
    work_off(payment_intents.QUEUE)
    assert IntentCancellation.objects.get().state == WorkState.PENDING
    IntentCancellation.objects.update(due_at=Now())
    work_off(payment_intents.QUEUE)
    assert stripe.retrieve_payment_intent(order.stripe_payment_intent).status == "canceled"


# spec: O7
def test_a_paid_order_gives_everything_back_before_the_store_acknowledged() -> None:
    order = builders.paid_order(of=builders.store(cancellation_fee_minor=3_000))
    cancel(order)
    assert refund_of(order).amount_minor == 45_000
    assert order.cancellation_fee_minor == 0


# spec: O7
def test_after_the_store_acknowledged_the_fee_is_kept() -> None:
    order = builders.acknowledged(builders.paid_order(of=builders.store(cancellation_fee_minor=3_000)))
    cancel(order)
    assert refund_of(order).amount_minor == 42_000
    assert order.cancellation_fee_minor == 3_000


def test_the_fee_may_be_waived_and_never_exceeds_what_there_is() -> None:
    waived = builders.acknowledged(builders.paid_order(of=builders.store(cancellation_fee_minor=3_000)))
    assert refund_of(cancel(waived, waive_fee=True)).amount_minor == 45_000
    dear = builders.acknowledged(builders.paid_order(of=builders.store(cancellation_fee_minor=99_000)))
    cancel(dear)
    assert dear.cancellation_fee_minor == 45_000
    assert not Refund.objects.filter(order=dear).exists()


def test_a_store_that_refuses_pays_no_fee_out_of_the_customer_s_money() -> None:
    order = builders.acknowledged(builders.paid_order(of=builders.store(cancellation_fee_minor=3_000)))
    with transaction.atomic():
        cancellation.cancel_order(locks.lock_order(order.pk), by=BY, reason="oven broken", refuse_store=True)
    order.refresh_from_db()
    assert order.status == OrderStatus.FAILED
    assert refund_of(order).amount_minor == 45_000


# spec: O7
def test_the_customer_is_told_and_the_rooms_above_are_set_going_once() -> None:
    order = cancel(builders.acknowledged(builders.paid_order()))
    assert Message.objects.filter(order_ref=order.public_id, event="order.cancelled").count() == 1
    assert Event.objects.filter(order_ref=order.public_id, name="order.cancelled").count() == 1
    handlers = set(Job.objects.filter(subject=f"order:{order.pk}").values_list("handler", flat=True))
    assert {"deliveries.follow_order", "payouts.book_order"} <= handlers
    moved = Event.objects.filter(order_ref=order.public_id, name="order.status_changed").latest("version")
    assert (moved.actor, moved.data["why"]) == ("user:7", "changed their mind")


# spec: O7
def test_a_store_with_a_tablet_hears_of_it_if_it_had_heard_of_the_order() -> None:
    known, unknown = cancel(builders.paid_order()), cancel(builders.order())
    told = Message.objects.filter(event="store.order_cancelled")
    assert [message.order_ref for message in told] == [known.public_id]
    assert told.get().params == {"orderId": known.order_id, "reason": "changed their mind"}
    assert unknown.status == OrderStatus.CANCELLED


# spec: O1
@pytest.mark.parametrize("state", [CarriageState.PICKED_UP, CarriageState.IN_TRANSIT, CarriageState.DELIVERED])
def test_what_has_been_fetched_cannot_be_cancelled(state) -> None:
    order = builders.ready(builders.paid_order())
    with transaction.atomic():
        transitions.advance_axes(locks.lock_order(order.pk), carriage=state, attempt=1, by=BY)
    with pytest.raises(IllegalMove):
        cancel(order)
    assert not Refund.objects.exists()


# spec: O1
def test_cancelling_twice_is_refused_and_once_by_evidence() -> None:
    order = cancel(builders.paid_order())
    with pytest.raises(IllegalMove):
        cancel(order)
    with transaction.atomic():
        assert not cancellation.cancel_order(locks.lock_order(order.pk), by=BY, reason="again")
    order.refresh_from_db()
    assert order.cancel_reason == "changed their mind"
    assert Refund.objects.count() == 1


# spec: O8
def test_cancelling_after_a_failed_delivery_brings_its_refund_forward() -> None:
    order = builders.ready(builders.paid_order(of=builders.store(refund_delay_s=3600, cancellation_fee_minor=500)))
    with transaction.atomic():
        delivery_progress.record_failed(locks.lock_order(order.pk), 1, "nobody at home", by=BY)
    cancel(order)  # no fee: it is not the customer who failed
    waiting, due = Refund.objects.order_by("pk")
    assert (waiting.state, due.state) == (WorkState.DISCARDED, WorkState.PENDING)
    assert due.amount_minor == 45_000


# spec: D3
def test_an_order_that_cannot_be_delivered_is_rejected_with_its_reason() -> None:
    order = builders.paid_order()
    with transaction.atomic():
        assert cancellation.reject_undeliverable(
            locks.lock_order(order.pk), Refusal("too_far", "16.00 km from the store"), by=BY
        )
    order.refresh_from_db()
    assert order.cancel_reason == "Order auto-rejected, reason: 16.00 km from the store"
    message = Message.objects.get(event="order.auto_rejected")
    assert message.params == {"orderId": order.order_id, "reason": "16.00 km from the store"}
    assert refund_of(order).amount_minor == 45_000


# ── what the POS hears of it ─────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def pos_order(settings) -> Order:
    settings.PETPOOJA_API_BASE, settings.PETPOOJA_APP_KEY = "http://127.0.0.1:9", "key"
    return builders.paid_order(of=builders.petpooja_store())


def relays(order: Order) -> dict[str, str]:
    return {relay.kind: relay.state for relay in PosRelay.objects.filter(order=order)}


def test_a_pos_that_has_not_heard_of_the_order_hears_nothing(pos_order) -> None:
    assert relays(pos_order) == {"save": WorkState.PENDING}
    cancel(pos_order)
    assert relays(pos_order) == {"save": WorkState.DISCARDED}


@pytest.mark.parametrize("state", [WorkState.LEASED, WorkState.DONE])
def test_a_pos_that_may_have_the_order_hears_that_it_is_off(pos_order, state) -> None:
    PosRelay.objects.update(state=state, retry_count=1)
    cancel(pos_order)
    assert relays(pos_order) == {"save": state, "cancel": WorkState.PENDING}


def test_a_pos_that_cancelled_itself_is_not_told(pos_order) -> None:
    PosRelay.objects.update(state=WorkState.DONE, retry_count=1)
    with transaction.atomic():
        cancellation.cancel_order(locks.lock_order(pos_order.pk), by=BY, reason="closed", notify_pos=False)
    assert relays(pos_order) == {"save": WorkState.DONE}
