"""Taking what a courier company tells of a delivery: from its webhooks, from the answers to our calls, from polling
(SPEC C3, O1). The verbs that move a delivery which a company has.

News in any order, late and twice ends in the same state: the facts are kept (courier_facts.py), the status follows from
them, and the order's carriage is told what is new. What only an answer or a person can decide (give up, stop, keep) is
in stopping.py.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from django.db import connection, transaction

from deliveries import courier_calls, courier_ends, courier_facts, eta, locking, pace, tracks
from deliveries.couriers.base import Company
from deliveries.evidence import ENDS, CourierNews, Stage
from deliveries.lifecycle import LIVE, DeliveryStatus
from deliveries.models import CourierCall, Delivery
from foundation import clock, events
from foundation.errors import Permanent
from foundation.events import Cause
from foundation.evidence import Verdict
from foundation.webhook import Notice
from notifications import incidents
from notifications.models import Severity
from orders import carriage, moves, rows
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
def handle(company: Company, notice: Notice) -> Verdict:
    """One stored event, in the caller's transaction. Raises Permanent when it is not shaped as documented."""
    news = _read(company, notice)
    if news is None:
        return Verdict.IGNORED
    if company.is_position(notice.event_type):
        return positions([news])[0]
    return take(news)


def handle_all(company: Company, notices: Sequence[Notice]) -> list[Verdict]:
    """A chunk of stored events: those that only say where a driver is share one statement, however many (SPEC C3)."""
    verdicts: dict[int, Verdict] = {}
    points: dict[int, CourierNews] = {}
    for number, notice in enumerate(notices):
        news = _read(company, notice)
        if news is None:
            verdicts[number] = Verdict.IGNORED
        elif company.is_position(notice.event_type):
            points[number] = news
        else:
            with structlog.contextvars.bound_contextvars(webhook=news.cause):
                verdicts[number] = take(news)
    verdicts |= dict(zip(points, positions(list(points.values())), strict=True))
    return [verdicts[number] for number in range(len(notices))]


def _read(company: Company, notice: Notice) -> CourierNews | None:
    try:
        news = company.read(notice.event_type, notice.payload)
    except SHAPE_ERRORS as error:
        raise Permanent(f"{notice.event_type} is not shaped as documented: {error!r}") from error
    return None if news is None else replace(news, cause=f"webhook:{company.name}:{notice.event_id}"[:300])


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


def positions(news: Sequence[CourierNews]) -> list[Verdict]:
    """Where drivers are: kept with live deliveries and announced to their watchers; the order is never touched."""
    seen = [one for one in news if one.position is not None]
    if not seen:
        return [Verdict.IGNORED] * len(news)
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
    return [Verdict.IGNORED if one.position is None else Verdict.APPLIED for one in news]


# ── taking ───────────────────────────────────────────────────────────────────────────────────────────────────────
def take(news: CourierNews) -> Verdict:
    """Write down what is now true of the delivery that `news` is about, and tell the order."""
    with transaction.atomic():
        known = _find(news)
        if known is None:
            return _stranger(news)
        order = rows.lock(known.order_id)
        delivery = locking.lock(known.pk)
        if news.is_hint and news.stage in ENDS:
            courier_calls.ask(delivery, CourierCall.Purpose.CHECK, f"{news.courier} says {news.word}, unsigned")
            news = replace(news, stage=None)
        return learn(order, delivery, news)


def _find(news: CourierNews) -> Delivery | None:
    mine = Delivery.objects.filter(courier=news.courier).only("id", "order_id")
    if news.external_id and (found := mine.filter(external_id=news.external_id).first()):
        return found
    return mine.filter(courier_ref=news.courier_ref).first() if news.courier_ref else None


def _stranger(news: CourierNews) -> Verdict:
    """A job that we never asked for, or that another company carries: nothing to move, ops should know."""
    log.warning("courier_job_unknown", **news.as_json())
    incidents.open(
        "courier_job_unknown",
        severity=Severity.WARNING,
        title=f"{news.courier} reports a delivery that is not ours: {news.external_id or news.courier_ref}"[:300],
        dedupe=f"courier_job_unknown:{news.courier}:{news.external_id or news.courier_ref}",
        detail=news.as_json(),
    )
    return Verdict.REFUSED


def learn(order: Order, delivery: Delivery, news: CourierNews) -> Verdict:
    """The same for a locked order and delivery."""
    by = Cause(delivery.courier, news.cause)
    before, old_facts = DeliveryStatus(delivery.status), dict(delivery.courier_facts)
    facts = courier_facts.learn(old_facts, news, clock.database_now())
    if not settle(order, delivery, facts, by=by, details=_details(delivery, news)):
        return Verdict.REPEATED
    if news.position is not None:
        positions([replace(news, occurred_at=None)])  # as of now: the time told is that of the step
    if before not in LIVE and set(facts) - set(old_facts):
        courier_ends.goes_on_anyway(order, delivery, news, by=by)
    return Verdict.APPLIED if delivery.status != before else Verdict.STALE


def _details(delivery: Delivery, news: CourierNews) -> dict[str, Any]:
    """What the news alone brings, whatever becomes of the status (SPEC O1)."""
    found: dict[str, Any] = {
        "courier_ref": news.courier_ref,
        "courier_word": news.word,
        "tracking_url": news.tracking_url,
        "arrival_at": news.arrival_at,
        "driver_notes": news.driver_notes[:500],
        "courier_fee_minor": news.fee_minor,
        "courier_fee_currency": news.currency,
    }
    if news.stage in (Stage.FAILED, Stage.CANCELLED, Stage.RETURNED):
        found["end_reason"] = news.reason[:REASON_LENGTH]
    if news.attempted_at is not None:
        key = "attempted_at" if news.stage == Stage.FAILED else "delivered_at"
        found["dropoff_position"] = {"lat": news.attempted_at.lat, "lng": news.attempted_at.lng, "nearness": key}
    told = {name: value for name, value in found.items() if value not in ("", None)}
    if news.driver:
        told["driver_details"] = {**delivery.driver_details, **{k: v for k, v in news.driver.items() if v}}
    if news.proofs:
        told["proofs"] = {**delivery.proofs, **news.proofs}
    return told


# ── what follows ─────────────────────────────────────────────────────────────────────────────────────────────────
def settle(
    order: Order, delivery: Delivery, facts: courier_facts.Facts, *, by: Cause, details: dict[str, Any] | None = None
) -> bool:
    """Make the locked delivery and its order agree with `facts`. False: nothing was new."""
    before, old = DeliveryStatus(delivery.status), dict(delivery.courier_facts)
    columns = {**(details or {}), **courier_facts.columns(facts)}
    changed = {name: value for name, value in columns.items() if getattr(delivery, name) != value}
    if not changed:
        Delivery.objects.filter(pk=delivery.pk).update(courier_heard_at=clock.now())
        return False
    for name, value in changed.items():
        setattr(delivery, name, value)
    delivery.courier_heard_at = clock.now()
    delivery.save(update_fields=[*changed, "courier_heard_at"])
    if delivery.status != before or (delivery.status not in LIVE and changed.keys() & WHAT_IT_COSTS):
        _record(order, delivery, by)
    if "courier_ref" in changed:
        carriage.handed_to(order, delivery.attempt, delivery.courier, delivery.courier_ref)
        if delivery.stop_asked_at is not None and delivery.status in LIVE:  # now we know whom to tell
            courier_calls.ask(delivery, CourierCall.Purpose.CANCEL, delivery.stop_reason)
    _tell_progress(order, delivery, _news_to_the_order(old, facts), facts, by)
    _tell_end(order, delivery, before, old, by)
    return True


def _news_to_the_order(old: courier_facts.Facts, facts: courier_facts.Facts) -> set[str]:
    """Which steps the order has not been told of. Of a job that ended before pickup it is told none: somebody else
    fetches it. Should it prove to have been picked up after all, all of them are told."""
    if courier_facts.status(facts) not in LIVE and not courier_facts.was_carried(facts):
        return set()
    taken_back = courier_facts.status(old) not in LIVE and not courier_facts.was_carried(old)
    if taken_back and courier_facts.was_carried(facts):
        return set(facts)
    return {stage for stage, at in facts.items() if old.get(stage) != at}


def _record(order: Order, delivery: Delivery, by: Cause) -> None:
    name = NAMES.get(DeliveryStatus(delivery.status), "delivery.ended")
    data = {
        "attempt": delivery.attempt,
        "status": str(delivery.status),
        "courier": delivery.courier,
        "reason": delivery.end_reason,
    }
    events.record(name, delivery, by=by, data=data, order_ref=order.public_id)


def _tell_progress(order: Order, delivery: Delivery, new: set[str], facts: courier_facts.Facts, by: Cause) -> None:
    """Tell the order how far it is, also of a step that others have overtaken: its time is news all the same."""
    attempt = delivery.attempt
    if Stage.ASSIGNED in new:
        carriage.assigned(
            order,
            attempt,
            by=by,
            carrier=f"{delivery.courier}:{delivery.driver_details.get('id', '')}",
            rider_name=str(delivery.driver_details.get("name") or delivery.courier),
            occurred_at=courier_facts.time_of(facts, Stage.ASSIGNED),
        )
    if Stage.PICKED_UP in new and attempt == order.attempt:
        moves.advance(order, preparation=PreparationState.READY, by=by, why="handed to the courier")
    for stage, verb in ((Stage.PICKED_UP, carriage.picked_up), (Stage.IN_TRANSIT, carriage.in_transit)):
        if stage in new:
            minutes = _eta_minutes(order, delivery)
            verb(order, attempt, by=by, eta_minutes=minutes, occurred_at=courier_facts.time_of(facts, stage))


def _eta_minutes(order: Order, delivery: Delivery) -> int:
    now = clock.now()
    return eta.minutes_left(pace.arrival(order, delivery, now=now), now=now)


def _tell_end(order: Order, delivery: Delivery, before: DeliveryStatus, old: dict[str, str], by: Cause) -> None:
    """The delivery has ended, ended otherwise than we thought, or proves to have been on its way when it ended."""
    if delivery.status in LIVE:
        return
    carried = courier_facts.was_carried(delivery.courier_facts)
    if (delivery.status, carried, delivery.ended_at) == (
        before,
        courier_facts.was_carried(old),
        courier_facts.ended_at(old),
    ):
        return
    overrule, at = before not in LIVE, delivery.ended_at
    tracks.clear(delivery)
    if delivery.status == DeliveryStatus.DELIVERED:
        courier_ends.delivered(order, delivery, by=by, overrule=overrule)
    elif carried and courier_facts.end(delivery.courier_facts) is not None:
        reason = delivery.end_reason or f"{delivery.courier}: {delivery.status}"
        carriage.failed(order, delivery.attempt, reason, by=by, occurred_at=at, overrule=overrule)
        if delivery.status == DeliveryStatus.RETURNED:
            carriage.returned(order, delivery.attempt, by=by, occurred_at=at)
    else:
        courier_ends.lost(order, delivery, by=by)
