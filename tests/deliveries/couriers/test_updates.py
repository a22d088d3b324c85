"""What a courier company tells moves its delivery and the order, in whatever order it comes (SPEC O1, C3, C9)."""

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from django.db import transaction

from deliveries import locks as deliveries_locks
from deliveries.couriers import updates
from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from deliveries.fulfilment import transitions
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import CourierCall, Delivery, Track
from deliveries.reactions import follow_order
from foundation.evidence import EventOutcome
from foundation.geo import Point
from foundation.models import Event
from foundation.work import WorkState
from notifications.models import Incident, Message
from orders import cancellation
from orders import locks as orders_locks
from orders.lifecycle import CarriageState, OrderStatus
from orders.models import Order, Refund
from tests.builders import TEST, searching
from tests.deliveries.couriers.test_status_history import HISTORIES, History
from tests.deliveries.couriers.toy_courier import Job, Toy, drain, toy

__all__ = ["toy"]
pytestmark = pytest.mark.django_db
DRIVER = {"id": "d1", "name": "Dora Driver", "phone": "+15555550000", "vehicle": "Scooter"}


def requested(toy: Toy) -> Delivery:
    """A delivery that the toy company has, and has named nobody for yet."""
    delivery = searching()
    with transaction.atomic():
        order = orders_locks.lock_order(delivery.order_id)
        transitions.request_courier(order, deliveries_locks.lock_delivery(delivery.pk), toy.name, None, by=TEST)
    CourierCall.objects.all().delete()
    return Delivery.objects.get(pk=delivery.pk)


def tell(toy: Toy, delivery: Delivery, stage: CourierStage | None, at: float, **facts: Any) -> EventOutcome:
    return updates.apply_update(toy.news(delivery.external_id, stage, at=at, **facts))


def told_all(toy: Toy, delivery: Delivery, history: Iterable[tuple[CourierStage, float]]) -> None:
    for stage, minute in history:
        tell(toy, delivery, stage, minute, driver=DRIVER, reason="nobody there" if stage == CourierStage.FAILED else "")


def state(delivery: Delivery) -> dict[str, Any]:
    """All that must not depend on the order in which the news came."""
    delivery = Delivery.objects.get(pk=delivery.pk)
    order = Order.objects.get(pk=delivery.order_id)
    columns = ("status", "assigned_at", "picked_up_at", "in_transit_at", "ended_at", "end_reason")
    axes = ("status", "carriage", "preparation", "assigned_at", "picked_up_at", "delivered_at", "failed_at")
    return {
        **{name: getattr(delivery, name) for name in columns},
        "history": delivery.courier_job.history,
        **{f"order.{name}": getattr(order, name) for name in axes},
        "driver": delivery.driver_details,
        "refunds": list(Refund.objects.filter(order=order).exclude(state="discarded").values_list("reference")),
    }


# spec: O1, C3
@pytest.mark.parametrize("name", [name for name in HISTORIES if name != "cancelled by the company"])
def test_a_history_in_any_order_ends_as_the_ordered_run(name: str, toy: Toy):
    history: History = HISTORIES[name][0]
    delivery = requested(toy)

    def run(shuffled: Iterable[tuple[CourierStage, int]]) -> dict[str, Any]:
        with transaction.atomic():
            told_all(toy, delivery, shuffled)
            found = state(delivery)
            transaction.set_rollback(True)
        return found

    ordered = run(history)
    assert ordered["status"] == HISTORIES[name][1]
    arrivals = list(itertools.permutations(history))
    for shuffled in [arrivals[-1], *arrivals[:: max(1, len(arrivals) // 24)]]:  # test_courier_facts.py has them all
        assert run([*shuffled, shuffled[0]]) == ordered, shuffled


# spec: C3
def test_a_whole_job_is_seen_by_the_order_and_the_customer(toy: Toy):
    delivery = requested(toy)
    assert tell(toy, delivery, CourierStage.ASSIGNED, 1, driver=DRIVER) == EventOutcome.APPLIED
    order = Order.objects.get(pk=delivery.order_id)
    assert (order.status, order.external_delivery_provider) == (OrderStatus.ASSIGNED_TO_DRIVER, "")
    assert tell(toy, delivery, CourierStage.ASSIGNED, 1, driver=DRIVER) == EventOutcome.REPEATED
    tell(toy, delivery, CourierStage.PICKED_UP, 5, proofs={"pickup_photo_url": "https://toy.example/1.jpg"})
    tell(toy, delivery, CourierStage.IN_TRANSIT, 6, position=Point(12.98, 77.59))
    assert Track.objects.get(delivery=delivery).rider_id is None
    tell(toy, delivery, CourierStage.DELIVERED, 20, attempted_at=Point(12.99, 77.59))
    delivery.refresh_from_db()
    order.refresh_from_db()
    assert (delivery.status, order.status) == (DeliveryStatus.DELIVERED, OrderStatus.DELIVERED)
    assert delivery.courier_job.proofs == {"pickup_photo_url": "https://toy.example/1.jpg"}
    assert not Track.objects.filter(delivery=delivery).exists()
    told = set(Message.objects.filter(recipient=order.customer.recipient).values_list("event", flat=True))
    assert told >= {"delivery.assigned", "delivery.on_the_way", "delivery.completed", "review.requested"}
    assert Event.objects.filter(name="delivery.ended", subject=f"delivery:{delivery.pk}").count() == 1


# spec: C9
def test_a_failure_at_the_door_refunds_and_tells_everybody(toy: Toy):
    delivery = requested(toy)
    told_all(toy, delivery, [(CourierStage.ASSIGNED, 1), (CourierStage.PICKED_UP, 5)])
    tell(
        toy,
        delivery,
        CourierStage.FAILED,
        20,
        reason="customer_not_available",
        driver_notes="Called 3 times",
        attempted_at=Point(12.99, 77.59),
    )
    delivery.refresh_from_db()
    order = Order.objects.get(pk=delivery.order_id)
    assert (delivery.end_reason, delivery.driver_notes) == ("customer_not_available", "Called 3 times")
    assert delivery.dropoff_position["lat"] == 12.99
    assert order.status == OrderStatus.DELIVERY_FAILED
    assert Refund.objects.get(order=order).amount_minor == order.total_minor
    assert Incident.objects.filter(kind="delivery_failed", order_ref=order.public_id).exists()
    told = set(Message.objects.values_list("event", flat=True))
    assert {"delivery.failed", "store.delivery_failed"} <= told


# spec: C9
@pytest.mark.parametrize("end", [CourierStage.FAILED, CourierStage.CANCELLED])
def test_an_end_before_pickup_has_somebody_else_looked_for(end: CourierStage, toy: Toy):
    delivery = requested(toy)
    toy.jobs[delivery.external_id] = job = Job("toy-1", delivery.external_id, stage=end)
    tell(toy, delivery, CourierStage.ASSIGNED, 1, driver=DRIVER)
    tell(toy, delivery, end, 3, reason="driver crashed")
    order = Order.objects.get(pk=delivery.order_id)
    assert (order.carriage, order.status) == (CarriageState.NONE, OrderStatus.READY_FOR_PICKUP)
    assert not Refund.objects.exists()
    drain()
    assert job.stage == end
    following = Delivery.objects.get(order=order, attempt=2)
    assert (following.previous_id, following.courier, following.status) == (delivery.pk, "in_house", "searching")
    assert [what for what, _ in toy.calls] == ["get"]  # the end was looked up before anybody else was sent


# spec: O8
def test_delivered_after_the_order_was_cancelled_is_delivered_and_ops_hears(toy: Toy):
    delivery = requested(toy)
    told_all(toy, delivery, [(CourierStage.ASSIGNED, 1), (CourierStage.PICKED_UP, 5)])
    with transaction.atomic():
        order = orders_locks.lock_order(delivery.order_id)
        cancellation.cancel_order(order, by=TEST, reason="changed mind")
        transitions.follow_order(order, by=TEST)
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.PICKED_UP  # live until the courier has agreed
    assert CourierCall.objects.get(delivery=delivery).purpose == "cancel"
    tell(toy, delivery, CourierStage.DELIVERED, 20)
    order = Order.objects.get(pk=delivery.order_id)
    assert order.status == OrderStatus.DELIVERED
    assert Incident.objects.filter(kind="delivered_after_cancelled").exists()


def test_a_job_that_is_not_ours_moves_nothing_and_ops_hears(toy: Toy):
    assert (
        updates.apply_update(CourierUpdate(courier="toy", external_id="nobody", stage=CourierStage.ASSIGNED))
        == EventOutcome.REFUSED
    )
    assert Incident.objects.get().kind == "courier_job_unknown"


def test_news_of_another_company_about_our_id_is_not_believed(toy: Toy):
    delivery = requested(toy)
    news = CourierUpdate(courier="other", external_id=delivery.external_id, stage=CourierStage.DELIVERED)
    assert updates.apply_update(news) == EventOutcome.REFUSED
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.REQUESTED


# spec: C3
def test_an_unsigned_end_is_looked_up_before_it_counts(toy: Toy):
    delivery = requested(toy)
    toy.jobs[delivery.external_id] = Job("toy-1", delivery.external_id, stage=CourierStage.IN_TRANSIT)
    told_all(toy, delivery, [(CourierStage.ASSIGNED, 1), (CourierStage.PICKED_UP, 5)])
    tell(toy, delivery, CourierStage.DELIVERED, 20, is_hint=True)
    drain()
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.IN_TRANSIT
    toy.jobs[delivery.external_id].stage = CourierStage.DELIVERED
    tell(toy, delivery, CourierStage.DELIVERED, 20, is_hint=True)
    drain()
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.DELIVERED


# spec: C3
def test_positions_share_a_statement_and_never_touch_the_order(toy: Toy, django_assert_num_queries):
    deliveries = [requested(toy) for _ in range(3)]
    versions = list(Order.objects.order_by("pk").values_list("version", flat=True))
    seen = [
        toy.news(delivery.external_id, None, at=minute, position=Point(12.97 + minute / 1000, 77.59))
        for delivery in deliveries
        for minute in range(4)
    ]
    with django_assert_num_queries(1):
        verdicts = updates.store_positions([*seen, *seen])
    assert set(verdicts) == {EventOutcome.APPLIED}
    assert Track.objects.count() == 12
    assert list(Order.objects.order_by("pk").values_list("version", flat=True)) == versions


# spec: C4, O7
def test_nobody_else_is_sent_before_the_end_of_a_job_is_proven(toy: Toy):
    """The rule of one: an end that only a webhook told is looked up first; it might be overtaken by a pickup."""
    delivery = requested(toy)
    tell(toy, delivery, CourierStage.CANCELLED, 5, reason="no courier free")
    check = CourierCall.objects.get(delivery=delivery, purpose=CourierCall.Purpose.CHECK)
    follow_order(delivery.order_id)
    assert Delivery.objects.filter(order=delivery.order_id).count() == 1
    CourierCall.objects.filter(pk=check.pk).update(state=WorkState.DONE)  # it was looked up
    follow_order(delivery.order_id)
    assert list(
        Delivery.objects.filter(order=delivery.order_id).order_by("attempt").values_list("attempt", "status")
    ) == [
        (1, DeliveryStatus.CANCELLED),
        (2, DeliveryStatus.SEARCHING),
    ]
