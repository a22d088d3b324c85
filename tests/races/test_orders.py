"""Races on one order: whoever comes first, there is one order, one payment, one end, and never too much given back."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from foundation.errors import APIError, CallFailed, Conflict
from foundation.evidence import EventOutcome
from foundation.models import Event, Role
from orders import cancellation, delivery_progress, locks, payments, place_order, refunds
from orders.lifecycle import OrderStatus
from orders.models import Customer, Order, OrderItem, Payment, Refund
from orders.pos import callbacks
from tests import builders
from tests.races.riders_and_orders import together
from tests.sandbox_fixtures import sandbox, sandbox_process

__all__ = ["sandbox", "sandbox_process"]
pytestmark = pytest.mark.django_db(transaction=True)

RACERS = 6


def whole(order: Order) -> Order:
    """The order as it stands, its history without gaps."""
    order.refresh_from_db()
    versions = list(
        Event.objects.filter(subject=f"order:{order.pk}").order_by("version").values_list("version", flat=True)
    )
    assert versions == list(range(1, len(versions) + 1))
    assert order.version == len(versions)
    return order


# spec: O4
def test_the_same_order_placed_many_times_at_once_is_one_order(sandbox) -> None:
    storefront, store, place = builders.user(Role.STOREFRONT), builders.store(), builders.near(north_m=900)
    wish = place_order.OrderRequest(
        order_id="A-1",
        store=store.slug,
        buyer=place_order.OrderCustomer(external_id="c-1", name="Asha"),
        items=(place_order.RequestedItem(name="Thali", quantity=1, price_minor=20_000),),
        address={"latitude": place.lat, "longitude": place.lng},
        currency="INR",
    )

    def place_it() -> place_order.PlacedOrder | CallFailed:
        try:
            return place_order.place_order(storefront, wish)
        except CallFailed as failure:  # Stripe answers 409 while another request uses the key: send it again
            return failure

    placed = together([place_it] * RACERS)
    answered = [one for one in placed if isinstance(one, place_order.PlacedOrder)]
    assert sum(one.created for one in answered) <= 1
    assert {one.order.pk for one in answered} == {Order.objects.get().pk}
    assert (OrderItem.objects.count(), Customer.objects.count()) == (1, 1)
    last = place_order.place_order(storefront, wish)
    assert {one.client_secret for one in answered} == {last.client_secret}


# spec: P1
def test_the_same_payment_told_many_times_at_once_is_booked_once() -> None:
    order = builders.order()
    evidence = builders.payment_of(order)
    verdicts = Counter(together([lambda: payments.apply_payment_event(evidence)] * RACERS))
    assert verdicts == {EventOutcome.APPLIED: 1, EventOutcome.REPEATED: RACERS - 1}
    assert Payment.objects.filter(order=order).count() == 1
    assert whole(order).status == OrderStatus.STORE_NOTIFIED


# spec: O7, O8
@pytest.mark.parametrize("_", range(5))
def test_cancelling_races_the_payment(_) -> None:
    order = builders.order()
    cancel = partial(cancellation.cancel_by_person, order.pk, by=builders.TEST, reason="changed their mind")
    together([cancel, partial(payments.apply_payment_event, builders.payment_of(order))])
    assert whole(order).status == OrderStatus.CANCELLED
    assert Payment.objects.get(order=order).amount_minor == order.total_minor
    assert Refund.objects.get(order=order).amount_minor == order.total_minor


# spec: O1, O5
@pytest.mark.parametrize("_", range(3))
def test_callbacks_race_each_other_and_the_customer(_) -> None:
    order = builders.paid_order(of=builders.petpooja_store())

    def says(code: str) -> EventOutcome:
        with transaction.atomic():
            return callbacks.apply_callback(builders.pos_status(order, code))[0]

    cancel = partial(cancellation.cancel_by_person, order.pk, by=builders.TEST, reason="changed their mind")
    told = together([*(partial(says, code) for code in ("1", "3", "5", "-1")), cancel])
    assert whole(order).status == OrderStatus.CANCELLED
    refused = [one for one in told if isinstance(one, APIError)]
    assert len(refused) <= 1
    assert Refund.objects.filter(order=order).count() == 1
    assert Event.objects.filter(order_ref=order.public_id, name="order.cancelled").count() == 1


# spec: O7
def test_refunds_asked_for_at_once_never_exceed_what_was_captured() -> None:
    order = builders.paid_order()

    def ask(number: int) -> Refund:
        with transaction.atomic():
            return refunds.request_refund(
                locks.lock_order(order.pk), 20_000, reference=f"ops:{number}", reason="a test"
            )

    answers = together([partial(ask, number) for number in range(RACERS)])
    granted = [one for one in answers if isinstance(one, Refund)]
    assert len(granted) == 2
    assert sum(refund.amount_minor for refund in Refund.objects.all()) == 40_000 <= order.total_minor


# spec: O8
@pytest.mark.parametrize("_", range(5))
def test_a_new_attempt_races_the_refund_s_lane(_) -> None:
    """Either the refund is taken back and the order tried again, or it is being sent and the order is not."""

    order = builders.ready(builders.paid_order())
    with transaction.atomic():
        delivery_progress.record_failed(locks.lock_order(order.pk), 1, "nobody at home", by=builders.TEST)

    def try_again() -> None:
        with transaction.atomic():
            delivery_progress.open_attempt(locks.lock_order(order.pk), 2, by=builders.TEST)

    racers: list[Callable[[], Any]] = [partial(Refund.claim_batch, limit=1, lease_s=60), try_again]
    answers: list[Any] = together(racers)
    claimed, opened = answers
    assert bool(claimed) == isinstance(opened, Conflict)
    assert whole(order).attempt == (1 if claimed else 2)
