"""Searching: what happens each time dispatch looks at a delivery that nobody carries yet (SPEC D1–D4).

The delivery is its own work row: `due_at` says when it is looked at next. A look loads a snapshot, lets `decide` say
what to do, and writes it with its reasons, all under the order's lock. It ends with an offer, with another look, or
with the order's end: there is no other way out.
"""

from datetime import datetime, timedelta
from math import cos, degrees, radians
from typing import Any

import structlog
from django.db import connection

from deliveries import locks as deliveries_locks
from deliveries import search_queue
from deliveries.couriers import circuit_breaker, enqueue
from deliveries.dispatch import carrier_options, policy
from deliveries.dispatch import decision as dispatch_decision
from deliveries.dispatch.decision import DispatchPlan, DispatchSnapshot, PlanAction, RiderEligibility
from deliveries.dispatch.policy import DispatchPolicy
from deliveries.fulfilment import offers, transitions
from deliveries.lifecycle import DeliveryStatus, OfferStatus
from deliveries.models import CourierCall, CourierQuote, Delivery, DispatchDecision, Offer
from foundation import clock, events, geo
from foundation.events import Cause
from foundation.work import LostLease, WorkState
from notifications.incidents import service
from notifications.models import Severity
from orders import cancellation, serviceability
from orders import locks as orders_locks
from orders.models import Order
from riders import capacity, nearest
from riders.models import RiderSpot

log = structlog.get_logger(__name__)

BY = Cause("system", "job:dispatch")
OFFER_GRACE = timedelta(seconds=2)  # after the deadline of an open offer: its own work queue has closed it by then
WOKEN_AT_ONCE = 6  # a rider has places for a few; the others look again by themselves
CONTENDED_WAIT_S = 0.1
ABOUT_NEW_ORDERS = frozenset({"store_unavailable"})  # a store that pauses still hands over what it has acknowledged
ANSWERS = {
    OfferStatus.REJECTED: RiderEligibility.REJECTED,
    OfferStatus.EXPIRED: RiderEligibility.EXPIRED,
    OfferStatus.ACCEPTED: RiderEligibility.GAVE_UP,
}


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────
def run_search(item: Delivery) -> str | None:
    """Look for a rider (work queue `dispatch`). Returns the state of the work row: pending while the search goes on."""
    order = orders_locks.lock_order(item.order_id)
    delivery = deliveries_locks.lock_delivery(item.pk)
    if (delivery.state, delivery.lease_token) != (WorkState.LEASED, item.lease_token):
        raise LostLease(str(item.pk))
    if delivery.status != DeliveryStatus.SEARCHING:
        return WorkState.DONE
    if transitions.called_off(order):
        transitions.cancel_delivery(order, delivery, by=BY, reason=order.cancel_reason or f"order {order.status}")
        return WorkState.DONE
    if open_offer := Offer.objects.filter(delivery=delivery, status=OfferStatus.PENDING).first():
        return _search_again(delivery, open_offer.expires_at + OFFER_GRACE)
    rules = policy.current_policy()
    if _refuse_undeliverable(order, delivery, rules):
        return WorkState.DONE
    return _search_once(order, delivery, rules, clock.database_now())


def _refuse_undeliverable(order: Order, delivery: Delivery, rules: DispatchPolicy) -> bool:
    """An order that cannot be delivered is refunded before any rider is asked (SPEC D3)."""
    refusal = serviceability.check_serviceable(order.store, order.point, order.created_at)
    if refusal is None or refusal.code in ABOUT_NEW_ORDERS:
        return False
    DispatchDecision.objects.create(
        delivery=delivery, outcome="refused", reason=refusal.message[:200], radius_m=0, policy=rules.as_json()
    )
    cancellation.reject_undeliverable(order, refusal, by=BY)
    transitions.cancel_delivery(order, delivery, by=BY, reason=refusal.message)
    log.info("delivery_refused", delivery=delivery.pk, order=order.public_id, reason=refusal.code)
    return True


def _search_once(order: Order, delivery: Delivery, rules: DispatchPolicy, now: datetime) -> str:
    if delivery.search_started_at is None:
        delivery.search_started_at = now
    plan = dispatch_decision.decide_plan(load_snapshot(order, delivery, rules, now), rules, now)
    if plan.action == PlanAction.OFFER:
        return _offer_to_rider(order, delivery, rules, plan, now)
    if plan.action == PlanAction.REQUEST:
        return _request_courier(order, delivery, rules, plan, now)
    if plan.action == PlanAction.ASK:
        _request_quotes(delivery, rules, plan)
        return _search_again(delivery, now + timedelta(seconds=plan.wait_s))
    if plan.alert:
        _alert_ops(order, delivery, plan, now)
    _store_decision(delivery, rules, plan, "alerted" if plan.alert else "waiting")
    return _search_again(delivery, now + timedelta(seconds=plan.wait_s), rounds=delivery.search_rounds + 1)


def load_snapshot(order: Order, delivery: Delivery, rules: DispatchPolicy, now: datetime) -> DispatchSnapshot:
    """What `decide` may know: the best free riders, those around who may not be, and who had this delivery before."""
    pickup = order.store.point
    if pickup is None:
        raise ValueError(f"{order.store} has no coordinates")  # refused before (SPEC D3)
    answers = Offer.objects.filter(delivery=delivery, status__in=ANSWERS).values_list("rider_id", "status")
    turned_down = {rider_id: ANSWERS[OfferStatus(status)] for rider_id, status in answers}
    radius_m = rules.radius_m(delivery.search_rounds)
    free = nearest.nearest_candidates(
        pickup,
        radius_m,
        rules.candidates,
        seen_after=now - timedelta(seconds=rules.fresh_s),
        without=turned_down.keys(),
    )
    around = nearest.riders_around(pickup, rules.max_radius_m, rules.shown_around)
    known = {rider.rider_id: rider for rider in (*around, *free)}
    return DispatchSnapshot(
        riders=tuple(known.values()),
        turned_down=turned_down,
        rounds=delivery.search_rounds,
        searching_since=delivery.search_started_at or now,
        alerted_at=delivery.alerted_at,
        carrier_policy=carrier_options.load_carrier_policy(order, delivery, now),
        couriers=carrier_options.list_options(order, delivery),
    )


def _request_quotes(delivery: Delivery, rules: DispatchPolicy, plan: DispatchPlan) -> None:
    """Courier companies are asked for quotes; each answer has the delivery looked at again."""
    for courier in plan.ask:
        enqueue.enqueue_call(delivery, CourierCall.Purpose.QUOTE, courier=courier)
    _store_decision(delivery, rules, plan, "asked")


def _request_courier(order: Order, delivery: Delivery, rules: DispatchPolicy, plan: DispatchPlan, now: datetime) -> str:
    """A courier company shall carry it."""
    option = plan.option
    if option is None or not circuit_breaker.begin_probe(option.courier):
        return _search_again(delivery, now + timedelta(seconds=CONTENDED_WAIT_S))
    _store_decision(delivery, rules, plan, "requested")
    delivery.search_started_at = delivery.search_started_at or now
    delivery.save(update_fields=["search_started_at"])
    quote = CourierQuote.objects.filter(pk=option.quote_id or 0).first()
    transitions.request_courier(order, delivery, option.courier, quote, by=BY)
    return WorkState.DONE


def _offer_to_rider(order: Order, delivery: Delivery, rules: DispatchPolicy, plan: DispatchPlan, now: datetime) -> str:
    rider_id = capacity.reserve_place(plan.preferred_riders)
    if rider_id is None:
        log.info("candidates_taken", delivery=delivery.pk, candidates=len(plan.preferred_riders))
        return _search_again(delivery, now + timedelta(seconds=CONTENDED_WAIT_S))
    decision = _store_decision(delivery, rules, plan, "offered")
    chosen = next(one.rider for one in plan.assessed if one.rider.rider_id == rider_id)
    offer = offers.make_offer(
        order,
        delivery,
        rider_id,
        distance_m=chosen.distance_m,
        offer_s=rules.offer_s,
        decision=decision,
        by=BY,
    )
    return _search_again(delivery, offer.expires_at + OFFER_GRACE)


def _store_decision(delivery: Delivery, rules: DispatchPolicy, plan: DispatchPlan, outcome: str) -> DispatchDecision:
    return DispatchDecision.objects.create(
        delivery=delivery,
        outcome=outcome,
        reason=plan.reason[:200],
        radius_m=plan.radius_m,
        policy=rules.as_json(),
        candidates=[one.as_json() for one in plan.assessed],
        exclusions=plan.exclusion_counts,
        couriers=[one.as_json() for one in plan.weighed],
    )


def _search_again(delivery: Delivery, due_at: datetime, *, rounds: int | None = None) -> str:
    """Search again then. A look that went well uses up no try: a search may take any number of them."""
    Delivery.objects.filter(pk=delivery.pk).update(
        due_at=due_at,
        retry_count=0,
        search_started_at=delivery.search_started_at,
        search_rounds=delivery.search_rounds if rounds is None else rounds,
        alerted_at=delivery.alerted_at,
    )
    return WorkState.PENDING


# ── telling ops ──────────────────────────────────────────────────────────────────────────────────────────────────
def _alert_ops(order: Order, delivery: Delivery, plan: DispatchPlan, now: datetime) -> None:
    delivery.alerted_at = now
    waited_s = (now - (delivery.search_started_at or now)).total_seconds()
    service.open_incident(
        "delivery_without_rider",
        severity=Severity.CRITICAL,
        title=f"Nobody carries order {order.order_id} of {order.store.name} after {waited_s / 60:.0f} min",
        dedupe=search_queue.incident_key(delivery),
        subject=events.subject_of(delivery),
        order_ref=order.public_id,
        detail={"reason": plan.reason, "passed_over": plan.exclusion_counts, "waited_s": round(waited_s)},
    )


# ── waking ───────────────────────────────────────────────────────────────────────────────────────────────────────
_WAKE = """
    WITH waiting AS MATERIALIZED (
        SELECT d.id FROM deliveries_delivery d
        JOIN orders_order o ON o.id = d.order_id JOIN orders_store s ON s.id = o.store_id
        WHERE d.state IN ('pending', 'leased') AND d.status = 'searching' AND d.search_started_at IS NOT NULL
          AND s.latitude BETWEEN %(south)s AND %(north)s AND s.longitude BETWEEN %(west)s AND %(east)s
          AND NOT EXISTS (SELECT FROM deliveries_offer f WHERE f.delivery_id = d.id AND f.status <> 'withdrawn'
                          AND (f.status = 'pending' OR f.rider_id = %(rider)s))
        ORDER BY d.search_started_at LIMIT %(limit)s
    ), locked AS MATERIALIZED (
        SELECT d.id, d.state FROM deliveries_delivery d JOIN waiting USING (id) ORDER BY d.id FOR NO KEY UPDATE OF d
    )
    UPDATE deliveries_delivery d SET due_at = clock_timestamp() FROM locked
    WHERE d.id = locked.id AND locked.state = 'pending' AND d.status = 'searching' AND d.due_at > clock_timestamp()
"""


def wake_searches_near(rider_id: int) -> int:
    """A free rider is there: deliveries that wait within reach are looked at now, the longest waiting first.

    Deliveries whose time to search has not come are left alone. Returns how many were woken.
    """
    spot = RiderSpot.objects.filter(pk=rider_id, free=True).first()
    if spot is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            _WAKE, {"rider": rider_id, "limit": WOKEN_AT_ONCE, **_bounding_box(spot.latitude, spot.longitude)}
        )
        return int(cursor.rowcount)


def _bounding_box(latitude: float, longitude: float) -> dict[str, Any]:
    """The degrees around a point within which a store may search for somebody there."""
    up = degrees(policy.current_policy().max_radius_m / geo.EARTH_RADIUS_M)
    out = up / max(0.01, cos(radians(latitude)))
    return {"south": latitude - up, "north": latitude + up, "west": longitude - out, "east": longitude + out}
