"""Promised and expected (SPEC D7): who will be late is told once, ops has one incident for all."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deliveries.eta import delay_alerts
from deliveries.fulfilment import location_reports, ops_actions
from deliveries.lifecycle import DeliveryStatus
from deliveries.realtime import publisher
from foundation import clock
from notifications.models import Incident, IncidentStatus, Message
from orders.models import Order
from riders import availability
from riders.models import RiderSpot
from riders.positions import PositionFix
from tests.builders import TEST, assigned, moved, near, paid_order, rider, searching

pytestmark = pytest.mark.django_db


@pytest.fixture
def hints(broker: redis.Redis, settings) -> Iterator[Callable[[], list]]:
    """What live watchers were told since one last asked, a list per message."""
    with broker.pubsub() as listener:
        listener.subscribe(publisher.channel_name(settings.LIVE_URL))
        assert listener.get_message(timeout=5)["type"] == "subscribe"

        def heard() -> list:
            return [json.loads(message["data"]) for message in iter(lambda: listener.get_message(timeout=0.5), None)]

        yield heard


def promise(order_id: int, minutes: float) -> None:
    Order.objects.filter(pk=order_id).update(promised_at=clock.now() + timedelta(minutes=minutes))


def told(event: str) -> int:
    return Message.objects.filter(event=event).count()


# spec: D7
def test_what_will_be_on_time_is_told_to_nobody_and_its_expectation_is_written():
    delivery = assigned()
    promise(delivery.order_id, 120)
    assert delay_alerts.sweep_orders() == 0
    assert told("delivery.delayed") == told("delivery.behind_schedule") == 0
    expected = Order.objects.get(pk=delivery.order_id).eta_at
    assert expected is not None
    assert expected > clock.now()


# spec: D7
def test_what_will_be_late_is_told_to_customer_and_rider_once():
    delivery = assigned()
    promise(delivery.order_id, 1)
    assert delay_alerts.sweep_orders() == delay_alerts.sweep_orders() == 1
    assert told("delivery.delayed") == told("delivery.behind_schedule") == 1
    warned = Message.objects.get(event="delivery.delayed")
    assert warned.params["etaMinutes"] >= 1
    assert not Incident.objects.filter(kind=delay_alerts.ORDERS_LATE).exists()  # not late yet


# spec: D7
def test_while_nobody_carries_it_only_the_customer_is_told():
    promise(searching().order_id, 1)
    delay_alerts.sweep_orders()
    assert (told("delivery.delayed"), told("delivery.behind_schedule")) == (1, 0)


# spec: D7
def test_any_number_of_late_orders_is_one_incident_until_none_is_left():
    deliveries = [assigned(), assigned()]
    for delivery in deliveries:
        promise(delivery.order_id, -5)
    delay_alerts.sweep_orders()
    incident = Incident.objects.get(kind=delay_alerts.ORDERS_LATE)
    assert incident.title == "2 orders are later than promised"
    for delivery in deliveries:
        moved(delivery, DeliveryStatus.DELIVERED)
    delay_alerts.sweep_orders()
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.RESOLVED


# spec: D7
def test_the_incident_counts_up_when_the_number_changes_and_not_with_every_look():
    promise(assigned().order_id, -5)
    for _ in range(3):
        delay_alerts.sweep_orders()
    assert Incident.objects.get(kind=delay_alerts.ORDERS_LATE).count == 1
    promise(assigned().order_id, -5)
    delay_alerts.sweep_orders()
    incident = Incident.objects.get(kind=delay_alerts.ORDERS_LATE)
    assert (incident.count, incident.title) == (2, "2 orders are later than promised")


# spec: D7
def test_an_expectation_that_crosses_the_promise_again_and_again_is_told_once(settings):
    delivery = assigned()
    promise(delivery.order_id, 30)
    for speed in (20.0, 320.0, 20.0, 320.0, 20.0):
        settings.TRAVEL_SPEED_M_PER_MIN = speed
        delay_alerts.sweep_orders()
    assert told("delivery.delayed") == told("delivery.behind_schedule") == 1


# spec: D7
def test_a_new_promise_is_a_new_fact():
    delivery = assigned()
    for minutes in (1, 1.5):
        promise(delivery.order_id, minutes)
        delay_alerts.sweep_orders()
        delay_alerts.sweep_orders()
    assert told("delivery.delayed") == told("delivery.behind_schedule") == 2


# spec: D7
def test_after_a_failed_delivery_customer_and_the_new_rider_are_told_anew():
    delivery = assigned()
    promise(delivery.order_id, 1)
    delay_alerts.sweep_orders()
    ops_actions.fail_delivery(delivery.order_id, "nobody answered", by=TEST)
    assert delay_alerts.sweep_orders() == 0  # nothing is under way
    availability.set_online(delivery.rider.pk, False, None, by=TEST)
    again = ops_actions.try_again(delivery.order_id, by=TEST)
    delay_alerts.sweep_orders()
    assert (told("delivery.delayed"), told("delivery.behind_schedule")) == (2, 1)
    assigned(rider(), again)
    delay_alerts.sweep_orders()
    delay_alerts.sweep_orders()
    assert (told("delivery.delayed"), told("delivery.behind_schedule")) == (2, 2)


# spec: D7
def test_a_rider_who_takes_over_what_is_behind_is_told_and_the_customer_not_again():
    delivery = assigned()
    promise(delivery.order_id, 1)
    delay_alerts.sweep_orders()
    ops_actions.take_away(delivery.order_id, "a flat tyre", by=TEST)
    assigned(rider(), delivery)
    delay_alerts.sweep_orders()
    assert (told("delivery.delayed"), told("delivery.behind_schedule")) == (1, 2)


# spec: D7, T2
def test_every_move_is_in_the_expectation_by_the_next_look_and_watchers_hear_of_it(hints: Callable[[], list]):
    """Also of an order that was promised for no time at all."""
    delivery = searching()

    def look() -> float:
        delay_alerts.sweep_orders()
        placed = Order.objects.get(pk=delivery.order_id)
        return (placed.eta_at - clock.now()).total_seconds() / 60

    of_search = look()
    assert of_search == pytest.approx(4 + 2_000 / 320 + 4, abs=0.2)
    carried = assigned(rider(at=near(north_m=-2_900)), delivery)
    location_reports.take_report(carried.rider, [PositionFix(near(north_m=-2_900), clock.now())])
    assert look() == pytest.approx(of_search + 2_900 / 320, abs=0.2)
    moved(carried, DeliveryStatus.PICKED_UP)
    assert look() == pytest.approx(2_000 / 320 + 4, abs=0.2)
    RiderSpot.objects.update(seen_at=clock.now() - timedelta(minutes=5))
    location_reports.take_report(carried.rider, [PositionFix(near(north_m=1_500), clock.now() + timedelta(seconds=2))])
    assert look() == pytest.approx(500 / 320 + 4, abs=0.2)
    topic = f"order:{carried.order.public_id}"
    assert hints() == [[{"topic": topic, "version": None, "name": "delivery:eta"}]] * 4
    look()
    assert hints() == []  # an expectation that stands is no news


# spec: D7, T2
def test_all_news_of_one_look_are_one_message(hints: Callable[[], list]):
    topics = {f"order:{assigned().order.public_id}" for _ in range(3)}
    delay_alerts.sweep_orders()
    [news] = hints()
    assert {hint["topic"] for hint in news} == topics


# spec: D7
def test_one_look_takes_few_statements_however_many_orders(django_assert_max_num_queries):
    for _ in range(3):
        assigned()
    with CaptureQueriesContext(connection) as few:
        delay_alerts.sweep_orders()
    for _ in range(5):
        assigned()
    with django_assert_max_num_queries(len(few)):
        delay_alerts.sweep_orders()


def test_what_the_store_has_not_acknowledged_is_not_judged():
    promise(paid_order().pk, -5)
    assert delay_alerts.sweep_orders() == 0
    assert not Incident.objects.filter(kind=delay_alerts.ORDERS_LATE).exists()


# spec: D7, O8
def test_one_order_that_cannot_be_judged_does_not_keep_the_others_from_it():
    late, bad = assigned(), assigned()
    promise(late.order_id, -30)
    Order.objects.filter(pk=bad.order_id).update(promised_at="9999-12-31T23:59:00Z")  # an earlier version took it
    assert delay_alerts.sweep_orders() == 1
    assert told("delivery.delayed") == 1
    incident = Incident.objects.get(kind="orders_unwatched")
    assert bad.order.order_id in incident.title
    assert late.order.order_id not in incident.title
    promise(bad.order_id, 120)
    delay_alerts.sweep_orders()
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.RESOLVED
