"""What a store's POS may move: by an unguessable id, from its own store, and never out of pending (SPEC O5, W3)."""

from dataclasses import replace

import pytest
from django.db import transaction

from foundation import clock
from foundation.errors import APIError, NotFound
from foundation.evidence import EventOutcome
from foundation.models import Event
from notifications.models import Incident, Message
from orders import delivery_progress, locks
from orders.lifecycle import OrderStatus
from orders.models import Order, PosRelay, Refund
from orders.pos import callbacks, outbox, petpooja
from tests import builders
from tests.builders import pos_says

pytestmark = pytest.mark.django_db


@pytest.fixture
def unpaid() -> Order:
    return builders.order(of=builders.petpooja_store())


@pytest.fixture
def order(unpaid) -> Order:
    return builders.paid(unpaid)


# spec: O5
@pytest.mark.parametrize("code", ["1", "2", "3"])
def test_accepted_confirms(order, code) -> None:
    assert pos_says(order, code, minimum_prep_time=20) == EventOutcome.APPLIED
    assert order.status == OrderStatus.CONFIRMED
    assert order.confirmed_at is not None
    assert order.minimum_prep_minutes == 20
    assert order.pos_response["status"] == code
    assert petpooja.accepted_body(order) == {
        "success": True,
        "message": "Order status updated successfully",
        "order_id": order.public_id,
        "new_status": "confirmed",
    }
    moved = Event.objects.filter(order_ref=order.public_id, name="order.status_changed").latest("version")
    assert moved.actor == "petpooja"
    assert moved.cause.startswith(f"webhook:petpooja:{order.public_id}:{code}:")


# spec: O5
def test_ready_is_food_ready_even_if_accepting_was_never_said(order) -> None:
    assert pos_says(order, "5") == EventOutcome.APPLIED
    assert order.status == OrderStatus.READY_FOR_PICKUP
    assert petpooja.accepted_body(order)["new_status"] == "food_ready"
    assert pos_says(order, "5") == EventOutcome.REPEATED
    assert pos_says(order, "1") == EventOutcome.STALE
    assert order.status == OrderStatus.READY_FOR_PICKUP
    assert order.confirmed_at is not None


# spec: O5, O7
def test_cancelled_cancels_with_a_full_refund_and_tells_the_customer(order) -> None:
    pos_says(order, "1")
    PosRelay.objects.filter(order=order).delete()
    assert pos_says(order, "-1", cancel_reason="out of dough") == EventOutcome.APPLIED
    assert (order.status, order.cancel_reason) == (OrderStatus.CANCELLED, "out of dough")
    assert order.failed_at is not None
    assert Refund.objects.get(order=order).amount_minor == order.total_minor
    assert Message.objects.filter(order_ref=order.public_id, event="order.cancelled").count() == 1
    assert petpooja.accepted_body(order)["new_status"] == "cancelled"
    assert not PosRelay.objects.filter(order=order, kind="cancel").exists()
    assert pos_says(order, "-1", cancel_reason="out of dough") == EventOutcome.REPEATED
    assert Refund.objects.count() == 1


# spec: O5
@pytest.mark.parametrize("code", ["4", "10"])
def test_dispatched_and_delivered_are_kept_and_move_nothing(order, code) -> None:
    pos_says(order, "5")
    version = order.version
    assert pos_says(order, code, rider_name="Ravi", rider_phone_number="98123") == EventOutcome.IGNORED
    assert (order.status, order.version) == (OrderStatus.READY_FOR_PICKUP, version)
    assert order.pos_response["status"] == code
    assert (order.pos_rider_name, order.pos_rider_phone) == ("Ravi", "98123")


# spec: O5
def test_what_was_told_once_is_not_forgotten_by_a_callback_that_does_not_say(order) -> None:
    pos_says(order, "1", minimum_prep_time=35, is_modified="Yes", rider_name="Ravi")
    pos_says(order, "5")
    assert (order.minimum_prep_minutes, order.pos_is_modified, order.pos_rider_name) == (35, True, "Ravi")


# ── before the payment ───────────────────────────────────────────────────────────────────────────────────────────
# spec: O1, O5
@pytest.mark.parametrize("code", ["1", "5", "-1"])
def test_before_the_payment_it_is_kept_ops_is_told_and_nothing_moves(unpaid, code) -> None:
    assert pos_says(unpaid, code) == EventOutcome.STALE
    assert pos_says(unpaid, code) == EventOutcome.REPEATED
    assert (unpaid.status, unpaid.preparation, unpaid.version) == (OrderStatus.PENDING, "placed", 0)
    assert unpaid.pos_response["status"] == code
    assert len(unpaid.pos_held) == 1
    incident = Incident.objects.get(kind=callbacks.BEFORE_PAYMENT)
    assert (incident.order_ref, incident.status) == (unpaid.public_id, "open")
    assert not Refund.objects.exists()


# spec: O1
def test_what_was_kept_counts_when_the_payment_arrives_and_history_shows_both_moves(unpaid) -> None:
    pos_says(unpaid, "1", minimum_prep_time=20)
    pos_says(unpaid, "5")
    order = builders.paid(unpaid)
    assert order.status == OrderStatus.READY_FOR_PICKUP
    assert order.pos_held == []
    history = Event.objects.filter(order_ref=order.public_id, name="order.status_changed").order_by("version")
    assert [event.data["to"] for event in history] == ["payment_confirmed", "confirmed", "ready_for_pickup"]
    assert [event.actor for event in history] == ["stripe", "petpooja", "petpooja"]
    assert Incident.objects.get(kind=callbacks.BEFORE_PAYMENT).status == "resolved"


# spec: O8
def test_a_cancellation_that_was_kept_gives_the_money_back(unpaid) -> None:
    pos_says(unpaid, "-1", cancel_reason="closed")
    order = builders.paid(unpaid)
    assert order.status == OrderStatus.CANCELLED
    assert Refund.objects.get(order=order).amount_minor == order.total_minor
    assert not PosRelay.objects.exists()


def test_a_flood_of_callbacks_does_not_fill_the_order(unpaid) -> None:
    for minutes in range(1, 40):
        pos_says(unpaid, "1", minimum_prep_time=minutes)
    assert len(unpaid.pos_held) == callbacks.MAX_HELD


def test_the_token_is_not_kept_with_what_waits(unpaid) -> None:
    unpaid.store.pos_callback_token = "s3cret-token"
    unpaid.store.save()
    pos_says(unpaid, "1")
    assert "s3cret-token" not in str(unpaid.pos_held)


# ── too late ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_cancellation_after_the_pickup_stops_nobody_and_tells_ops(order) -> None:
    pos_says(order, "5")
    with transaction.atomic():
        delivery_progress.record_picked_up(locks.lock_order(order.pk), 1, by=builders.TEST, eta_minutes=9)
    assert pos_says(order, "-1") == EventOutcome.STALE
    assert order.status == OrderStatus.PICKED_UP
    assert Incident.objects.filter(kind=callbacks.TOO_LATE).exists()
    assert not Refund.objects.exists()


def test_after_a_cancellation_nothing_moves_any_more(order) -> None:
    pos_says(order, "-1")
    assert pos_says(order, "5") == EventOutcome.STALE
    assert order.status == OrderStatus.CANCELLED


# ── who may say it ───────────────────────────────────────────────────────────────────────────────────────────────
# spec: W3
@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"store_slug": "another"}, 404, "RESTAURANT_NOT_FOUND"),
        ({"rest_id": "another"}, 404, "REST_ID_MISMATCH"),
        ({"rest_id": ""}, 404, "REST_ID_MISMATCH"),
        ({"rest_id": "ü"}, 404, "REST_ID_MISMATCH"),
        ({"order_ref": "o_unknown"}, 404, "ORDER_NOT_FOUND"),
    ],
)
def test_a_callback_must_name_its_store_and_order(order, changes, status, code) -> None:
    evidence = replace(builders.pos_status(order, "1"), **changes)
    with pytest.raises(APIError) as refused, transaction.atomic():
        callbacks.apply_callback(evidence)
    assert (refused.value.status, refused.value.code) == (status, code)


# spec: W3
def test_the_order_must_be_that_store_s(order) -> None:
    other = builders.petpooja_store()
    evidence = replace(builders.pos_status(order, "1"), store_slug=other.slug, rest_id=other.pos_rest_id)
    with pytest.raises(NotFound), transaction.atomic():
        callbacks.apply_callback(evidence)


# spec: W3
def test_a_store_without_a_restid_or_with_a_tablet_takes_no_callbacks(order) -> None:
    order.store.pos_rest_id = ""
    order.store.save()
    with pytest.raises(NotFound), transaction.atomic():
        callbacks.apply_callback(replace(builders.pos_status(order, "1"), rest_id=""))
    tablet = builders.paid_order()
    with pytest.raises(NotFound), transaction.atomic():
        callbacks.apply_callback(builders.pos_status(tablet, "1"))


# spec: W3
@pytest.mark.parametrize("token", ["", "wrong", "right "])
def test_a_token_that_the_store_carries_is_required(order, token) -> None:
    order.store.pos_callback_token = "right"
    order.store.save()
    with pytest.raises(APIError) as refused, transaction.atomic():
        callbacks.apply_callback(replace(builders.pos_status(order, "1"), token=token))
    assert refused.value.status == 401
    assert pos_says(order, "1") == EventOutcome.APPLIED


def test_the_storefront_s_id_is_no_key(order) -> None:
    with pytest.raises(NotFound), transaction.atomic():
        callbacks.apply_callback(replace(builders.pos_status(order, "1"), order_ref=order.order_id))


def test_acceptance_counts_from_when_it_was_said(order) -> None:
    before = clock.now()
    pos_says(order, "1")
    assert before <= order.confirmed_at <= clock.now()


def test_a_pos_that_spoke_before_the_payment_is_still_sent_the_order(unpaid, sandbox, work_off) -> None:
    """Whoever said so: it cannot have had the order from us, and a kitchen that never gets it cooks nothing."""
    pos_says(unpaid, "1")
    order = builders.paid(unpaid)
    assert order.status == OrderStatus.CONFIRMED
    work_off(outbox.QUEUE)
    assert sandbox.control("GET", f"petpooja/orders/{order.public_id}")["order"]["times_saved"] == 1
    order.refresh_from_db()
    assert (order.status, order.notified_at is not None) == (OrderStatus.CONFIRMED, True)


def test_an_order_that_was_confirmed_by_a_stranger_and_refused_by_the_pos_fails(unpaid, sandbox, work_off) -> None:
    pos_says(unpaid, "1")
    order = builders.paid(unpaid)
    sandbox.control("PUT", f"petpooja/orders/{order.public_id}", {"outcome": "refuse"})
    work_off(outbox.QUEUE)
    order.refresh_from_db()
    assert order.status == OrderStatus.FAILED
    assert Refund.objects.get(order=order).amount_minor == order.total_minor
