"""Taking what a courier company tells of a delivery: from its webhooks, from the answers to our calls, from polling
(SPEC C3, O1). The verbs that move a delivery which a company has.

News in any order, late and twice ends in the same state: the facts are kept (status_history.py), the status follows from
them, and the order's carriage is told what is new. What only an answer or a person can decide (give up, stop, keep) is
in cancellation.py.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from django.db import connection, transaction

from deliveries import locks as deliveries_locks
from deliveries.couriers import enqueue, outcomes, status_history
from deliveries.couriers.providers.base import CourierProvider
from deliveries.couriers.providers.status_update import ENDS, CourierStage, CourierUpdate
from deliveries.eta import estimate, learned_speeds
from deliveries.lifecycle import LIVE, DeliveryStatus
from deliveries.models import CourierCall, Delivery
from deliveries.positions import tracks
from foundation import clock, events
from foundation.errors import Permanent
from foundation.events import Cause
from foundation.evidence import EventOutcome
from foundation.webhook import IncomingEvent
from notifications.incidents import service
from notifications.models import Severity
from orders import delivery_progress, transitions
from orders import locks as orders_locks
from orders.lifecycle import PreparationState
from orders.models import Order

log = structlog.get_logger(__name__)

SHAPE_ERRORS = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
REASON_LENGTH = Delivery._meta.get_field("end_reason").max_length or 0
WHAT_IT_COSTS = {"courier_facts", "courier_fee_minor", "courier_fee_currency"}  # the books follow an ended one as well
NAMES = {
    DeliveryStatus.ASSIGNED: "delivery.assigned",
    DeliveryStatus.PICKED_UP: "delivery.picked_up",
    DeliveryStatus.IN_TRANSIT: "delivery.left",
}


# ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────────────
def apply_event(provider: CourierProvider, event: IncomingEvent) -> EventOutcome:
    """One stored event, in the caller's transaction. Raises Permanent when it is not shaped as documented."""
    update = _read_update(provider, event)
    if update is None:
        return EventOutcome.IGNORED
    if provider.is_position(event.event_type):
        return store_positions([update])[0]
    return apply_update(update)


def apply_events(provider: CourierProvider, events: Sequence[IncomingEvent]) -> list[EventOutcome]:
    """A chunk of stored events: those that only say where a driver is share one statement, however many (SPEC C3)."""
    verdicts: dict[int, EventOutcome] = {}
    points: dict[int, CourierUpdate] = {}
    for number, event in enumerate(events):
        update = _read_update(provider, event)
        if update is None:
            verdicts[number] = EventOutcome.IGNORED
        elif provider.is_position(event.event_type):
            points[number] = update
        else:
            with structlog.contextvars.bound_contextvars(webhook=update.cause):
                verdicts[number] = apply_update(update)
    verdicts |= dict(zip(points, store_positions(list(points.values())), strict=True))
    return [verdicts[number] for number in range(len(events))]


def _read_update(provider: CourierProvider, event: IncomingEvent) -> CourierUpdate | None:
    try:
        update = provider.read_event(event.event_type, event.payload)
    except SHAPE_ERRORS as error:
        raise Permanent(f"{event.event_type} is not shaped as documented: {error!r}") from error
    return None if update is None else replace(update, cause=f"webhook:{provider.name}:{event.event_id}"[:300])


_KEEP = """
    INSERT INTO deliveries_track (rider_id, delivery_id, latitude, longitude, recorded_at)
    SELECT NULL, d.id, p.lat, p.lng, coalesce(p.recorded_at, clock_timestamp())
    FROM unnest(%(ids)s::text[], %(refs)s::text[], %(lats)s::float8[], %(lngs)s::float8[], %(times)s::timestamptz[])
        AS p(external_id, courier_ref, lat, lng, recorded_at)
    JOIN LATERAL (
        SELECT id FROM deliveries_delivery
        WHERE courier = %(courier)s AND status = ANY(%(live)s)
          AND (external_id = p.external_id OR (p.external_id = '' AND courier_ref = p.courier_ref))
        FOR SHARE
    ) d ON true
    ON CONFLICT (delivery_id, recorded_at) DO NOTHING
    RETURNING delivery_id
"""


def store_positions(update: Sequence[CourierUpdate]) -> list[EventOutcome]:
    """Where drivers are: kept with live deliveries and announced to their watchers; the order is never touched."""
    seen = [one for one in update if one.position is not None]
    if not seen:
        return [EventOutcome.IGNORED] * len(update)
    params: dict[str, Any] = {
        "courier": seen[0].courier,
        "live": [str(status) for status in LIVE],
        "ids": [one.external_id for one in seen],
        "refs": [one.courier_ref for one in seen],
        "lats": [one.position.lat for one in seen if one.position],
        "lngs": [one.position.lng for one in seen if one.position],
        "times": [one.occurred_at for one in seen],
    }
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, params)
    return [EventOutcome.IGNORED if one.position is None else EventOutcome.APPLIED for one in update]


# ── taking ───────────────────────────────────────────────────────────────────────────────────────────────────────
def apply_update(update: CourierUpdate) -> EventOutcome:
    """Write down what is now true of the delivery that `news` is about, and tell the order."""
    with transaction.atomic():
        found_delivery = _find_delivery(update)
        if found_delivery is None:
            return _report_unknown_job(update)
        order = orders_locks.lock_order(found_delivery.order_id)
        delivery = deliveries_locks.lock_delivery(found_delivery.pk)
        if update.is_hint and update.stage in ENDS:
            enqueue.enqueue_call(
                delivery, CourierCall.Purpose.CHECK, f"{update.courier} says {update.status_text}, unsigned"
            )
            update = replace(update, stage=None)
        return apply_to_delivery(order, delivery, update)


def _find_delivery(update: CourierUpdate) -> Delivery | None:
    mine = Delivery.objects.filter(courier=update.courier).only("id", "order_id")
    if update.external_id and (found := mine.filter(external_id=update.external_id).first()):
        return found
    return mine.filter(courier_ref=update.courier_ref).first() if update.courier_ref else None


def _report_unknown_job(update: CourierUpdate) -> EventOutcome:
    """A job that we never asked for, or that another company carries: nothing to move, ops should know."""
    log.warning("courier_job_unknown", **update.as_json())
    service.open_incident(
        "courier_job_unknown",
        severity=Severity.WARNING,
        title=f"{update.courier} reports a delivery that is not ours: {update.external_id or update.courier_ref}"[:300],
        dedupe=f"courier_job_unknown:{update.courier}:{update.external_id or update.courier_ref}",
        detail=update.as_json(),
    )
    return EventOutcome.REFUSED


def apply_to_delivery(order: Order, delivery: Delivery, update: CourierUpdate) -> EventOutcome:
    """The same for a locked order and delivery."""
    by = Cause(delivery.courier, update.cause)
    before, old_facts = DeliveryStatus(delivery.status), dict(delivery.courier_facts)
    facts = status_history.add_update(old_facts, update, clock.database_now())
    if not settle_delivery(order, delivery, facts, by=by, details=_collect_details(delivery, update)):
        return EventOutcome.REPEATED
    if update.position is not None:
        store_positions([replace(update, occurred_at=None)])  # as of now: the time told is that of the step
    if before not in LIVE and set(facts) - set(old_facts):
        outcomes.report_unwanted_progress(order, delivery, update, by=by)
    return EventOutcome.APPLIED if delivery.status != before else EventOutcome.STALE


def _collect_details(delivery: Delivery, update: CourierUpdate) -> dict[str, Any]:
    """What the news alone brings, whatever becomes of the status (SPEC O1)."""
    found: dict[str, Any] = {
        "courier_ref": update.courier_ref,
        "courier_word": update.status_text,
        "tracking_url": update.tracking_url,
        "arrival_at": update.arrival_at,
        "driver_notes": update.driver_notes[:500],
        "courier_fee_minor": update.fee_minor,
        "courier_fee_currency": update.currency,
    }
    if update.stage in (CourierStage.FAILED, CourierStage.CANCELLED, CourierStage.RETURNED):
        found["end_reason"] = update.reason[:REASON_LENGTH]
    if update.attempted_at is not None:
        key = "attempted_at" if update.stage == CourierStage.FAILED else "delivered_at"
        found["dropoff_position"] = {"lat": update.attempted_at.lat, "lng": update.attempted_at.lng, "nearness": key}
    told = {name: value for name, value in found.items() if value not in ("", None)}
    if update.driver:
        told["driver_details"] = {**delivery.driver_details, **{k: v for k, v in update.driver.items() if v}}
    if update.proofs:
        told["proofs"] = {**delivery.proofs, **update.proofs}
    return told


# ── what follows ─────────────────────────────────────────────────────────────────────────────────────────────────
def settle_delivery(
    order: Order, delivery: Delivery, facts: status_history.Facts, *, by: Cause, details: dict[str, Any] | None = None
) -> bool:
    """Make the locked delivery and its order agree with `facts`. False: nothing was new."""
    before, old = DeliveryStatus(delivery.status), dict(delivery.courier_facts)
    columns = {**(details or {}), **status_history.columns_from(facts)}
    changed = {name: value for name, value in columns.items() if getattr(delivery, name) != value}
    if not changed:
        Delivery.objects.filter(pk=delivery.pk).update(courier_heard_at=clock.now())
        return False
    for name, value in changed.items():
        setattr(delivery, name, value)
    delivery.courier_heard_at = clock.now()
    delivery.save(update_fields=[*changed, "courier_heard_at"])
    if delivery.status != before or (delivery.status not in LIVE and changed.keys() & WHAT_IT_COSTS):
        _record_event(order, delivery, by)
    if "courier_ref" in changed:
        delivery_progress.handed_to(order, delivery.attempt, delivery.courier, delivery.courier_ref)
        if delivery.stop_asked_at is not None and delivery.status in LIVE:  # now we know whom to tell
            enqueue.enqueue_call(delivery, CourierCall.Purpose.CANCEL, delivery.stop_reason)
    _tell_progress(order, delivery, _news_to_the_order(old, facts), facts, by)
    _tell_end(order, delivery, before, old, by)
    return True


def _news_to_the_order(old: status_history.Facts, facts: status_history.Facts) -> set[str]:
    """Which steps the order has not been told of. Of a job that ended before pickup it is told none: somebody else
    fetches it. Should it prove to have been picked up after all, all of them are told."""
    if status_history.status_from(facts) not in LIVE and not status_history.was_carried(facts):
        return set()
    withdrawn = status_history.status_from(old) not in LIVE and not status_history.was_carried(old)
    if withdrawn and status_history.was_carried(facts):
        return set(facts)
    return {stage for stage, at in facts.items() if old.get(stage) != at}


def _record_event(order: Order, delivery: Delivery, by: Cause) -> None:
    name = NAMES.get(DeliveryStatus(delivery.status), "delivery.ended")
    data = {
        "attempt": delivery.attempt,
        "status": str(delivery.status),
        "courier": delivery.courier,
        "reason": delivery.end_reason,
    }
    events.record_event(name, delivery, by=by, data=data, order_ref=order.public_id)


def _tell_progress(order: Order, delivery: Delivery, new: set[str], facts: status_history.Facts, by: Cause) -> None:
    """Tell the order how far it is, also of a step that others have overtaken: its time is news all the same."""
    attempt = delivery.attempt
    if CourierStage.ASSIGNED in new:
        delivery_progress.record_assigned(
            order,
            attempt,
            by=by,
            carrier=f"{delivery.courier}:{delivery.driver_details.get('id', '')}",
            rider_name=str(delivery.driver_details.get("name") or delivery.courier),
            occurred_at=status_history.time_of(facts, CourierStage.ASSIGNED),
        )
    if CourierStage.PICKED_UP in new and attempt == order.attempt:
        transitions.advance_axes(order, preparation=PreparationState.READY, by=by, why="handed to the courier")
    for stage, verb in (
        (CourierStage.PICKED_UP, delivery_progress.record_picked_up),
        (CourierStage.IN_TRANSIT, delivery_progress.record_in_transit),
    ):
        if stage in new:
            minutes = _eta_minutes(order, delivery)
            verb(order, attempt, by=by, eta_minutes=minutes, occurred_at=status_history.time_of(facts, stage))


def _eta_minutes(order: Order, delivery: Delivery) -> int:
    now = clock.now()
    return estimate.minutes_left(learned_speeds.expected_arrival(order, delivery, now=now), now=now)


def _tell_end(order: Order, delivery: Delivery, before: DeliveryStatus, old: dict[str, str], by: Cause) -> None:
    """The delivery has ended, ended otherwise than we thought, or proves to have been on its way when it ended."""
    if delivery.status in LIVE:
        return
    carried = status_history.was_carried(delivery.courier_facts)
    if (delivery.status, carried, delivery.ended_at) == (
        before,
        status_history.was_carried(old),
        status_history.ended_at(old),
    ):
        return
    overrule, at = before not in LIVE, delivery.ended_at
    tracks.clear_tracks(delivery)
    if delivery.status == DeliveryStatus.DELIVERED:
        outcomes.handle_delivered(order, delivery, by=by, overrule=overrule)
    elif carried and status_history.final_stage(delivery.courier_facts) is not None:
        reason = delivery.end_reason or f"{delivery.courier}: {delivery.status}"
        delivery_progress.record_failed(order, delivery.attempt, reason, by=by, occurred_at=at, overrule=overrule)
        if delivery.status == DeliveryStatus.RETURNED:
            delivery_progress.record_returned(order, delivery.attempt, by=by, occurred_at=at)
    else:
        outcomes.handle_early_end(order, delivery, by=by)
