"""What is true now of what a message is about, event by event, on real orders. # spec: N2, D7"""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from deliveries.eta import delay_alerts
from deliveries.fulfilment import offer_responses, offers, ops_actions, transitions
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery
from deliveries.tracking import link_message, ratings, substitution_message
from foundation import clock
from foundation.events import Cause
from notifications.contacts import recipients
from notifications.content.catalogue import CATALOGUE
from notifications.models import Message, Recipient
from notifications.outbox import enqueue
from notifications.outbox.freshness import MessageObsolete
from ops import message_freshness
from ops.message_freshness import ALWAYS_TRUE, TABLE, current_params
from orders import cancellation, locks, notices
from orders.models import Order
from orders.place_order import RequestedItem
from payouts.models import ConnectAccount, PayeeKind
from riders import riders
from tests.builders import (
    TEST,
    acknowledged,
    assigned,
    basket,
    moved,
    offered,
    order,
    paid,
    paid_order,
    ready,
    rider,
    searching,
    store,
    suggested,
)

pytestmark = pytest.mark.django_db
OPS = Cause("user:1", "admin")


def told(event: str, to: Recipient | int | None = None) -> Message:
    """The latest message of this event (to them)."""
    found = Message.objects.filter(event=event)
    return (found if to is None else found.filter(recipient=to)).latest("pk")


def why_not(message: Message) -> str:
    facts = current_params(message)
    return facts.reason if isinstance(facts, MessageObsolete) else ""


def fresh(message: Message) -> dict[str, Any]:
    facts = current_params(message)
    assert not isinstance(facts, MessageObsolete), facts
    return dict(facts)


def say(to: int, event: str, order_ref: str = "", **params: Any) -> Message:
    known = dict.fromkeys(CATALOGUE[event].params, "1") | params
    enqueue.enqueue_message(to, event, known, dedupe="test", order_ref=order_ref)
    return Message.objects.latest("pk")


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_every_event_is_looked_into_or_true_for_ever():
    assert set(TABLE) | ALWAYS_TRUE == set(CATALOGUE)
    assert not set(TABLE) & ALWAYS_TRUE


@pytest.mark.parametrize("event", CATALOGUE)
def test_about_what_is_not_there_it_is_told_as_it_was_written(event):
    nobody = recipients.create_recipient(name="Nobody")
    for ref in ("", "an-order-that-is-gone"):
        Message.objects.all().delete()
        assert fresh(say(nobody.pk, event, ref)) == {}


def test_what_is_fresh_fits_the_words():
    """Only params that the template knows are answered."""
    delivery = moved(assigned(), DeliveryStatus.IN_TRANSIT)
    promise(delivery, -30)
    delay_alerts.sweep_orders()
    for event in ("delivery.on_the_way", "delivery.delayed", "delivery.behind_schedule"):
        assert set(fresh(told(event))) <= CATALOGUE[event].params


# ── customers ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_failed_payment_matters_until_the_order_is_paid_or_called_off():
    placed, other = order(), order()
    failed, of_other = (
        say(one.customer.recipient_id, "order.payment_failed", one.public_id) for one in (placed, other)
    )
    assert why_not(failed) == why_not(of_other) == ""
    paid(placed)
    cancellation.cancel_by_person(other.pk, by=OPS, reason="changed my mind")
    assert why_not(failed) == "the order is store_notified by now"
    assert why_not(of_other) == "the order is cancelled by now"


def test_that_a_rider_comes_matters_until_the_order_is_fetched_or_another_one_comes():
    delivery = assigned(rider("Ravi"))
    first = told("delivery.assigned")
    assert fresh(first) == {}
    another = rider("Asha")
    ops_actions.give_to(delivery.order_id, another.public_id, by=OPS)
    assert why_not(first) == "somebody else brings it by now"
    second = told("delivery.assigned")
    assert second.params["rider"] == "Asha"
    assert why_not(second) == ""
    moved(Delivery.objects.get(pk=delivery.pk), DeliveryStatus.PICKED_UP)
    assert why_not(second) == "the order is picked_up by now"


def test_that_it_is_on_the_way_says_the_minutes_of_now_and_ends_at_the_door():
    delivery = moved(assigned(), DeliveryStatus.IN_TRANSIT)
    message = told("delivery.on_the_way")
    Message.objects.update(params={**message.params, "etaMinutes": 99})
    message.refresh_from_db()
    minutes = fresh(message)["etaMinutes"]
    assert 1 <= minutes < 99
    ops_actions.confirm_delivery(delivery.order_id, "the customer called", by=OPS)
    assert why_not(message) == "the order is delivered by now"


def promise(delivery: Delivery, minutes: float) -> None:
    Order.objects.filter(pk=delivery.order_id).update(promised_at=clock.now() + timedelta(minutes=minutes))


def test_a_delay_matters_while_it_is_one():
    delivery = assigned()
    promise(delivery, 1)
    delay_alerts.sweep_orders()
    customer, to_rider = told("delivery.delayed"), told("delivery.behind_schedule")
    assert fresh(customer)["etaMinutes"] > 1
    assert why_not(to_rider) == ""
    promise(delivery, 120)
    assert why_not(customer) == why_not(to_rider) == "it is on time again"
    promise(delivery, -1)
    moved(delivery, DeliveryStatus.DELIVERED)
    assert why_not(customer) == "the order is delivered by now"
    assert why_not(to_rider) == "it is not theirs any more"


def test_delivered_says_the_total_of_now_and_a_rating_is_asked_for_once():
    delivery = moved(assigned(), DeliveryStatus.DELIVERED)
    completed, review = told("delivery.completed"), told("review.requested")
    Order.objects.filter(pk=delivery.order_id).update(total_minor=44_000, store_share_minor=1)
    assert fresh(completed) == {"totalPaise": 44_000}
    assert why_not(review) == ""
    ratings.rate_delivery(delivery.order_id, 5, by=TEST)
    assert why_not(review) == "they have rated it"


# spec: O6
def test_a_suggestion_is_asked_about_until_it_is_decided_with_the_deadline_of_now():
    placed = basket(("Thali", 2, 20_000), ("Lassi", 1, 10_000), of=store(time_zone="UTC"))
    (one,) = suggested(placed, (0, RequestedItem(name="Biryani", quantity=1, price_minor=25_000)))
    substitution_message.ask_customer(placed.pk)
    message = told("order.substitutions_proposed")
    one.decide_by += timedelta(minutes=7)
    one.save()
    assert fresh(message) == {"until": f"{one.decide_by:%H:%M}"}
    one.decide_by = clock.now() - timedelta(seconds=1)
    one.save()
    assert why_not(message) == "nothing waits for an answer by now"
    ready(placed)
    both = told("order.item_left_out"), told("store.item_left_out")
    assert [why_not(one) for one in both] == ["", ""]
    moved(assigned(rider(), searching(placed)), DeliveryStatus.PICKED_UP)
    assert [why_not(one) for one in both] == ["", "the order is picked_up by now"]


# spec: O6
def test_what_was_decided_about_an_item_matters_while_the_order_does():
    placed = basket(("Thali", 2, 20_000), ("Lassi", 1, 10_000))
    suggested(placed, (0, None))
    message = told("order.item_left_out")
    assert why_not(message) == ""
    cancellation.cancel_by_person(placed.pk, by=OPS, reason="changed my mind")
    assert why_not(message) == "the order is cancelled by now"


def test_a_failure_is_not_told_once_it_is_tried_again():
    delivery = assigned()
    with transaction.atomic():
        placed = locks.lock_order(delivery.order_id)
        transitions.fail_delivery(placed, transitions.lock_live(placed), "nobody at home", by=TEST)
    both = told("delivery.failed"), told("store.delivery_failed")
    assert [why_not(one) for one in both] == ["", ""]
    ops_actions.try_again(delivery.order_id, by=OPS)
    assert [why_not(one) for one in both] == ["the order is ready_for_pickup by now"] * 2


# ── riders ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_offer_matters_while_it_can_be_answered():
    offer = offered()
    message = told("offer.made")
    assert fresh(message) == {}
    offer.expires_at = clock.now() - timedelta(seconds=1)
    offer.save()
    assert why_not(message) == "the time to answer is over"
    offer.expires_at = clock.now() + timedelta(seconds=30)
    offer.save()
    offer_responses.reject_offer(offer.pk, offer.rider, by=TEST)
    assert why_not(message) == "the offer was rejected"


def test_a_withdrawal_is_not_told_to_the_rider_who_was_given_the_order():
    offer = offered()
    ops_actions.give_to(offer.delivery.order_id, offer.rider.public_id, by=OPS)
    assert why_not(told("offer.withdrawn")) == "they carry it by now"
    other = offered(rider(), searching())
    with transaction.atomic():
        offers.withdraw_offer(Delivery.objects.get(pk=other.delivery_id), "not needed", by=TEST)
    assert why_not(told("offer.withdrawn")) == ""


def test_a_rider_hears_of_what_is_theirs_now():
    ravi = rider("Ravi")
    delivery = searching()
    ops_actions.give_to(delivery.order_id, ravi.public_id, by=OPS)
    given = told("delivery.given")
    assert why_not(given) == ""
    ops_actions.take_away(delivery.order_id, "a flat tyre", by=OPS)
    withdrawn = told("delivery.withdrawn")
    assert (why_not(given), why_not(withdrawn)) == ("it is not theirs any more", "")
    ops_actions.give_to(delivery.order_id, ravi.public_id, by=OPS)
    assert why_not(withdrawn) == "it is theirs again"
    moved(Delivery.objects.select_related("rider").get(pk=delivery.pk), DeliveryStatus.PICKED_UP)
    assert why_not(given) == "they have fetched it"


def test_a_suspension_matters_while_it_stands():
    ravi = rider()
    riders.suspend_rider(ravi.pk, "fake pickups", by=OPS)
    message = told("rider.suspended")
    assert fresh(message) == {"reason": "fake pickups"}
    riders.reinstate_rider(ravi.pk, by=OPS)
    assert why_not(message) == "they are verified by now"


# ── stores ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_order_waits_for_the_store_until_it_says_yes():
    placed = paid_order()
    notices.notify_store(placed, "store.acknowledge_reminder")
    both = told("store.order_placed"), told("store.acknowledge_reminder")
    assert [why_not(one) for one in both] == ["", ""]
    acknowledged(placed)
    assert [why_not(one) for one in both] == ["the order is confirmed by now"] * 2


def test_a_store_hears_how_its_account_stands_now():
    seller = store()
    account = ConnectAccount.objects.create(payee_kind=PayeeKind.STORE, payee_id=seller.pk, stripe_account="acct_1")
    welcome, again = (say(seller.recipient_id, event) for event in ("store.connected", "store.reconnect"))
    assert (why_not(welcome), why_not(again)) == ("", "the account is connected again")
    account.stripe_account = ""
    account.save()
    assert (why_not(welcome), why_not(again)) == ("the account was disconnected since", "")


def test_an_event_that_nobody_knows_yet_is_told_as_it_was_written():
    assert message_freshness.current_params(Message(event="delivery.beamed")) == {}


def test_where_to_follow_an_order_is_told_while_it_is_under_way():
    placed = paid_order()
    link_message.send_tracking_link(placed.pk)
    assert fresh(told("order.placed")) == {}
    with transaction.atomic():
        cancellation.cancel_order(locks.lock_order(placed.pk), by=TEST, reason="the customer called")
    assert why_not(told("order.placed")) == "the order is cancelled by now"
