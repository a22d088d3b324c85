"""Each company's own events, in every order, doubled: one end (SPEC O1, C3)."""

import itertools
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from deliveries import locks as deliveries_locks
from deliveries.couriers import providers, status_history, updates
from deliveries.couriers.providers.status_update import CourierUpdate
from deliveries.fulfilment import transitions
from deliveries.models import CourierCall, Delivery
from deliveries.positions import tracks
from foundation import clock
from orders import locks as orders_locks
from orders.models import Order, Refund
from tests.builders import TEST, searching

pytestmark = pytest.mark.django_db
PAYLOADS = Path(__file__).parent / "payloads"

# Files of payloads/<company>/webhooks, as they happen; the last column is how the ordered run ends.
HISTORIES: dict[str, tuple[str, list[str], str]] = {
    "cooco delivers": (
        "cooco",
        ["delivery.assigned", "delivery.picked_up", "delivery.in_transit", "delivery.completed"],
        "delivered",
    ),
    "cooco completes, then fails": (
        "cooco",
        ["delivery.assigned", "delivery.picked_up", "delivery.in_transit", "delivery.completed", "delivery.failed"],
        "failed",
    ),
    "uber delivers": (
        "uber",
        ["pending", "pending_with_courier", "pickup", "pickup_complete", "dropoff", "delivered"],
        "delivered",
    ),
    "uber brings it back": ("uber", ["pickup", "pickup_complete", "dropoff", "returned"], "returned"),
    "doordash delivers": (
        "doordash",
        [
            "DASHER_CONFIRMED",
            "DASHER_CONFIRMED_PICKUP_ARRIVAL",
            "DASHER_PICKED_UP",
            "DASHER_CONFIRMED_DROPOFF_ARRIVAL",
            "DASHER_DROPPED_OFF",
        ],
        "delivered",
    ),
    "doordash brings it back": (
        "doordash",
        ["DASHER_CONFIRMED", "DASHER_PICKED_UP", "DELIVERY_RETURN_INITIALIZED", "DELIVERY_RETURNED"],
        "returned",
    ),
}


def requested(company: str) -> Delivery:
    delivery = searching()
    with transaction.atomic():
        order = orders_locks.lock_order(delivery.order_id)
        transitions.request_courier(order, deliveries_locks.lock_delivery(delivery.pk), company, None, by=TEST)
    return Delivery.objects.get(pk=delivery.pk)


def told(company: str, name: str, delivery: Delivery) -> CourierUpdate:
    """The event as its company reads it, about this delivery. Unsigned ends count as looked up."""
    payload = json.loads((PAYLOADS / company / "webhooks" / f"{name}.json").read_text())
    [notice] = providers.find_provider(company).list_events(payload, None)  # type: ignore[arg-type]
    news = providers.find_provider(company).read_event(notice.event_type, notice.payload)
    assert news is not None
    return replace(news, external_id=delivery.external_id, is_hint=False)


def state(delivery: Delivery) -> dict[str, Any]:
    delivery = Delivery.objects.get(pk=delivery.pk)
    order = Order.objects.get(pk=delivery.order_id)
    columns = ("status", "assigned_at", "picked_up_at", "in_transit_at", "ended_at")
    told = ("driver_details", "driver_notes", "end_reason", "dropoff_position")
    of_job = ("history", "status_text", "arrival_at", "proofs", "fee_minor", "tracking_url")
    axes = ("status", "carriage", "preparation", "assigned_at", "picked_up_at", "delivered_at", "failed_at")
    return {
        **{name: getattr(delivery, name) for name in (*columns, *told)},
        **{f"job.{name}": getattr(delivery.courier_job, name) for name in of_job},
        "position": tracks.latest_fix(delivery),
        **{f"order.{name}": getattr(order, name) for name in axes},
        "refunds": list(Refund.objects.filter(order=order).exclude(state="discarded").values_list("reference")),
    }


# spec: O1, C3
@pytest.mark.parametrize("name", HISTORIES)
def test_every_permutation_leaves_the_same_facts(name: str):
    company, files, end = HISTORIES[name]
    news = [told(company, file, Delivery(external_id="1")) for file in files]

    def facts_of(arrival: Iterable[CourierUpdate]) -> dict[str, str]:
        facts: dict[str, str] = {}
        for one in arrival:
            facts = status_history.add_update(facts, one, clock.now())
        return facts

    ordered = facts_of(news)
    assert status_history.status_from(ordered) == end
    for arrival in itertools.permutations(news):
        assert facts_of((*arrival, *arrival[::2])) == ordered, [one.status_text for one in arrival]


# spec: O1, C3
@pytest.mark.parametrize("name", HISTORIES)
def test_a_companys_events_in_any_order_end_as_the_ordered_run(name: str):
    company, files, end = HISTORIES[name]
    delivery = requested(company)
    CourierCall.objects.all().delete()
    news = [told(company, file, delivery) for file in files]

    def run(order_of_arrival: tuple[CourierUpdate, ...]) -> dict[str, Any]:
        with transaction.atomic():
            for one in (*order_of_arrival, order_of_arrival[0]):
                updates.apply_update(one)
            found = state(delivery)
            transaction.set_rollback(True)
        return found

    ordered = run(tuple(news))
    assert ordered["status"] == end
    arrivals = list(itertools.permutations(news))
    for arrival in [arrivals[-1], *arrivals[:: max(1, len(arrivals) // 24)]]:  # of long ones some: facts are above
        assert run(arrival) == ordered, [one.status_text for one in arrival]
