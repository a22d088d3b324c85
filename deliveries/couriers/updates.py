"""Taking what a courier company tells of a delivery: from its webhooks, from the answers to our calls, from polling
(SPEC C3, O1). The verbs that move a delivery which a company has.

News in any order, late and twice ends in the same state: the facts are kept (status_history.py), the status follows
from them, and the order's carriage is told what is new. What only an answer or a person can decide (give up, stop,
keep) is in cancellation.py.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from django.db import connection, transaction

from deliveries import locks as deliveries_locks
from deliveries.couriers import enqueue, latest_news, outcomes, status_history
from deliveries.couriers.providers.base import CourierProvider
from deliveries.couriers.providers.status_update import ENDS, CourierStage, CourierUpdate
from deliveries.eta import learned_speeds
from deliveries.lifecycle import LIVE, DeliveryStatus
from deliveries.models import CourierCall, CourierJob, Delivery
from deliveries.positions import tracks
from foundation import clock, events
from foundation.errors import Permanent
from foundation.events import Cause
from foundation.evidence import EventOutcome
from foundation.fields import max_length
from foundation.webhook import IncomingEvent
from notifications.incidents import service
from notifications.models import Severity
from orders import delivery_progress, transitions
from orders import locks as orders_locks
from orders.lifecycle import PreparationState
from orders.models import Order

log = structlog.get_logger(__name__)

SHAPE_ERRORS = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
REASON_LENGTH = max_length(Delivery, "end_reason")
WHAT_IT_COSTS = {"history", "fee_minor", "fee_currency"}  # the ledger follows an ended one as well
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
        AS p(external_id, reference, lat, lng, recorded_at)
    JOIN LATERAL (
        SELECT id FROM deliveries_delivery
        WHERE courier = %(courier)s AND status = ANY(%(live)s)
          AND (external_id = p.external_id OR (p.external_id = '' AND id IN (
              SELECT delivery_id FROM deliveries_courierjob WHERE reference = p.reference AND reference <> '')))
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
        "times": [one.told_at for one in seen],
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
    return mine.filter(courier_job__reference=update.courier_ref).first() if update.courier_ref else None


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
    by, now = Cause(delivery.courier, update.cause), clock.database_now()
    before, old_facts = DeliveryStatus(delivery.status), dict(delivery.courier_job.history)
    old_driver = dict(delivery.driver_details)
    facts = status_history.add_update(old_facts, update, now)
    columns, job_columns = _collect_columns(delivery, update, latest_news.age_of(update, now))
    is_news = settle_delivery(order, delivery, facts, by=by, columns=columns, job_columns=job_columns)
    if update.position is not None:
        store_positions([update])
    if not is_news:
        return EventOutcome.REPEATED
    if latest_news.has_replaced(old_driver, delivery.driver_details) and delivery.status in LIVE:
        delivery_progress.record_carrier_changed(order, delivery.attempt, **_carrier_of(delivery))
    if before not in LIVE and set(facts) - set(old_facts):
        outcomes.report_unwanted_progress(order, delivery, update, by=by)
    return EventOutcome.APPLIED if delivery.status != before else EventOutcome.STALE


def _collect_columns(
    delivery: Delivery, update: CourierUpdate, age: latest_news.Age
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the update alone brings to the delivery and to its job, whatever becomes of the status (SPEC O1)."""
    job, told = delivery.courier_job, delivery.courier_job.told_at
    columns: dict[str, Any] = {"driver_notes": update.driver_notes[:500], "driver_details": dict(update.driver)}
    if update.stage in (CourierStage.FAILED, CourierStage.CANCELLED, CourierStage.RETURNED):
        columns["end_reason"] = update.reason[:REASON_LENGTH]
    if update.attempted_at is not None:
        key = "attempted_at" if update.stage == CourierStage.FAILED else "delivered_at"
        columns["dropoff_position"] = {"lat": update.attempted_at.lat, "lng": update.attempted_at.lng, "nearness": key}
    job_columns = {
        "reference": update.courier_ref,
        "status_text": update.status_text,
        "tracking_url": update.tracking_url,
        "arrival_at": update.arrival_at,
        "fee_minor": update.fee_minor,
        "fee_currency": update.currency,
    }
    standing, told = latest_news.keep_newest(told, columns, age)
    if update.driver:
        is_newer = "driver_details" in standing
        standing["driver_details"] = latest_news.merge_driver(delivery.driver_details, update.driver, is_newer=is_newer)
    job_standing, told = latest_news.keep_newest(told, job_columns, age)
    proofs, told = latest_news.keep_newest(told, update.proofs, age)
    return standing, {**job_standing, "proofs": {**job.proofs, **proofs}, "told_at": told}


# ── what follows ─────────────────────────────────────────────────────────────────────────────────────────────────
def settle_delivery(
    order: Order,
    delivery: Delivery,
    facts: status_history.Facts,
    *,
    by: Cause,
    columns: dict[str, Any] | None = None,
    job_columns: dict[str, Any] | None = None,
) -> bool:
    """Make the locked delivery, its job and its order agree with `facts`. False: nothing was new.

    `columns` of the delivery and `job_columns` of its job are written with it.
    """
    before, job = DeliveryStatus(delivery.status), delivery.courier_job
    old = dict(job.history)
    changed = _set_changed(delivery, {**(columns or {}), **status_history.columns_from(facts)})
    job_changed = _set_changed(job, {**(job_columns or {}), "history": dict(facts)})
    job.last_heard_at = clock.now()
    job.save(update_fields=[*job_changed, "last_heard_at"])
    if not changed and not {*job_changed} - {"told_at"}:
        return False
    if changed:
        delivery.save(update_fields=changed)
    if delivery.status != before or (delivery.status not in LIVE and WHAT_IT_COSTS & {*job_changed}):
        _record_event(order, delivery, by)
    if "reference" in job_changed:
        delivery_progress.record_courier(order, delivery.attempt, delivery.courier, job.reference)
        if job.stop_requested_at is not None and delivery.status in LIVE:  # now we know whom to tell
            enqueue.enqueue_call(delivery, CourierCall.Purpose.CANCEL, job.stop_reason)
    _tell_progress(order, delivery, _news_to_the_order(old, facts), facts, by)
    _tell_end(order, delivery, before, old, by)
    return True


def _set_changed(row: Delivery | CourierJob, columns: dict[str, Any]) -> list[str]:
    """Set what differs; returns the names of these columns. Nothing is saved."""
    changed = {name: value for name, value in columns.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    return list(changed)


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
            **_carrier_of(delivery),
            occurred_at=status_history.time_of(facts, CourierStage.ASSIGNED),
        )
    if CourierStage.PICKED_UP in new and attempt == order.attempt:
        transitions.advance_axes(order, preparation=PreparationState.READY, by=by, why="handed to the courier")
    for stage, verb in (
        (CourierStage.PICKED_UP, delivery_progress.record_picked_up),
        (CourierStage.IN_TRANSIT, delivery_progress.record_in_transit),
    ):
        if stage in new:
            minutes = learned_speeds.minutes_to_arrival(order, delivery)
            verb(order, attempt, by=by, eta_minutes=minutes, occurred_at=status_history.time_of(facts, stage))


def _carrier_of(delivery: Delivery) -> dict[str, str]:
    """Who carries, as the customer is told: by the company's id of them, else by name."""
    driver = delivery.driver_details
    return {
        "carrier": f"{delivery.courier}:{driver.get('id') or driver.get('name') or ''}",
        "rider_name": str(driver.get("name") or delivery.courier),
    }


def _tell_end(order: Order, delivery: Delivery, before: DeliveryStatus, old: dict[str, str], by: Cause) -> None:
    """The delivery has ended, ended otherwise than we thought, or proves to have been on its way when it ended."""
    if delivery.status in LIVE:
        return
    carried = status_history.was_carried(delivery.courier_job.history)
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
    elif carried and status_history.final_stage(delivery.courier_job.history) is not None:
        reason = delivery.end_reason or f"{delivery.courier}: {delivery.status}"
        delivery_progress.record_failed(order, delivery.attempt, reason, by=by, occurred_at=at, overrule=overrule)
        if delivery.status == DeliveryStatus.RETURNED:
            delivery_progress.record_returned(order, delivery.attempt, by=by, occurred_at=at)
    else:
        outcomes.handle_early_end(order, delivery, by=by)
