"""The store's deadline: reminded at half of it, ops at the end, cancelled past a second one (SPEC O5).

Tests move the times in the rows, not the clock."""

from datetime import timedelta

import pytest
from django.db import transaction

from foundation import clock, jobs
from foundation.errors import IllegalMove, Invalid
from foundation.models import Job
from foundation.work import WorkState
from notifications.models import Incident, Message
from orders import acknowledgement, deadlines, locks
from orders.lifecycle import OrderStatus
from orders.models import Order, PosRelay, Refund
from tests import builders

pytestmark = pytest.mark.django_db
OURS = ("orders.remind_store", "orders.acknowledgement_due", "orders.acknowledgement_lapsed", "orders.ready_overdue")


def due(order: Order) -> dict[str, float]:
    """Seconds from the notification until each waiting deadline."""
    waiting = Job.objects.filter(subject=f"order:{order.pk}", handler__in=OURS, state=WorkState.PENDING)
    return {job.handler: round((job.due_at - order.notified_at).total_seconds()) for job in waiting}


def passes(order: Order, **span: int) -> None:
    """So much time passes for this order."""
    past = timedelta(**span)
    for column in ("notified_at", "confirmed_at", "paid_at", "created_at"):
        moment = getattr(order, column)
        Order.objects.filter(pk=order.pk).update(**{column: moment and moment - past})
    for job in Job.objects.filter(subject=f"order:{order.pk}", state=WorkState.PENDING):
        Job.objects.filter(pk=job.pk).update(due_at=job.due_at - past)
    order.refresh_from_db()


def run_due(order: Order) -> list[str]:
    """Run this room's jobs that are due, as the work queue would; returns their handlers."""
    ran = []
    for job in Job.objects.filter(subject=f"order:{order.pk}", handler__in=OURS, state=WorkState.PENDING):
        if job.due_at <= clock.database_now():
            Job.objects.filter(pk=job.pk).update(state=WorkState.DONE)
            with transaction.atomic():
                jobs.run_job(job)
            ran.append(job.handler)
    order.refresh_from_db()
    return ran


def reminders(order: Order) -> int:
    return Message.objects.filter(order_ref=order.public_id, event="store.acknowledge_reminder").count()


def alert(order: Order) -> Incident | None:
    return Incident.objects.filter(kind=deadlines.UNACKNOWLEDGED, order_ref=order.public_id).first()


# spec: O5
def test_the_deadlines_are_rows_from_the_moment_the_store_is_told() -> None:
    order = builders.paid_order(of=builders.store(acknowledge_s=300, cancel_unacknowledged_s=900))
    assert due(order) == {
        "orders.remind_store": 150,
        "orders.acknowledgement_due": 300,
        "orders.acknowledgement_lapsed": 900,
    }
    assert run_due(order) == []


def test_the_clock_is_ours_even_if_the_payment_s_event_came_late() -> None:
    order = builders.paid_order(paid_at=clock.now() - timedelta(hours=2))
    assert clock.now() - order.notified_at < timedelta(minutes=1)


# spec: O5
def test_half_the_deadline_reminds_the_store_once() -> None:
    order = builders.paid_order()
    passes(order, seconds=151)
    assert run_due(order) == ["orders.remind_store"]
    acknowledgement.remind_store(order.pk)
    assert reminders(order) == 1
    assert alert(order) is None


# spec: O5
def test_the_deadline_alerts_ops_once_and_the_acknowledgement_ends_it() -> None:
    order = builders.paid_order()
    passes(order, seconds=301)
    assert set(run_due(order)) == {"orders.remind_store", "orders.acknowledgement_due"}
    incident = alert(order)
    assert incident is not None
    assert (incident.severity, incident.status) == ("critical", "open")
    assert order.status == OrderStatus.STORE_NOTIFIED
    builders.acknowledged(order)
    incident.refresh_from_db()
    assert incident.status == "resolved"


# spec: O5
def test_the_second_deadline_cancels_and_refunds_if_the_policy_says_so() -> None:
    order = builders.paid_order(of=builders.store(cancel_unacknowledged_s=900, cancellation_fee_minor=500))
    passes(order, seconds=901)
    run_due(order)
    assert order.status == OrderStatus.CANCELLED
    assert Refund.objects.get(order=order).amount_minor == order.total_minor
    assert alert(order).status == "resolved"


# spec: O5
def test_without_that_policy_the_order_waits_for_people() -> None:
    order = builders.paid_order()
    passes(order, days=2)
    run_due(order)
    acknowledgement.cancel_unacknowledged(order.pk)
    order.refresh_from_db()
    assert order.status == OrderStatus.STORE_NOTIFIED


# spec: O5
@pytest.mark.parametrize(
    "verb", [acknowledgement.remind_store, acknowledgement.report_unacknowledged, acknowledgement.cancel_unacknowledged]
)
@pytest.mark.parametrize("moment", ["in time", "late"])
def test_a_deadline_that_fires_early_or_after_the_answer_does_nothing(verb, moment) -> None:
    order = builders.paid_order(of=builders.store(cancel_unacknowledged_s=900))
    if moment == "late":
        builders.acknowledged(order)
        passes(order, days=1)
    verb(order.pk)
    order.refresh_from_db()
    assert order.status in (OrderStatus.STORE_NOTIFIED, OrderStatus.CONFIRMED)
    assert reminders(order) == 0
    assert alert(order) is None


def test_a_deadline_that_was_moved_is_waited_for_again() -> None:
    order = builders.paid_order(of=builders.store(acknowledge_s=300))
    order.store.acknowledge_s = 600
    order.store.save()
    passes(order, seconds=301)
    run_due(order)
    assert alert(order) is None
    assert due(order)["orders.acknowledgement_due"] == 600


# ── the POS ──────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def petpooja(settings) -> None:
    settings.PETPOOJA_API_BASE, settings.PETPOOJA_APP_KEY = "http://127.0.0.1:9", "key"


# spec: O5
def test_an_order_whose_pos_cannot_be_told_alerts_ops_by_the_same_deadline(petpooja) -> None:
    order = builders.paid_order(of=builders.petpooja_store())
    assert order.status == OrderStatus.PAYMENT_CONFIRMED
    assert PosRelay.objects.get(order=order).kind == PosRelay.Kind.SAVE
    passes(order, seconds=301)
    assert run_due(order) == ["orders.acknowledgement_due"]
    assert "could not be told" in alert(order).title


# spec: S5
def test_a_store_whose_pos_is_turned_off_is_told_by_message_and_ops_hears_of_it(settings) -> None:
    settings.PETPOOJA_API_BASE = ""
    store = builders.petpooja_store()
    orders = [builders.paid_order(of=store) for _ in range(2)]
    assert {order.status for order in orders} == {OrderStatus.STORE_NOTIFIED}
    assert Message.objects.filter(event="store.order_placed").count() == 2
    assert Incident.objects.get(kind=acknowledgement.POS_IS_OFF).count == 2
    settings.PETPOOJA_API_BASE, settings.PETPOOJA_APP_KEY = "http://127.0.0.1:9", "key"
    builders.paid_order(of=store)
    assert Incident.objects.get(kind=acknowledgement.POS_IS_OFF).status == "resolved"


def test_telling_the_store_twice_is_telling_it_once() -> None:
    order = builders.paid_order()
    with transaction.atomic():
        acknowledgement.submit_to_store(locks.lock_order(order.pk), by=builders.TEST)
    assert Message.objects.filter(order_ref=order.public_id).count() == 1


# ── the tablet ───────────────────────────────────────────────────────────────────────────────────────────────────
def test_acknowledging_by_hand_is_strict_and_may_say_how_long() -> None:
    order = builders.acknowledged(builders.paid_order(), prep_minutes=25)
    assert (order.status, order.minimum_prep_minutes) == (OrderStatus.CONFIRMED, 25)
    assert deadlines.expected_ready_at(order) == order.confirmed_at + timedelta(minutes=25)
    with pytest.raises(IllegalMove):
        builders.acknowledged(order)


@pytest.mark.parametrize("minutes", [0, -1, 1441])
def test_a_preparation_time_that_cannot_be_is_refused(minutes) -> None:
    order = builders.paid_order()
    with pytest.raises(Invalid) as refused:
        builders.acknowledged(order, prep_minutes=minutes)
    assert refused.value.field == "prep_minutes"


# ── ready ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_food_that_is_long_overdue_is_reported_until_it_is_ready() -> None:
    order = builders.acknowledged(builders.paid_order(), prep_minutes=20)
    acknowledgement.report_not_ready(order.pk)
    assert not Incident.objects.filter(kind=deadlines.NOT_READY).exists()
    passes(order, minutes=31)
    assert "orders.ready_overdue" in run_due(order)
    incident = Incident.objects.get(kind=deadlines.NOT_READY)
    assert incident.status == "open"
    builders.ready(order)
    incident.refresh_from_db()
    assert incident.status == "resolved"
    assert deadlines.expected_ready_at(order) == order.ready_at


def test_every_deadline_of_this_room_is_a_handler_that_exists() -> None:
    for handler in OURS:
        assert callable(jobs.resolve_handler(handler))
