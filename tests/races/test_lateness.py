"""The sweep over the promises beside everything else that happens to orders (SPEC D7): nobody waits for it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection, transaction

from deliveries.eta import delay_alerts
from foundation import clock
from notifications.models import Message
from orders import locks, promised_times
from orders.models import Order
from tests.builders import assigned
from tests.races.riders_and_orders import together

pytestmark = pytest.mark.django_db(transaction=True)


# spec: D7
def test_an_order_that_is_just_being_moved_is_not_waited_for():
    held, free = assigned().order_id, assigned().order_id
    locked, done = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            locks.lock_order(held)
            locked.set()
            assert done.wait(30)
        connection.close()

    with ThreadPoolExecutor(1) as threads:
        holding = threads.submit(hold)
        assert locked.wait(30)
        try:
            assert promised_times.set_expected_arrivals(dict.fromkeys((held, free), clock.now())) == {free}
        finally:
            done.set()
        holding.result()
    assert promised_times.set_expected_arrivals({held: clock.now()}) == {held}


# spec: D7, S8
def test_four_sweeps_at_once_tell_everybody_once():
    deliveries = [assigned() for _ in range(3)]
    Order.objects.update(promised_at=clock.now())
    assert together([delay_alerts.sweep_orders] * 4) == [3] * 4
    for event in ("delivery.delayed", "delivery.behind_schedule"):
        assert Message.objects.filter(event=event).count() == len(deliveries)
