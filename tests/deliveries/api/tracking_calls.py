"""What the tests of the tracking API have in common: where things are, and how an order is spoken to."""

from typing import Any

import pytest
from django.db import transaction

from deliveries.fulfilment import transitions
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery
from foundation.models import User
from orders import locks
from orders.models import Order
from riders.models import Rider
from tests.builders import CENTRE, TEST, near
from tests.phone_calls import Reply, call

DOOR = near(north_m=2000)
HERE = {"lat": CENTRE.lat, "lng": CENTRE.lng}


@pytest.fixture(autouse=True)
def swift(settings) -> None:
    """Nobody takes minutes to ride from the store to the door here."""
    settings.PLAUSIBLE_SPEED_M_PER_S = 1e9


def path(placed: Order, suffix: str = "") -> str:
    return f"/orders/tracking/{placed.public_id}{suffix}"


def put(somebody: User, placed: Order, suffix: str, body: Any) -> Reply:
    return call(somebody, "post" if suffix == "/acknowledge" else "put", path(placed, suffix), body)


def status_of(placed: Order) -> str:
    return Order.objects.get(pk=placed.pk).status


def carrier(delivery: Delivery) -> Rider:
    assert delivery.rider
    return delivery.rider


def step(delivery: Delivery, to: DeliveryStatus) -> None:
    """One step on."""
    verbs = {
        DeliveryStatus.PICKED_UP: transitions.pick_up,
        DeliveryStatus.IN_TRANSIT: transitions.start_transit,
        DeliveryStatus.DELIVERED: transitions.complete_delivery,
    }
    with transaction.atomic():
        placed = locks.lock_order(delivery.order_id)
        verbs[to](placed, transitions.lock_of_rider(placed, delivery.rider), by=TEST)
