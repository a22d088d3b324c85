"""Orders, deliveries and money that stand still are found, named, and forgotten when they move. # spec: W6, C5"""

from datetime import timedelta

import pytest
from django.db.models import F

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import CourierJob, Delivery
from foundation import clock
from notifications.models import Incident
from ops.monitoring import stuck_work
from orders.lifecycle import OrderStatus
from orders.models import Order, Refund
from payouts.lifecycle import PayoutStatus
from payouts.models import AccountKind, LedgerAccount, PayeeKind, Payout
from riders.models import RiderSpot
from tests import builders
from tests.ops.monitoring.open_incidents import quiet_cost, standing

pytestmark = pytest.mark.django_db
TIMES = ("created_at", "paid_at", "notified_at", "confirmed_at", "ready_at", "assigned_at", "picked_up_at")


def age(minutes: float) -> None:
    """All orders and deliveries are so much older."""
    earlier = timedelta(minutes=minutes)
    Order.objects.update(**{name: F(name) - earlier for name in (*TIMES, "in_transit_at")})
    Delivery.objects.update(created_at=F("created_at") - earlier, assigned_at=F("assigned_at") - earlier)


@pytest.mark.parametrize("step", stuck_work.STEPS, ids=lambda step: step.status)
def test_an_order_that_stays_where_it_is_for_too_long_is_named(step: stuck_work.Step):
    placed = builders.paid_order()
    Order.objects.update(status=step.status, **{step.since: clock.now()})
    age(step.minutes - 1)
    stuck_work.watch_stuck_work()
    assert standing() == {}
    age(2)
    stuck_work.watch_stuck_work()
    stuck_work.watch_stuck_work()
    assert standing() == {f"orders_stuck:{step.status}": (step.severity, 1)}
    assert placed.order_id in Incident.objects.get().title

    other = builders.paid_order()
    moved = {step.since: clock.now() - timedelta(days=1), "created_at": clock.now() - timedelta(days=1)}
    Order.objects.filter(pk=other.pk).update(status=step.status, **moved)
    stuck_work.watch_stuck_work()
    assert standing() == {f"orders_stuck:{step.status}": (step.severity, 2)}
    Order.objects.update(status=OrderStatus.DELIVERED)
    stuck_work.watch_stuck_work()
    assert standing() == {}


# spec: D4
def test_an_order_that_is_ready_and_has_no_delivery_is_critical():
    placed = builders.ready(builders.paid_order())
    age(11)
    stuck_work.watch_stuck_work()
    assert standing() == {"orders_stuck:ready_for_pickup": ("critical", 1)}
    builders.searching(placed)
    stuck_work.watch_stuck_work()
    assert standing() == {}


def test_a_courier_that_says_nothing_of_a_live_job_is_reported_until_it_does():
    delivery = builders.searching()
    facts = {"courier": "uber", "status": DeliveryStatus.REQUESTED}
    Delivery.objects.update(**facts)
    builders.courier_job(delivery, last_heard_at=clock.now() - timedelta(minutes=16))
    stuck_work.watch_stuck_work()
    assert standing() == {"deliveries_silent:couriers": ("warning", 1)}
    assert delivery.external_id in Incident.objects.get().title
    CourierJob.objects.update(last_heard_at=clock.now())
    stuck_work.watch_stuck_work()
    assert standing() == {}


def test_a_rider_whose_phone_is_mute_while_carrying_is_reported():
    builders.assigned()
    age(16)
    stuck_work.watch_stuck_work()
    assert standing() == {}  # seen a moment ago
    RiderSpot.objects.update(seen_at=clock.now() - timedelta(minutes=16))
    stuck_work.watch_stuck_work()
    assert standing() == {"deliveries_silent:riders": ("warning", 1)}
    RiderSpot.objects.update(seen_at=clock.now())
    stuck_work.watch_stuck_work()
    assert standing() == {}


def test_refunds_that_do_not_get_through_are_reported_not_those_that_wait_for_their_day():
    placed = builders.paid_order()
    old = clock.now() - timedelta(hours=2)
    facts = {"order": placed, "reason": "r", "amount_minor": 500, "currency": "INR", "created_at": old}
    Refund.objects.create(reference="waits", due_at=clock.now() + timedelta(hours=1), **facts)
    tried = Refund.objects.create(reference="tried", retry_count=9, **facts)
    stuck_work.watch_stuck_work()
    assert standing() == {"money_stuck:refunds": ("warning", 1)}
    assert "₹5.00" in Incident.objects.get().title
    Refund.objects.filter(pk=tried.pk).update(state="done")
    stuck_work.watch_stuck_work()
    assert standing() == {}


# spec: M2
@pytest.mark.parametrize(
    ("status", "hours", "key", "severity"),
    [
        (PayoutStatus.PENDING, 25, "money_stuck:payouts", "critical"),
        (PayoutStatus.SUBMITTING, 25, "money_stuck:payouts", "critical"),
        (PayoutStatus.PROCESSING, 24 * 8, "money_stuck:bank", "warning"),
    ],
)
def test_payouts_that_do_not_arrive_are_reported(status: str, hours: float, key: str, severity: str):
    account = LedgerAccount.objects.create(
        payee_kind=PayeeKind.STORE, payee_id=1, payee_name="Store", kind=AccountKind.PAYABLE, currency="INR"
    )
    then = clock.now() - timedelta(hours=hours)
    payout = Payout.objects.create(
        account=account, period="2026-11-01", amount_minor=700, currency="INR", destination="acct_1", status=status
    )
    Payout.objects.update(transferred_at=then)
    stuck_work.watch_stuck_work()
    assert standing() == {}
    Payout.objects.filter(pk=payout.pk).update(created_at=then)
    stuck_work.watch_stuck_work()
    assert standing() == {key: (severity, 1)}
    Payout.objects.update(status=PayoutStatus.PAID)
    stuck_work.watch_stuck_work()
    assert standing() == {}


def test_an_empty_house_is_calm_and_cheap():
    assert quiet_cost(stuck_work.watch_stuck_work) <= 16
