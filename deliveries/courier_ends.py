"""What follows when a job at a courier company ends, or goes on although it is over for us (SPEC C4, C9, O8)."""

import structlog

from deliveries import courier_calls, courier_facts
from deliveries.evidence import ENDS, CourierNews
from deliveries.models import CourierCall, Delivery
from foundation import events, jobs
from foundation.events import Cause
from foundation.work import OPEN
from notifications import incidents
from notifications.models import Severity
from orders import carriage, moves
from orders.models import Order

log = structlog.get_logger(__name__)

Purpose = CourierCall.Purpose
PROOF_WAIT_S = 20.0


def lost(order: Order, delivery: Delivery, *, by: Cause) -> None:
    """It ended before pickup: somebody else shall fetch it, as soon as the end is proven.

    News may overtake each other: that it was picked up may still be on its way. So an end that only a webhook told is
    looked up first, if the courier can be asked; the search goes on without an answer, a little later.
    """
    carriage.lost(order, delivery.attempt, by=by, why=delivery.end_reason or delivery.status)
    if courier_facts.end(delivery.courier_facts) is not None and delivery.stop_asked_at is None:
        courier_calls.ask(delivery, Purpose.CHECK, "confirm that it ended")
    jobs.enqueue("deliveries.follow_order", events.subject_of(order), in_s=PROOF_WAIT_S if awaits_proof(order) else 0.0)


def awaits_proof(order: Order) -> bool:
    """Whether the end of the order's last delivery is still being looked up."""
    last = Delivery.objects.filter(order=order).order_by("-attempt").only("id").first()
    looked_up = CourierCall.objects.filter(delivery=last, purpose=Purpose.CHECK, state__in=OPEN, first_failed_at=None)
    return last is not None and looked_up.exists()


def proven(order: Order) -> None:
    """The look-up is done."""
    jobs.enqueue("deliveries.follow_order", events.subject_of(order))


def delivered(order: Order, delivery: Delivery, *, by: Cause, overrule: bool) -> None:
    """Handed over. When we had given this courier up, somebody else may be under way with nothing to fetch (O8)."""
    if delivery.attempt >= order.attempt:
        carriage.delivered(order, delivery.attempt, by=by, occurred_at=delivery.ended_at, overrule=overrule)
        no_longer_asked(delivery, "it was delivered")
        return
    incidents.open(
        "delivered_by_earlier_courier",
        severity=Severity.CRITICAL,
        title=f"{delivery.courier} delivered order {order.order_id} after it was given up; another carrier has it too",
        dedupe=f"delivered_by_earlier_courier:{delivery.pk}",
        subject=events.subject_of(delivery),
        order_ref=order.public_id,
        detail={"attempt": delivery.attempt, "now": order.attempt},
    )


def goes_on_anyway(order: Order, delivery: Delivery, news: CourierNews, *, by: Cause) -> None:
    """A job that is over for us shows that it lives: the late answer of a request that was given up (SPEC C4). It is
    cancelled at the courier, so that nothing is carried twice."""
    if news.stage in ENDS or courier_facts.end(delivery.courier_facts) is not None:
        return
    log.warning("courier_goes_on", delivery=delivery.pk, courier=delivery.courier, word=news.word)
    if order.preparation not in moves.CALLED_OFF:
        events.record("delivery.came_too_late", delivery, by=by, data={"word": news.word}, order_ref=order.public_id)
    courier_calls.ask(delivery, Purpose.CANCEL, "it came too late")


def no_longer_asked(delivery: Delivery, why: str) -> None:
    """Nothing is wanted of ops any more."""
    incidents.resolve_key(will_not_stop_key(delivery), why)


def will_not_stop_key(delivery: Delivery) -> str:
    return f"courier_will_not_stop:{delivery.pk}"
