"""Orders that courier companies carry: all three over real HTTP, with their webhooks, refusals, silence and outages."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from deliveries.couriers import calls as couriers_calls
from deliveries.fulfilment import ops_actions
from deliveries.lifecycle import LIVE, DeliveryStatus
from deliveries.models import CircuitBreaker, CourierCall, CourierJob, CourierQuote, Delivery, DispatchDecision
from foundation.events import Cause
from foundation.models import Job, OutboundCall, Role, User
from foundation.work import WorkState
from notifications.models import Incident, Message
from orders import cancellation
from orders.models import Refund, Store
from payouts.models import LedgerEntry
from tests.flows.people import Placed, Scene
from webhooks.models import WebhookEvent

OPS = Cause("user:1", "admin")


@dataclass(frozen=True)
class Company:
    """Its own words for the steps of a job."""

    name: str
    assigned: str
    picked_up: str
    on_the_way: str
    delivered: str
    failed: str = ""

    def __str__(self) -> str:
        return self.name


COOCO = Company("cooco", "driver_assigned", "picked_up", "in_transit", "completed", "failed")
UBER = Company("uber", "pickup", "pickup_complete", "dropoff", "delivered", "returned")
DOORDASH = Company("doordash", "confirmed", "picked_up", "enroute_to_dropoff", "delivered", "cancelled")
ALL = [COOCO, UBER, DOORDASH]


@pytest.fixture(autouse=True)
def as_on_other_days(scene: Scene) -> Iterator[None]:
    """DoorDash says all it can, and knows its way; whatever a story did to the companies is over when it ends."""
    scene.outside.control("POST", "doordash/behaviour", {"enroute_events": True})
    home = {"address": "1 Some Street", "lat": scene.centre.lat + 0.008, "lng": scene.centre.lng}
    scene.outside.control("POST", "doordash/places", home)
    yield
    for company in ALL:
        fine = {"refuse_cancel": False, "drop_webhooks": 0.0, "no_couriers": False, "fail": 0.0, "cancel": 0.0}
        scene.outside.control("POST", f"{company.name}/behaviour", fine)
    CircuitBreaker.objects.all().delete()


def store_of(scene: Scene, *carriers: str, **facts: Any) -> Store:
    """A store that wants these carriers, in this order."""
    policy = {"carried_by": Store.Carriers.PREFERRED, "preferred_carriers": list(carriers)}
    pos = {"pos_kind": Store.Pos.PETPOOJA, "pos_rest_id": f"rest-c{scene.number}-{Store.objects.count()}"}
    return scene.create_store(**{**policy, **pos, "phone": "+15125550100", **facts})


def ordered_from(scene: Scene, store: Store) -> Placed:
    """A paid order of somebody who can be called."""
    number = Delivery.objects.count()
    name = f"guest-{scene.number}-{number}"
    customer = {"id": name, "name": "Asha", "email": f"{name}@example.test", "phone": "+15125550123"}
    return scene.place_and_pay(store_id=store.slug, customer=customer)


def sent_to(scene: Scene, company: Company, *more: str) -> tuple[Placed, Delivery]:
    """A paid order that this company has taken."""
    placed = ordered_from(scene, store_of(scene, company.name, *more))
    taken = Delivery.objects.filter(order__public_id=placed.ref, courier=company.name).exclude(
        courier_job__reference=""
    )
    return placed, scene.wait_for(taken.first, lambda: f"{company} to take {story(placed)}")


def story(placed: Placed) -> str:
    deliveries = Delivery.objects.filter(order__public_id=placed.ref)
    calls = CourierCall.objects.filter(delivery__in=deliveries).values_list("purpose", "state", "error_message")
    quotes = CourierQuote.objects.filter(delivery__in=deliveries).values_list("courier", "outcome", "reason")
    return f"{placed.status} {list(deliveries.values_list('courier', 'status'))} {list(calls)} {list(quotes)}"


def moves(scene: Scene, company: Company, delivery: Delivery, word: str, reason: str = "") -> None:
    body = {"to": word, "reason": reason}
    scene.outside.control("POST", f"{company.name}/jobs/{delivery.external_id}/move", body)


def job(scene: Scene, company: Company, delivery: Delivery) -> dict[str, Any]:
    [found] = scene.outside.control("GET", f"{company.name}/jobs?external_id={delivery.external_id}")["jobs"]
    return dict(found)


def is_now(scene: Scene, delivery: Delivery, status: str) -> Delivery:
    scene.wait_for(
        lambda: Delivery.objects.filter(pk=delivery.pk, status=status).exists(),
        lambda: f"{status}: {Delivery.objects.get(pk=delivery.pk).__dict__}",
    )
    return Delivery.objects.get(pk=delivery.pk)


# spec: C1, C2, C3, C6, C7, C8, C9, W1, W2, W3
@pytest.mark.parametrize("company", ALL, ids=str)
def test_a_company_carries_an_order_from_the_quote_to_the_door(scene: Scene, company: Company):
    placed, delivery = sent_to(scene, company)
    assert scene.read_tracking(placed)["delivery_provider"] == company.name
    moves(scene, company, delivery, company.assigned)
    scene.wait_for_status(placed, "assigned_to_driver")
    assert scene.read_tracking(placed)["driver_details"]["name"]
    moves(scene, company, delivery, company.picked_up)
    scene.wait_for_status(placed, "picked_up", "in_transit")
    moves(scene, company, delivery, company.on_the_way)
    scene.wait_for_status(placed, "in_transit")
    moves(scene, company, delivery, company.delivered)
    scene.wait_for_status(placed, "delivered")
    scene.settle()
    told = Message.objects.filter(recipient=placed.row.customer.recipient)
    events = list(told.values_list("event", flat=True))
    assert {"delivery.assigned", "delivery.on_the_way", "delivery.completed", "review.requested"} <= set(events)
    assert len(events) == len(set(events))

    made = job(scene, company, delivery)
    assert (made["times_created"], made["live"]) == (1, False)
    order = placed.row
    assert order.external_delivery_provider == company.name
    assert bool(order.cooco_delivery_id) == (company is COOCO)
    [entry] = LedgerEntry.objects.filter(order_ref=placed.ref, account__payee_kind="provider")
    assert (entry.kind, entry.account.kind, entry.amount_minor > 0) == ("delivery_fee", "payable", True)
    calls = OutboundCall.objects.filter(provider=company.name, reference=f"delivery:{delivery.pk}")
    assert calls.exists()
    assert "Asha" not in str(list(calls.values_list("request", "answer")))
    assert DispatchDecision.objects.filter(delivery=delivery, outcome="requested").get().couriers
    assert not WebhookEvent.objects.filter(provider=company.name, processed=False).exists()


# spec: C3, C9
def test_a_courier_who_fails_at_the_door_has_the_customer_refunded(scene: Scene):
    placed, delivery = sent_to(scene, COOCO)
    for word in (COOCO.assigned, COOCO.picked_up, COOCO.on_the_way):
        moves(scene, COOCO, delivery, word)
    scene.wait_for_status(placed, "in_transit")
    moves(scene, COOCO, delivery, COOCO.failed, "customer_not_available")
    scene.wait_for_status(placed, "delivery_failed", "refunded")
    scene.wait_for(lambda: scene.read_charge(placed) == (5_000, 5_000), "the refund")
    failed = Delivery.objects.get(pk=delivery.pk)
    assert failed.end_reason == "customer_not_available"
    assert Incident.objects.filter(kind="delivery_failed", order_ref=placed.ref).exists()


# spec: O7, C2, C6
@pytest.mark.parametrize("company", [COOCO, UBER], ids=str)
def test_a_cancelled_order_is_cancelled_at_the_company(scene: Scene, company: Company):
    placed, delivery = sent_to(scene, company)
    moves(scene, company, delivery, company.assigned)
    is_now(scene, delivery, DeliveryStatus.ASSIGNED)
    cancellation.cancel_by_person(placed.row.pk, by=OPS, reason="changed mind")
    ended = is_now(scene, delivery, DeliveryStatus.CANCELLED)
    assert not job(scene, company, delivery)["live"]
    if company is COOCO:
        assert ended.courier_job.fee_minor == 500
        scene.settle()
        [entry] = LedgerEntry.objects.filter(order_ref=placed.ref, account__payee_kind="provider")
        assert (entry.kind, entry.amount_minor) == ("cancellation_fee", 500)


# spec: C2
def test_doordash_goes_on_once_a_dasher_is_assigned_and_ops_decides(scene: Scene):
    placed, delivery = sent_to(scene, DOORDASH, "in_house")
    moves(scene, DOORDASH, delivery, DOORDASH.assigned)
    is_now(scene, delivery, DeliveryStatus.ASSIGNED)
    ops_actions.stop_courier(placed.row.pk, "the store is out of rice", by=OPS)
    scene.wait_for(
        lambda: CourierJob.objects.get(pk=delivery.pk).stop_refused_at, lambda: f"the refusal: {story(placed)}"
    )
    assert Incident.objects.filter(kind="courier_will_not_stop", order_ref=placed.ref, status="open").exists()
    assert Delivery.objects.filter(order__public_id=placed.ref, status__in=LIVE).get().pk == delivery.pk
    lead = User.objects.create_user(f"lead-{scene.number}", "lead@example.test", "x", role=Role.OPS_LEAD)
    ops_actions.decide_stop(placed.row.pk, "keep", lead, by=OPS)
    for word in (DOORDASH.picked_up, DOORDASH.on_the_way, DOORDASH.delivered):
        moves(scene, DOORDASH, delivery, word)
    scene.wait_for_status(placed, "delivered")


# spec: C4, C8
@pytest.mark.parametrize("company", ALL, ids=str)
def test_a_lost_answer_makes_no_second_job(scene: Scene, company: Company):
    fault = {"provider": company.name, "direction": "answer", "kind": "lost_answer", "times": 2, "path": "deliver"}
    scene.outside.control("POST", "faults", fault)
    placed = ordered_from(scene, store_of(scene, company.name))
    delivery = scene.wait_without_delays(
        lambda: (
            Delivery.objects.filter(order__public_id=placed.ref, courier=company.name)
            .exclude(courier_job__reference="")
            .first()
        ),
        f"{company} to be found again",
    )
    for word in (company.assigned, company.picked_up, company.on_the_way, company.delivered):
        moves(scene, company, delivery, word)
    scene.wait_for_status(placed, "delivered")
    jobs = scene.outside.control("GET", f"{company.name}/jobs?limit=1000")["jobs"]
    assert len([one for one in jobs if one["external_id"].startswith(placed.ref)]) == 1


# spec: C5
@pytest.mark.parametrize("company", ALL, ids=str)
def test_lost_webhooks_leave_nothing_stuck(scene: Scene, company: Company):
    placed, delivery = sent_to(scene, company)
    scene.outside.control("POST", f"{company.name}/behaviour", {"drop_webhooks": 1.0})
    for word in (company.assigned, company.picked_up, company.on_the_way, company.delivered):
        moves(scene, company, delivery, word)
    assert placed.status != "delivered"

    def healed() -> bool:
        CourierJob.objects.filter(pk=delivery.pk).update(last_heard_at=F("last_heard_at") - timedelta(minutes=3))
        couriers_calls.poll_silent(silent_s=120)
        return placed.status == "delivered"

    scene.wait_for(healed, lambda: f"what the webhooks would have told: {story(placed)}")


# spec: C4
def test_an_outage_is_waited_out_then_given_up_and_comes_back(scene: Scene):
    """Five minutes pass by moving what waits for them."""
    rider = scene.add_rider()
    store = store_of(scene, "cooco", "in_house")
    scene.outside.control("POST", "faults", {"provider": "cooco", "direction": "answer", "kind": "error_500"})
    placed = ordered_from(scene, store)
    given_up = Delivery.objects.filter(order__public_id=placed.ref, courier="cooco")
    scene.wait_for(given_up.first, lambda: f"COOCO to be asked: {story(placed)}")
    first = given_up.get()

    def five_minutes_over() -> bool:
        Job.objects.filter(handler="deliveries.courier_time_is_up", state=WorkState.PENDING).update(
            due_at=F("due_at") - timedelta(minutes=6)
        )
        return Delivery.objects.filter(order__public_id=placed.ref, attempt=2).exists()

    scene.wait_for(five_minutes_over, lambda: f"own riders to be asked: {story(placed)}")
    assert Delivery.objects.get(pk=first.pk).status == DeliveryStatus.CANCELLED
    assert Incident.objects.filter(kind="courier_given_up").exists()
    scene.outside.control("DELETE", "faults")
    scene.carry_order(rider, placed)
    scene.wait_for_status(placed, "delivered")
    assert not [one for one in scene.outside.control("GET", "cooco/jobs?limit=1000")["jobs"] if one["live"]]


# spec: C4, O1
def test_duplicated_and_shuffled_webhooks_tell_the_same_story(scene: Scene):
    for company in ALL:
        for kind in ("duplicate", "reorder"):
            fault = {"provider": company.name, "direction": "webhook", "kind": kind, "share": 0.5}
            scene.outside.control("POST", "faults", fault)
    carried = [(company, *sent_to(scene, company)) for company in ALL]
    for company, _, delivery in carried:
        for word in (company.assigned, company.picked_up, company.on_the_way, company.delivered):
            moves(scene, company, delivery, word)
    for _, placed, _ in carried:
        scene.wait_for_status(placed, "delivered")
    assert not Refund.objects.filter(order__public_id__in=[placed.ref for _, placed, _ in carried]).exists()
