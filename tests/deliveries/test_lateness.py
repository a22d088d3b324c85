"""Promised and expected (SPEC D7): who will be late is told once, ops has one incident for all."""

from datetime import timedelta

import pytest

from deliveries import lateness
from deliveries.lifecycle import DeliveryStatus
from foundation import clock
from notifications.models import Incident, IncidentStatus, Message
from orders.models import Order
from tests.builders import assigned, moved, paid_order, searching

pytestmark = pytest.mark.django_db


def promise(order_id: int, minutes: float) -> None:
    Order.objects.filter(pk=order_id).update(promised_at=clock.now() + timedelta(minutes=minutes))


def told(event: str) -> int:
    return Message.objects.filter(event=event).count()


# spec: D7
def test_what_will_be_on_time_is_told_to_nobody_and_its_expectation_is_written():
    delivery = assigned()
    promise(delivery.order_id, 120)
    assert lateness.sweep() == 0
    assert told("delivery.delayed") == told("delivery.behind_schedule") == 0
    expected = Order.objects.get(pk=delivery.order_id).eta_at
    assert expected is not None
    assert expected > clock.now()


# spec: D7
def test_what_will_be_late_is_told_to_customer_and_rider_once():
    delivery = assigned()
    promise(delivery.order_id, 1)
    assert lateness.sweep() == lateness.sweep() == 1
    assert told("delivery.delayed") == told("delivery.behind_schedule") == 1
    warned = Message.objects.get(event="delivery.delayed")
    assert warned.params["etaMinutes"] >= 1
    assert not Incident.objects.filter(kind=lateness.ORDERS_LATE).exists()  # not late yet


# spec: D7
def test_while_nobody_carries_it_only_the_customer_is_told():
    promise(searching().order_id, 1)
    lateness.sweep()
    assert (told("delivery.delayed"), told("delivery.behind_schedule")) == (1, 0)


# spec: D7
def test_any_number_of_late_orders_is_one_incident_until_none_is_left():
    deliveries = [assigned(), assigned()]
    for delivery in deliveries:
        promise(delivery.order_id, -5)
    lateness.sweep()
    incident = Incident.objects.get(kind=lateness.ORDERS_LATE)
    assert incident.title == "2 orders are later than promised"
    for delivery in deliveries:
        moved(delivery, DeliveryStatus.DELIVERED)
    lateness.sweep()
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.RESOLVED


def test_what_the_store_has_not_acknowledged_is_not_judged():
    promise(paid_order().pk, -5)
    assert lateness.sweep() == 0
    assert not Incident.objects.filter(kind=lateness.ORDERS_LATE).exists()
