"""How far the carrying is, as `deliveries` calls it down: axes, messages, refunds, tickets."""

from datetime import timedelta

import pytest
from django.db import transaction

from foundation import clock
from foundation.errors import Conflict
from foundation.evidence import EventOutcome
from foundation.work import WorkState
from notifications.models import Incident, Message
from orders import cancellation, delivery_progress, locks
from orders.lifecycle import OrderStatus
from orders.models import Order, Refund
from tests import builders

pytestmark = pytest.mark.django_db
BY = builders.TEST


def call(verb, order: Order, *args, **facts):
    with transaction.atomic():
        answer = verb(locks.lock_order(order.pk), *args, by=BY, **facts)
    order.refresh_from_db()
    return answer


def assigned(order: Order, attempt: int = 1, carrier: str = "rider:7") -> EventOutcome:
    return call(delivery_progress.record_assigned, order, attempt, carrier=carrier, rider_name="Asha")


def told(order: Order) -> list[str]:
    return list(
        Message.objects.filter(order_ref=order.public_id)
        .exclude(event="store.order_placed")
        .order_by("pk")
        .values_list("event", flat=True)
    )


def an_order() -> Order:
    return builders.ready(builders.paid_order())


# spec: O3
def test_the_whole_way_is_told_step_by_step() -> None:
    order = an_order()
    call(delivery_progress.open_attempt, order, 1)
    assert assigned(order) == EventOutcome.APPLIED
    assert order.status == OrderStatus.ASSIGNED_TO_DRIVER
    assert call(delivery_progress.record_picked_up, order, 1, eta_minutes=12) == EventOutcome.APPLIED
    assert call(delivery_progress.record_in_transit, order, 1, eta_minutes=11) == EventOutcome.APPLIED
    assert order.status == OrderStatus.IN_TRANSIT
    assert call(delivery_progress.record_delivered, order, 1) == EventOutcome.APPLIED
    assert order.status == OrderStatus.DELIVERED
    assert told(order) == ["delivery.assigned", "delivery.on_the_way", "delivery.completed", "review.requested"]
    assert Message.objects.get(event="delivery.on_the_way").params == {"orderId": order.order_id, "etaMinutes": 12}
    assert Message.objects.get(event="delivery.completed").params["totalPaise"] == 45_000


# spec: O3
def test_a_rider_found_early_shows_when_the_order_is_ready() -> None:
    order = builders.acknowledged(builders.paid_order())
    assigned(order)
    assert order.status == OrderStatus.CONFIRMED
    builders.ready(order)
    assert order.status == OrderStatus.ASSIGNED_TO_DRIVER


# spec: O1
def test_repeated_and_late_news_is_told_once_and_keeps_its_time() -> None:
    order = an_order()
    fetched = clock.now() - timedelta(minutes=2)
    call(delivery_progress.record_in_transit, order, 1, eta_minutes=10)
    assert call(delivery_progress.record_in_transit, order, 1, eta_minutes=10) == EventOutcome.REPEATED
    assert call(delivery_progress.record_picked_up, order, 1, eta_minutes=12, occurred_at=fetched) == EventOutcome.STALE
    assert order.picked_up_at == fetched
    assert told(order) == ["delivery.on_the_way"]


# spec: O1
def test_an_earlier_attempt_moves_and_tells_nothing() -> None:
    order = an_order()
    call(delivery_progress.open_attempt, order, 2)
    assert call(delivery_progress.record_delivered, order, 1) == EventOutcome.STALE
    assert order.status == OrderStatus.READY_FOR_PICKUP
    assert told(order) == []


def test_a_lost_carrier_leads_back_and_each_new_one_is_told() -> None:
    order = an_order()
    assigned(order, carrier="rider:7")
    call(delivery_progress.record_unassigned, order, 1, why="bicycle broken")
    assert (order.status, order.assigned_at) == (OrderStatus.READY_FOR_PICKUP, None)
    assigned(order, carrier="rider:8")
    assert told(order) == ["delivery.assigned", "delivery.assigned"]


# spec: O8
def test_a_failed_delivery_refunds_by_policy_and_tells_everybody() -> None:
    order = builders.ready(builders.paid_order(of=builders.store(refund_delay_s=3600)))
    call(delivery_progress.record_picked_up, order, 1, eta_minutes=9)
    assert call(delivery_progress.record_failed, order, 1, "nobody at home") == EventOutcome.APPLIED
    assert order.status == OrderStatus.DELIVERY_FAILED
    refund = Refund.objects.get(order=order)
    assert (refund.amount_minor, refund.state) == (45_000, WorkState.PENDING)
    assert timedelta(minutes=59) < refund.due_at - clock.now() <= timedelta(minutes=60)
    assert {"delivery.failed", "store.delivery_failed"} <= set(told(order))
    assert Incident.objects.get(kind=delivery_progress.DELIVERY_FAILED).detail["reason"] == "nobody at home"
    assert call(delivery_progress.record_failed, order, 1, "nobody at home") == EventOutcome.REPEATED
    assert Refund.objects.count() == 1


# spec: O8
def test_a_new_attempt_takes_the_unsent_refund_back() -> None:
    order = builders.ready(builders.paid_order(of=builders.store(refund_delay_s=3600)))
    call(delivery_progress.record_failed, order, 1, "flat tyre")
    call(delivery_progress.open_attempt, order, 2)
    assert Refund.objects.get(order=order).state == WorkState.DISCARDED
    assert (order.status, order.failed_at) == (OrderStatus.READY_FOR_PICKUP, None)
    assert Incident.objects.get(kind=delivery_progress.DELIVERY_FAILED).status == "resolved"
    call(delivery_progress.record_failed, order, 2, "flat tyre again")
    assert Refund.objects.get(order=order, state=WorkState.PENDING).amount_minor == 45_000


# spec: O8
def test_a_refund_that_may_have_been_sent_forbids_a_new_attempt() -> None:
    order = an_order()
    call(delivery_progress.record_failed, order, 1, "flat tyre")
    assert Refund.claim_batch(limit=1, lease_s=60)
    with pytest.raises(Conflict) as refused:
        call(delivery_progress.open_attempt, order, 2)
    assert refused.value.code == "REFUND_UNDER_WAY"


# spec: O8
def test_delivered_after_cancelled_is_delivered_and_for_ops() -> None:
    order = an_order()
    assigned(order)
    cancellation.cancel_by_person(order.pk, by=BY, reason="too slow")
    assert call(delivery_progress.record_delivered, order, 1) == EventOutcome.APPLIED
    assert order.status == OrderStatus.DELIVERED
    assert Incident.objects.filter(kind=delivery_progress.DELIVERED_ANYWAY, order_ref=order.public_id).exists()


def test_after_our_own_cancel_a_failure_has_no_second_effect() -> None:
    order = an_order()
    assigned(order)
    cancellation.cancel_by_person(order.pk, by=BY, reason="too slow")
    call(delivery_progress.record_failed, order, 1, "cancelled by you")
    assert order.status == OrderStatus.CANCELLED
    assert Refund.objects.filter(order=order).count() == 1
    assert "delivery.failed" not in told(order)


# spec: O1
def test_failed_and_completed_the_later_one_wins_and_takes_the_refund_along() -> None:
    order = an_order()
    call(delivery_progress.record_failed, order, 1, "nobody at home")
    assert call(delivery_progress.record_delivered, order, 1) == EventOutcome.APPLIED
    assert order.status == OrderStatus.DELIVERED
    assert Refund.objects.get(order=order).state == WorkState.DISCARDED
    assert call(delivery_progress.record_failed, order, 1, "parcel returned", overrule=True) == EventOutcome.APPLIED
    assert order.status == OrderStatus.DELIVERY_FAILED
    assert Refund.objects.get(order=order).state == WorkState.PENDING
