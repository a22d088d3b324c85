"""Several hands on one delivery at the same moment: one outcome, told once, counted once (SPEC R4, R6, O7)."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest

from deliveries.fulfilment import location_reports, ops_actions, rider_steps
from deliveries.lifecycle import CARRIED, DeliveryStatus
from deliveries.models import Delivery, FraudFlag, Track
from deliveries.reactions import follow_order
from foundation import clock
from foundation.errors import APIError
from foundation.events import Cause
from foundation.models import Event
from notifications.models import Message
from orders import cancellation
from orders.lifecycle import OrderStatus
from orders.models import Order
from riders.models import Rider, RiderSpot
from riders.positions import PositionFix
from tests.builders import CENTRE, TEST, assigned, moved, near, paid_order, ready, rider, says_at, searching
from tests.races.riders_and_orders import together

pytestmark = pytest.mark.django_db(transaction=True)
DOOR = near(north_m=2000)
OPS = Cause("user:1", "admin")


@pytest.fixture(autouse=True)
def swift(settings) -> None:
    settings.PLAUSIBLE_SPEED_M_PER_S = 1e9


# spec: R4, R6
def test_a_delivery_confirmed_eight_times_at_once_is_delivered_once():
    delivery = moved(assigned(), DeliveryStatus.IN_TRANSIT)

    def confirm() -> str:
        reached = rider_steps.take_step(
            delivery.order_id, delivery.rider, DeliveryStatus.DELIVERED, says_at(DOOR), by=TEST
        )
        return str(reached.status)

    assert together([confirm] * 8) == ["delivered"] * 8
    assert Event.objects.filter(name="delivery.ended").count() == 1
    assert Message.objects.filter(event="delivery.completed").count() == 1
    assert Rider.objects.get().active_deliveries == 0


# spec: R4
def test_fakes_sent_at_once_are_all_counted():
    delivery = assigned()
    RiderSpot.objects.update(seen_at=clock.now() - timedelta(hours=1))

    def cheat(metres: int) -> object:
        at = near(north_m=metres)
        return rider_steps.take_step(delivery.order_id, delivery.rider, DeliveryStatus.PICKED_UP, says_at(at), by=TEST)

    refused = together([partial(cheat, metres) for metres in (400, 410, 420, 430, 440)])
    assert [problem.code for problem in refused if isinstance(problem, APIError)] == ["FAKE_PICKUP_DETECTED"] * 5
    assert FraudFlag.objects.get(kind="fake_pickup").evidence["count"] == 5
    one = Rider.objects.get()
    assert (one.fake_attempts, one.standing) == (5, "suspended")
    assert Message.objects.filter(event="rider.suspended").count() == 1


# spec: O7, R4
def test_cancelling_against_picking_up_has_one_outcome():
    outcomes: Counter[str] = Counter()
    for _ in range(12):
        one = rider()
        delivery = assigned(one, searching())

        def fetch(delivery: Delivery = delivery) -> object:
            return rider_steps.take_step(
                delivery.order_id, delivery.rider, DeliveryStatus.PICKED_UP, says_at(CENTRE), by=TEST
            )

        def cancel(delivery: Delivery = delivery) -> object:
            return cancellation.cancel_by_person(delivery.order_id, by=TEST, reason="changed mind")

        fetched, cancelled = together([fetch, cancel])
        follow_order(delivery.order_id)
        delivery.refresh_from_db()
        status = Order.objects.get(pk=delivery.order_id).status
        if isinstance(fetched, APIError):
            assert fetched.code == "ORDER_CANCELLED"
            assert (delivery.status, status) == (DeliveryStatus.CANCELLED, OrderStatus.CANCELLED)
        else:
            assert isinstance(cancelled, APIError)
            assert (delivery.status, status) == (DeliveryStatus.PICKED_UP, OrderStatus.PICKED_UP)
        outcomes[delivery.status] += 1
        Rider.objects.filter(pk=one.pk).update(is_online=False)
    assert sum(outcomes.values()) == 12


# spec: A3, D1
def test_two_desks_give_an_order_to_two_riders_and_one_carries_it():
    first, second, third = rider("First"), rider("Second"), rider("Third")
    delivery = searching()

    def give(to: Rider) -> object:
        return ops_actions.give_to(delivery.order_id, to.public_id, by=OPS)

    together([partial(give, to) for to in (first, second, third, first, second, third)])
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.ASSIGNED
    loads = {one.pk: one.active_deliveries for one in Rider.objects.all()}
    assert sum(loads.values()) == 1
    assert loads[delivery.rider_id or 0] == 1
    spots = RiderSpot.objects.values_list("pk", "load")
    assert dict(spots) == loads


# spec: O3
def test_an_order_followed_by_many_at_once_gets_one_delivery():
    placed = ready(paid_order())
    together([lambda: follow_order(placed.pk)] * 8)
    assert Delivery.objects.filter(order=placed).count() == 1


# spec: R7
def test_no_track_is_left_behind_by_positions_that_come_with_the_end():
    for _ in range(8):
        one = rider()
        delivery = moved(assigned(one, searching()), DeliveryStatus.IN_TRANSIT)

        def end(delivery: Delivery = delivery) -> object:
            return rider_steps.take_step(delivery.order_id, delivery.rider, DeliveryStatus.DELIVERED, None, by=TEST)

        def send(number: int, one: Rider = one) -> object:
            return location_reports.take_report(
                one, [PositionFix(CENTRE, clock.now() + timedelta(milliseconds=number))]
            )

        together([end, *(partial(send, number) for number in range(5))])
        assert not Track.objects.filter(delivery=delivery).exclude(delivery__status__in=CARRIED).exists()
        assert Delivery.objects.get(pk=delivery.pk).status == DeliveryStatus.DELIVERED
        Rider.objects.filter(pk=one.pk).update(is_online=False)
