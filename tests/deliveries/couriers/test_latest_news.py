"""Of what a company tells of driver, position and estimate the newest stands, however late the older comes (O1, C3)."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from deliveries.couriers import latest_news
from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from deliveries.models import Delivery
from deliveries.positions import tracks
from foundation.evidence import EventOutcome
from foundation.geo import Point
from notifications.models import Message
from tests.deliveries.couriers.test_updates import DRIVER, requested, tell
from tests.deliveries.couriers.toy_courier import T0, Toy, toy

__all__ = ["toy"]
pytestmark = pytest.mark.django_db
NEAR, FAR = Point(12.98, 77.6), Point(12.99, 77.61)
OTHER = {"id": "d2", "name": "Emil Other", "phone": "+15555550001"}
ETA = T0 + timedelta(minutes=30)


def seen(delivery: Delivery) -> dict[str, Any]:
    """What the customer's page shows of who brings it."""
    row = Delivery.objects.select_related("courier_job").get(pk=delivery.pk)
    fix = tracks.latest_fix(row)
    return {"driver": row.driver_details, "eta": row.courier_job.arrival_at, "at": fix and fix.point}


def test_a_position_is_kept_although_nothing_else_is_new(toy: Toy):
    delivery = requested(toy)
    tell(toy, delivery, CourierStage.IN_TRANSIT, 5, driver=DRIVER, position=NEAR, arrival_at=ETA)
    again = tell(toy, delivery, CourierStage.IN_TRANSIT, 7, driver=DRIVER, position=FAR, arrival_at=ETA)
    assert again == EventOutcome.REPEATED
    assert seen(delivery)["at"] == FAR


def test_an_older_event_moves_nobody_back(toy: Toy):
    delivery = requested(toy)
    tell(toy, delivery, CourierStage.IN_TRANSIT, 7, driver=DRIVER, position=FAR, arrival_at=ETA)
    tell(toy, delivery, CourierStage.IN_TRANSIT, 5, position=NEAR, arrival_at=ETA + timedelta(minutes=9))
    assert seen(delivery) == {"driver": DRIVER, "eta": ETA, "at": FAR}


def test_an_earlier_driver_does_not_come_back_and_is_not_mixed_with_the_present_one(toy: Toy):
    delivery = requested(toy)
    tell(toy, delivery, CourierStage.ASSIGNED, 6, driver=OTHER)
    tell(toy, delivery, CourierStage.ASSIGNED, 2, driver=DRIVER)
    assert seen(delivery)["driver"] == OTHER  # not with the scooter of the first


def test_a_change_of_driver_is_told_once_each(toy: Toy):
    delivery = requested(toy)
    for minute, driver in enumerate((DRIVER, DRIVER, OTHER, OTHER)):
        tell(toy, delivery, CourierStage.ASSIGNED, minute, driver=driver)
    assigned = Message.objects.filter(order_ref=delivery.order.public_id, event="delivery.assigned").order_by("pk")
    assert [message.params["rider"] for message in assigned] == ["Dora Driver", "Emil Other"]


def test_what_only_an_older_event_says_of_the_same_driver_is_learned(toy: Toy):
    delivery = requested(toy)
    tell(toy, delivery, CourierStage.PICKED_UP, 6, driver={"id": "d1", "name": "Dora D."})
    tell(toy, delivery, CourierStage.ASSIGNED, 2, driver=DRIVER)
    assert seen(delivery)["driver"] == {**DRIVER, "name": "Dora D."}


def test_every_order_of_arrival_shows_the_same(toy: Toy):
    news = [
        (CourierStage.ASSIGNED, 1, {"driver": DRIVER, "arrival_at": ETA}),
        (CourierStage.ASSIGNED, 3, {"driver": OTHER, "arrival_at": ETA + timedelta(minutes=4)}),
        (CourierStage.PICKED_UP, 5, {"driver": OTHER, "position": NEAR}),
        (CourierStage.IN_TRANSIT, 5, {"position": NEAR, "arrival_at": ETA + timedelta(minutes=2)}),
        (CourierStage.IN_TRANSIT, 8, {"position": FAR}),
    ]
    ends = []
    for arrival in itertools.islice(itertools.permutations(news), 0, None, 7):
        delivery = requested(toy)
        for stage, minute, facts in arrival:
            tell(toy, delivery, stage, minute, **facts)
        ends.append(seen(delivery))
    assert ends == [{"driver": OTHER, "eta": ETA + timedelta(minutes=2), "at": FAR}] * len(ends)


def test_a_clock_that_runs_ahead_does_not_make_later_news_old():
    update = CourierUpdate(courier="toy", told_at=T0 + timedelta(days=3))
    assert latest_news.age_of(update, T0) == (T0, 0)
