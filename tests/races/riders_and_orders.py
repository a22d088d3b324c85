"""Many rows at once for races: copies of one real order, their deliveries, and threads that start together."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from datetime import timedelta
from threading import Barrier
from typing import TypeVar

from django.db import connection
from django.db.models import F
from django.utils import timezone

from deliveries.models import Delivery, Offer
from foundation.errors import APIError
from orders.models import Order, new_public_id
from riders import capacity
from riders.models import Rider
from tests.builders import paid_order, ready

Result = TypeVar("Result")


def deliveries(many: int) -> list[Delivery]:
    """So many ready orders, each with a delivery that dispatch has not looked at yet."""
    template = ready(paid_order())
    orders = [template]
    for number in range(1, many):
        twin = copy(template)
        twin.pk, twin._state = None, copy(template._state)
        twin._state.adding = True
        twin.public_id, twin.order_id = new_public_id(), f"{template.order_id}-{number}"
        twin.stripe_payment_intent = f"{template.stripe_payment_intent}-{number}"
        orders.append(twin)
    Order.objects.bulk_create(orders[1:])
    return Delivery.objects.bulk_create(
        Delivery(
            order=order,
            attempt=1,
            external_id=f"{order.public_id}-1",
            fee_minor=order.delivery_fee_minor,
            currency=order.currency,
            search_started_at=timezone.now(),
        )
        for order in orders
    )


def offers(asked: Sequence[tuple[Delivery, Rider]], *, lives_s: float = 600.0) -> list[Offer]:
    """Open offers with their places taken, as dispatch leaves them; they live `lives_s` from now."""
    deadline = timezone.now() + timedelta(seconds=lives_s)
    places = Counter(one.pk for _, one in asked)
    for rider_id, taken in places.items():
        Rider.objects.filter(pk=rider_id).update(open_offers=F("open_offers") + taken)
        capacity.copy_to_spot(rider_id)
    Delivery.objects.filter(pk__in=[delivery.pk for delivery, _ in asked]).update(due_at=deadline)
    return Offer.objects.bulk_create(
        Offer(delivery=delivery, rider=one, distance_m=500, fee_minor=5_000, expires_at=deadline, due_at=deadline)
        for delivery, one in asked
    )


def together(racers: Sequence[Callable[[], Result]]) -> list[Result | APIError]:
    """Run these at the same moment, each on its own connection; a Problem is a result like any other."""
    start = Barrier(len(racers))

    def run(racer: Callable[[], Result]) -> Result | APIError:
        try:
            start.wait()
            return racer()
        except APIError as problem:
            return problem
        finally:
            connection.close()

    with ThreadPoolExecutor(len(racers)) as threads:
        return list(threads.map(run, racers))
