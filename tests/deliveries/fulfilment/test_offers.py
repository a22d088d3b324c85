"""Offers: made with a deadline of the database's, and one outcome each."""

from datetime import timedelta

import pytest
from django.db.models import F

from deliveries.fraud import flags as fraud_flags
from deliveries.fulfilment import offer_responses, transitions
from deliveries.models import Delivery, FraudFlag, FraudKind, Offer
from foundation import clock
from foundation.errors import Conflict, Forbidden, Invalid, NotFound
from foundation.events import Cause
from foundation.models import Event, Job
from foundation.work import WorkState
from foundation.work_queues import all_queues
from notifications.models import Message
from orders import locks
from orders.models import Order
from riders import riders
from riders.models import Rider
from tests.builders import TEST, dispatch, near, offered, rider, searching, user

pytestmark = pytest.mark.django_db


def overdue(offer: Offer) -> None:
    """Tests move deadlines, not clocks."""
    late = timedelta(seconds=40)
    Offer.objects.filter(pk=offer.pk).update(expires_at=F("expires_at") - late, due_at=F("due_at") - late)


def expire_due() -> int:
    return all_queues()["offers"].drain_once()


def names(offer: Offer) -> list[str]:
    return list(Event.objects.filter(subject=f"offer:{offer.pk}").order_by("version").values_list("name", flat=True))


def load(one: Rider) -> tuple[int, int]:
    one.refresh_from_db()
    return one.active_deliveries, one.open_offers


# spec: D2
def test_an_offer_lives_thirty_seconds_and_the_rider_is_pushed():
    ravi = rider(at=near(east_m=1_200))
    offer = offered(ravi)
    assert offer.status == "pending"
    assert (offer.expires_at - offer.created_at).total_seconds() == pytest.approx(30, abs=0.5)
    assert offer.due_at == offer.expires_at
    assert offer.distance_m == pytest.approx(1_200, abs=3)
    assert load(ravi) == (0, 1)
    order = offer.delivery.order
    push = Message.objects.get(event="offer.made")
    assert (push.recipient_id, push.order_ref) == (ravi.recipient_id, order.public_id)
    assert push.params == {
        "store": order.store.name,
        "distance_m": offer.distance_m,
        "fee": "₹50.00",
        "deadline": clock.format_wire(offer.expires_at),
        "orderId": order.public_id,
        "offerId": str(offer.public_id),
    }
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.status) == (WorkState.PENDING, "searching")
    assert delivery.due_at > offer.expires_at


# spec: D2, R3
def test_accepting_assigns_and_closes():
    offer = offered()
    offer_responses.accept_offer(offer.pk, offer.rider, by=TEST)
    offer.refresh_from_db()
    delivery, order = Delivery.objects.get(), Order.objects.get()
    assert (offer.status, offer.state, offer.decided_at is not None) == ("accepted", WorkState.DONE, True)
    assert (delivery.status, delivery.rider, delivery.state) == ("assigned", offer.rider, WorkState.DONE)
    assert (order.carriage, order.status) == ("assigned", "assigned_to_driver")
    assert load(offer.rider) == (1, 0)
    assert names(offer) == ["offer.made", "offer.accepted"]


# spec: D2, R3
def test_a_second_answer_is_a_conflict_and_changes_nothing():
    offer = offered()
    offer_responses.accept_offer(offer.pk, offer.rider, by=TEST)
    for answer in (offer_responses.accept_offer, offer_responses.reject_offer):
        with pytest.raises(Conflict) as lost:
            answer(offer.pk, offer.rider, by=TEST)
        assert (lost.value.code, lost.value.status) == ("OFFER_TAKEN", 409)
    assert load(offer.rider) == (1, 0)
    assert names(offer) == ["offer.made", "offer.accepted"]


# spec: D2, R3
def test_rejecting_asks_the_next_rider_at_once():
    first, second = rider(), rider(at=near(north_m=500))
    offer = offered(first)
    offer_responses.reject_offer(offer.pk, first, "Too far from current location", by=TEST)
    offer.refresh_from_db()
    assert (offer.status, offer.reason) == ("rejected", "Too far from current location")
    assert load(first) == (0, 0)
    assert Delivery.objects.get().due_at <= clock.database_now()
    dispatch()
    assert Offer.objects.get(status="pending").rider == second
    assert Job.objects.filter(handler="deliveries.follow_rider", subject=f"rider:{first.pk}").exists()


# spec: D2
def test_an_accept_after_the_deadline_fails_even_if_no_sweep_has_run():
    offer = offered()
    overdue(offer)
    for answer in (offer_responses.accept_offer, offer_responses.reject_offer):
        with pytest.raises(Conflict) as late:
            answer(offer.pk, offer.rider, by=TEST)
        assert late.value.code == "OFFER_EXPIRED"
    offer.refresh_from_db()
    assert offer.status == "pending"


# spec: D2
def test_running_out_counts_as_a_rejection_and_asks_the_next_at_once():
    first, second = rider(), rider(at=near(north_m=500))
    offer = offered(first)
    assert expire_due() == 0  # not yet
    overdue(offer)
    assert expire_due() == 1
    offer.refresh_from_db()
    assert (offer.status, offer.reason, offer.state) == ("expired", "Auto-timeout (no response)", WorkState.DONE)
    assert load(first) == (0, 0)
    dispatch()
    assert Offer.objects.get(status="pending").rider == second
    assert names(offer) == ["offer.made", "offer.expired"]
    with pytest.raises(Conflict) as late:
        offer_responses.accept_offer(offer.pk, first, by=TEST)
    assert late.value.code == "OFFER_EXPIRED"


# spec: D2
def test_an_offer_looked_at_before_its_deadline_waits_for_it():
    offer = offered()
    Offer.objects.filter(pk=offer.pk).update(due_at=clock.now() - timedelta(seconds=1))
    assert expire_due() == 1
    offer.refresh_from_db()
    assert (offer.status, offer.state, offer.due_at) == ("pending", WorkState.PENDING, offer.expires_at)


# spec: O7
def test_a_cancelled_delivery_takes_its_offer_back():
    offer = offered()
    order = locks.lock_order(offer.delivery.order_id)
    transitions.cancel_delivery(order, transitions.lock_live(order), by=TEST, reason="customer changed their mind")
    offer.refresh_from_db()
    assert (offer.status, offer.reason) == ("withdrawn", "customer changed their mind")
    assert load(offer.rider) == (0, 0)
    assert Message.objects.get(event="offer.withdrawn").params["offerId"] == str(offer.public_id)
    with pytest.raises(Conflict) as lost:
        offer_responses.accept_offer(offer.pk, offer.rider, by=TEST)
    assert lost.value.code == "OFFER_WITHDRAWN"


# spec: R5
def test_somebody_elses_offer_is_forbidden():
    offer, other = offered(), rider()
    for answer in (offer_responses.accept_offer, offer_responses.reject_offer):
        with pytest.raises(Forbidden, match="This order is not assigned to you"):
            answer(offer.pk, other, by=TEST)
    with pytest.raises(Forbidden):
        offer_responses.find_offer(offer.delivery.order.public_id, other)
    assert load(offer.rider) == (0, 1)


# spec: R3
def test_an_offer_is_found_by_either_id_of_its_order():
    offer = offered()
    order = offer.delivery.order
    assert (
        offer_responses.find_offer(order.public_id, offer.rider)
        == offer_responses.find_offer(order.order_id, offer.rider)
        == offer
    )
    with pytest.raises(NotFound):
        offer_responses.find_offer("o_nothing", offer.rider)
    with pytest.raises(Invalid):
        offer_responses.find_offer("no id/", offer.rider)


# spec: R4
def test_a_rider_who_was_suspended_meanwhile_cannot_accept():
    offer = offered()
    riders.suspend_rider(offer.rider_id, "fake deliveries", by=TEST)
    with pytest.raises(Forbidden) as refused:
        offer_responses.accept_offer(offer.pk, offer.rider, by=TEST)
    assert refused.value.code == "RIDER_SUSPENDED"
    overdue(offer)
    expire_due()
    assert load(offer.rider) == (0, 0)


def test_an_overlong_reason_is_refused_by_name():
    offer = offered()
    with pytest.raises(Invalid) as refused:
        offer_responses.reject_offer(offer.pk, offer.rider, "x" * 201, by=TEST)
    assert refused.value.field == "reason"
    offer.refresh_from_db()
    assert offer.status == "pending"


def answered(one: Rider, *answers: str) -> None:
    """Offers of the past, answered so; and one last one that is rejected now."""
    delivery = searching()
    template = {"rider": one, "distance_m": 1, "fee_minor": 1, "expires_at": clock.now(), "state": WorkState.DONE}
    for answer in answers:
        past = Delivery.objects.create(
            order_id=delivery.order_id,
            attempt=Delivery.objects.count() + 1,
            external_id=f"past-{Delivery.objects.count()}",
            status="cancelled",
            state=WorkState.DONE,
            fee_minor=1,
            currency="INR",
        )
        Offer.objects.create(delivery=past, status=answer, **template)
    offer_responses.reject_offer(offered(one, delivery).pk, one, by=TEST)


# spec: R9
@pytest.mark.parametrize(
    ("answers", "flagged"),
    [
        (["accepted"] * 13 + ["rejected"] * 3 + ["expired"] * 3, True),  # 7 of 20
        (["accepted"] * 14 + ["rejected"] * 5, False),  # 6 of 20 is not over 30 %
        (["rejected"] * 18, False),  # too few to judge
        (["withdrawn"] * 30 + ["rejected"] * 5, False),  # taken back is not turned down
        (["rejected"] * 30 + ["accepted"] * 14 + ["expired"] * 5, False),  # long ago
    ],
)
def test_a_rejection_rate_over_thirty_percent_of_twenty_is_flagged(answers: list[str], flagged: bool):
    one = rider()
    answered(one, *answers)
    flags = FraudFlag.objects.filter(kind=FraudKind.REJECTION_RATE, rider=one)
    assert flags.exists() == flagged
    if flagged:
        (sighting,) = flags.get().evidence["sightings"]
        assert (sighting["offers"], sighting["rejected"], sighting["expired"]) == (20, 4, 3)


# spec: R9
def test_a_rejection_rate_is_flagged_once_per_window():
    one, flags = rider(), FraudFlag.objects.order_by("pk")
    answered(one, *["rejected"] * 25)
    answered(one)  # ops has not looked yet: nothing to add
    assert [flag.evidence["count"] for flag in flags] == [1]
    fraud_flags.dismiss_flag(flags.get(), by=Cause(f"user:{user().pk}", "admin"), note="the map was wrong")
    answered(one, *["rejected"] * 18)  # with the one of now: 19 since the decision
    assert len(flags) == 1
    answered(one)
    assert len(flags.all()) == 2
