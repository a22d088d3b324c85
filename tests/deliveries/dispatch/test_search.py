"""Searching: from the first look to an offer, to another look, or to the order's end; never a silent dead end."""

from datetime import timedelta

import pytest
from django.db.models import F

from deliveries import reactions
from deliveries.dispatch import search
from deliveries.fulfilment import offer_responses, transitions
from deliveries.models import Delivery, DispatchDecision, Offer
from foundation import clock
from foundation.models import Job
from foundation.work import LostLease, WorkState
from foundation.work_queues import all_queues
from notifications.models import Incident, Message
from orders import locks, serviceability
from orders.models import Order, Refund, Store
from riders import availability, capacity
from riders.models import RiderSpot
from tests.builders import CENTRE, TEST, assigned, dispatch, near, offered, rider, searching
from tests.capacity_audit import find_differences

pytestmark = pytest.mark.django_db


def look_again() -> DispatchDecision:
    """The time of the next look has come."""
    Delivery.objects.update(due_at=clock.now() - timedelta(seconds=1))
    assert all_queues()["dispatch"].drain_once() == 1
    return DispatchDecision.objects.latest("pk")


def verdicts(decision: DispatchDecision) -> dict[str, str]:
    return {one["name"]: one["verdict"] for one in decision.candidates}


# spec: D1
def test_every_choice_is_explained():
    rider("Asha", at=near(north_m=900))
    rider("Busy", at=near(north_m=100), load=1)
    rider("Full", load=3)
    rider("Far", at=near(north_m=4_000))
    rider("Offline", online=False)
    stale = rider("Stale")
    RiderSpot.objects.filter(pk=stale.pk).update(seen_at=clock.now() - timedelta(minutes=5))
    searching()
    dispatch()
    decision = DispatchDecision.objects.get()
    assert (decision.outcome, decision.radius_m) == ("offered", 3_000)
    assert decision.reason == "Asha is best of 2: 0 under way, 900 m away"
    assert [one["name"] for one in decision.candidates[:2]] == ["Asha", "Busy"]
    assert verdicts(decision) == {
        "Asha": "candidate",
        "Busy": "candidate",
        "Full": "full",
        "Far": "out_of_range",
        "Stale": "stale_position",
    }
    assert decision.exclusions == {"full": 1, "out_of_range": 1, "stale_position": 1}
    assert decision.policy["offer_s"] == 30
    offer = Offer.objects.get()
    assert (offer.rider.name, offer.decision) == ("Asha", decision)


# spec: D1, D2
def test_nobody_is_asked_twice_for_the_same_delivery():
    first, second = rider("First"), rider("Second", at=near(north_m=100))
    offer_responses.reject_offer(offered(first).pk, first, by=TEST)
    dispatch()
    offer_responses.reject_offer(Offer.objects.get(status="pending").pk, second, by=TEST)
    decision = look_again()
    assert decision.outcome == "waiting"
    assert verdicts(decision) == {"First": "rejected", "Second": "rejected"}


# spec: D4
def test_nobody_there_widens_waits_alerts_and_goes_on():
    delivery = searching()
    dispatch()
    seen = [DispatchDecision.objects.get(), look_again(), look_again(), look_again()]
    assert [decision.radius_m for decision in seen] == [3_000, 6_000, 12_000, 15_000]
    assert {decision.outcome for decision in seen} == {"waiting"}
    assert seen[-1].reason == "nobody within 15.0 km; no courier company"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.retry_count, delivery.search_rounds) == (WorkState.PENDING, 0, 4)
    assert 10 < (delivery.due_at - clock.database_now()).total_seconds() < 16
    assert not Incident.objects.exists()

    Delivery.objects.update(search_started_at=F("search_started_at") - timedelta(minutes=3))
    assert look_again().outcome == "alerted"
    incident = Incident.objects.get()
    assert (incident.kind, incident.severity, incident.status) == ("delivery_without_rider", "critical", "open")
    assert incident.order_ref == Order.objects.get().public_id
    assert look_again().outcome == "waiting"
    Delivery.objects.update(alerted_at=F("alerted_at") - timedelta(minutes=3))
    assert look_again().outcome == "alerted"
    incident.refresh_from_db()
    assert incident.count == 2

    ravi = rider()
    assert look_again().outcome == "offered"
    offer_responses.accept_offer(Offer.objects.get().pk, ravi, by=TEST)
    incident.refresh_from_db()
    assert incident.status == "resolved"


# spec: D4
def test_a_wide_search_reaches_the_far_rider():
    far = rider(at=near(north_m=10_000))
    searching()
    dispatch()
    look_again()
    look_again()
    assert Offer.objects.get().rider == far


# spec: D4
def test_a_rider_coming_online_is_offered_the_waiting_delivery():
    delivery = searching()
    dispatch()
    one = rider(online=False)
    availability.set_online(one.pk, True, CENTRE, by=TEST)
    dispatch()
    assert not Offer.objects.exists()  # the reaction has not run yet
    reactions.follow_rider(one.pk)
    dispatch()
    assert Offer.objects.get().rider == one
    reactions.follow_rider(one.pk)
    delivery.refresh_from_db()
    assert delivery.due_at > clock.database_now()  # an open offer is not disturbed


# spec: D4
def test_only_deliveries_that_the_rider_can_have_are_woken():
    refuser = rider()
    waiting, elsewhere, later = searching(), searching(), searching()
    Store.objects.filter(pk=elsewhere.order.store_id).update(latitude=13.5)
    Delivery.objects.filter(pk=later.pk).update(due_at=clock.now() + timedelta(hours=1))
    availability.set_online(refuser.pk, False, None, by=TEST)
    dispatch()
    availability.set_online(refuser.pk, True, CENTRE, by=TEST)
    assert search.wake_searches_near(refuser.pk) == 1
    assert Delivery.objects.get(due_at__lte=clock.database_now()) == waiting
    dispatch()
    offer_responses.reject_offer(Offer.objects.get().pk, refuser, by=TEST)
    dispatch()
    assert search.wake_searches_near(refuser.pk) == 0
    assert search.wake_searches_near(rider(online=False).pk) == 0


# spec: D2, D4
def test_a_freed_rider_is_a_reason_to_look_again():
    one = rider(max_concurrent=1)
    first = assigned(one)
    waiting = searching()
    dispatch()
    order = locks.lock_order(first.order_id)
    transitions.fail_delivery(order, transitions.lock_live(order), "bicycle broke down", by=TEST)
    assert Job.objects.filter(handler="deliveries.follow_rider", subject=f"rider:{one.pk}").exists()
    reactions.follow_rider(one.pk)
    dispatch()
    assert Offer.objects.get(delivery=waiting).rider == one


# spec: D3
@pytest.mark.parametrize("change", [{"latitude": CENTRE.lat + 0.2}, {"latitude": None, "longitude": None}])
def test_what_cannot_be_delivered_is_refunded_before_any_offer(change: dict):
    rider()
    delivery = searching()
    Order.objects.filter(pk=delivery.order_id).update(**change)
    dispatch()
    assert not Offer.objects.exists()
    delivery.refresh_from_db()
    order = Order.objects.get()
    refusal = serviceability.check_serviceable(order.store, order.point, order.created_at)
    assert refusal.message == f"Order auto-rejected, reason: {refusal.reason}"
    assert (delivery.status, delivery.end_reason, delivery.state) == ("cancelled", refusal.message, WorkState.DONE)
    assert (order.status, order.cancel_reason) == ("cancelled", refusal.message)
    assert Refund.objects.get().amount_minor == order.total_minor
    assert Message.objects.get(event="order.auto_rejected").params["reason"] == refusal.reason
    assert DispatchDecision.objects.get().outcome == "refused"


# spec: D3
def test_a_store_that_pauses_or_closes_still_hands_over_what_it_acknowledged():
    ravi = rider()
    delivery = searching()
    Store.objects.update(is_available=False)
    dispatch()
    assert Offer.objects.get(delivery=delivery).rider == ravi


# spec: O7
def test_a_look_at_a_cancelled_order_ends_the_search():
    rider()
    delivery = searching()
    Order.objects.update(preparation="cancelled", cancel_reason="changed their mind")
    dispatch()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.end_reason, delivery.state) == (
        "cancelled",
        "changed their mind",
        WorkState.DONE,
    )
    assert not Offer.objects.exists()


def test_a_look_whose_lease_was_lost_changes_nothing():
    rider()
    delivery = searching()
    (mine,) = Delivery.claim_batch(limit=10, lease_s=60)
    Delivery.objects.update(due_at=clock.now() - timedelta(seconds=1))
    Delivery.claim_batch(limit=10, lease_s=60)
    with pytest.raises(LostLease):
        search.run_search(mine)
    assert mine == delivery
    assert not Offer.objects.exists()


def test_a_rider_who_gives_up_is_not_asked_again_and_another_one_is():
    first, second = rider("First"), rider("Second", at=near(north_m=700))
    delivery = assigned(first)
    order = locks.lock_order(delivery.order_id)
    transitions.unassign_rider(order, transitions.lock_live(order), by=TEST, reason="flat tyre")
    dispatch()
    assert Offer.objects.get(status="pending").rider == second
    assert verdicts(DispatchDecision.objects.latest("pk")) == {"First": "gave_up", "Second": "candidate"}


def test_places_and_offers_agree_after_all_of_it():
    one = rider()
    offered(one)
    assert capacity.reserve_place([one.pk]) == one.pk  # a place without an offer: what the check must find
    assert [(d.rider_id, d.counted, d.real) for d in find_differences()] == [(one.pk, (0, 2), (0, 1))]
    capacity.release_offer(one.pk)
    assert find_differences() == []
