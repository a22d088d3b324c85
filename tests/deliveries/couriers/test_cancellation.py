"""What properties and races found in the engine of courier companies, each as the shortest story that shows it."""

import pytest

from deliveries.couriers import updates
from deliveries.couriers.providers.base import CallAttempt, CancellationResult, JobReference
from deliveries.couriers.providers.status_update import CourierStage
from deliveries.fulfilment import ops_actions
from deliveries.lifecycle import DeliveryStatus
from foundation.errors import Unknown
from orders.lifecycle import CarriageState
from orders.models import Order
from tests.builders import TEST
from tests.deliveries.couriers.test_calls import asked, live, pass_time
from tests.deliveries.couriers.toy_courier import Toy, drain, toy

__all__ = ["toy"]
pytestmark = pytest.mark.django_db


# spec: C2, O7
def test_a_job_whose_answer_was_lost_is_found_again_to_be_stopped(toy: Toy):
    """The company looks nothing up by our id: only the create, tried again, tells what is to be cancelled."""
    delivery = asked(toy)
    toy.fails.append(Unknown("lost"))
    drain()
    ops_actions.stop_courier(delivery.order_id, "too slow", by=TEST)
    for _ in range(3):
        drain()
        pass_time(2)
    drain()
    delivery.refresh_from_db()
    assert not toy.live
    assert delivery.status == DeliveryStatus.CANCELLED
    assert [one.courier for one in live(delivery.order_id)] == ["in_house"]


# spec: C3, O7
def test_a_wish_to_stop_is_passed_on_once_a_webhook_tells_whom(toy: Toy):
    delivery = asked(toy)
    toy.fails.append(Unknown("lost"))
    drain()
    ops_actions.stop_courier(delivery.order_id, "too slow", by=TEST)
    drain()  # nothing can be cancelled yet
    updates.apply_update(toy.news(delivery.external_id, CourierStage.ASSIGNED, at=1))
    drain()
    delivery.refresh_from_db()
    assert not toy.live
    assert delivery.status == DeliveryStatus.CANCELLED


# spec: O7
def test_what_became_known_while_it_was_being_stopped_is_stopped(toy: Toy, monkeypatch: pytest.MonkeyPatch):
    """The answer to the create is written down between our look at the delivery and the company's "known by our id
    alone"."""
    delivery = asked(toy)
    toy.fails.append(Unknown("lost"))
    drain()
    ops_actions.stop_courier(delivery.order_id, "too slow", by=TEST)
    cancel = toy.cancel_job

    def told_meanwhile(handle: JobReference, reason: str, call: CallAttempt) -> CancellationResult:
        if not handle.courier_ref:
            updates.apply_update(toy.news(delivery.external_id, CourierStage.REQUESTED, at=None))
        return cancel(handle, reason, call)

    monkeypatch.setattr(toy, "cancel_job", told_meanwhile)
    drain()
    pass_time(2)
    drain()
    delivery.refresh_from_db()
    assert not toy.live
    assert delivery.status == DeliveryStatus.CANCELLED


# spec: O1, C9
def test_news_of_a_driver_who_was_stopped_brings_nobody_to_the_order(toy: Toy):
    """The courier had confirmed the stop when its earlier news came: the order went on waiting for that driver."""
    delivery = asked(toy)
    drain()
    ops_actions.stop_courier(delivery.order_id, "too slow", by=TEST)
    drain()
    updates.apply_update(toy.news(delivery.external_id, CourierStage.ASSIGNED, at=1))
    drain()
    assert Order.objects.get(pk=delivery.order_id).carriage == CarriageState.NONE
    assert [one.courier for one in live(delivery.order_id)] == ["in_house"]


# spec: O1, C9
def test_news_of_a_driver_after_the_end_before_pickup_brings_nobody_either(toy: Toy):
    delivery = asked(toy)
    drain()
    toy.jobs[delivery.external_id].live = False
    toy.jobs[delivery.external_id].stage = CourierStage.CANCELLED
    updates.apply_update(toy.news(delivery.external_id, CourierStage.CANCELLED, at=5))
    updates.apply_update(toy.news(delivery.external_id, CourierStage.ASSIGNED, at=1))
    assert Order.objects.get(pk=delivery.order_id).carriage == CarriageState.NONE
    drain()
    assert [one.courier for one in live(delivery.order_id)] == ["in_house"]
