"""What a store's POS says about an order (SPEC O5, W3).

Nothing of it is signed. So it must name an order by our unguessable id, of the store whose address was called, with
that store's number at the POS and its token where it has one; and it never takes an order out of `pending`. What comes
before the payment is kept with the order, ops is told, and it is taken when the money is there: then the store's word
counts as it would have counted later, and the history shows both moves.
"""

import hmac
from dataclasses import asdict
from typing import Any

import structlog

from foundation.errors import APIError, NotFound
from foundation.evidence import EventOutcome
from notifications.models import Severity
from orders import cancellation, locks, notices, transitions
from orders.evidence import PosSignal, PosStatus
from orders.lifecycle import CARRIAGE, PAYMENT, CarriageState, PaymentState, PreparationState
from orders.models import Order, Store

log = structlog.get_logger(__name__)

BEFORE_PAYMENT = "pos_before_payment"
TOO_LATE = "pos_cancelled_too_late"
MAX_HELD = 20
STATES = {PosSignal.ACCEPTED: PreparationState.ACKNOWLEDGED, PosSignal.READY: PreparationState.READY}


class CallbackTokenRejected(APIError):
    status = 401
    code = "TOKEN_REFUSED"


def apply_callback(evidence: PosStatus) -> tuple[EventOutcome, Order]:
    """In the caller's transaction. Raises NotFound (restaurant, its restID, or order) and TokenRefused."""
    store = _verify_callback(evidence)
    order = locks.lock_by_public_id(evidence.order_ref)
    if order.store_id != store.pk:
        raise NotFound(locks.UNKNOWN, code="ORDER_NOT_FOUND")
    outcome = _apply_status(order, evidence)
    log.info("pos_status_taken", order=order.public_id, news=str(evidence.news), outcome=str(outcome))
    return outcome, order


def _verify_callback(evidence: PosStatus) -> Store:
    store = Store.objects.filter(slug=evidence.store_slug, pos_kind=evidence.provider).first()
    if store is None:
        raise NotFound("Restaurant not found", code="RESTAURANT_NOT_FOUND")
    if not store.pos_rest_id or not hmac.compare_digest(store.pos_rest_id.encode(), evidence.rest_id.encode()):
        raise NotFound("restID does not belong to this restaurant", code="REST_ID_MISMATCH", field="restID")
    expected = store.pos_callback_token
    if expected and not hmac.compare_digest(expected.encode(), evidence.token.encode()):
        raise CallbackTokenRejected("The callback token is missing or wrong")
    return store


def apply_held(order: Order) -> None:
    """The locked order has been paid: what its POS said before that counts now."""
    held, order.pos_held = order.pos_held, []
    if held:
        order.save(update_fields=["pos_held"])
        for fields in held:
            _apply_status(order, _from_stored(fields))
        notices.resolve_report(order, BEFORE_PAYMENT, "the payment has arrived")


def _apply_status(order: Order, evidence: PosStatus) -> EventOutcome:
    _store_callback(order, evidence)
    if evidence.news == PosSignal.IGNORED:
        return EventOutcome.IGNORED
    if not PAYMENT.has_reached(order.payment, PaymentState.PAID):
        return _hold_callback(order, evidence)
    if evidence.news == PosSignal.CANCELLED:
        return _apply_cancelled(order, evidence)
    state = STATES[evidence.news]
    moved = transitions.advance_axes(order, preparation=state, by=evidence.by)
    return EventOutcome.APPLIED if moved else _outcome_unmoved(order, state)


def _outcome_unmoved(order: Order, state: PreparationState) -> EventOutcome:
    return EventOutcome.REPEATED if order.preparation == state else EventOutcome.STALE


def _store_callback(order: Order, evidence: PosStatus) -> None:
    """The last full callback, and what any of them has told."""
    order.pos_response = evidence.payload
    order.minimum_prep_minutes = evidence.prep_minutes or order.minimum_prep_minutes
    order.pos_rider_name = evidence.rider_name or order.pos_rider_name
    order.pos_rider_phone = evidence.rider_phone or order.pos_rider_phone
    order.pos_is_modified = evidence.is_modified or order.pos_is_modified
    order.save(
        update_fields=[
            "pos_response",
            "minimum_prep_minutes",
            "pos_rider_name",
            "pos_rider_phone",
            "pos_is_modified",
        ]
    )


def _hold_callback(order: Order, evidence: PosStatus) -> EventOutcome:
    if order.preparation in transitions.CALLED_OFF or order.payment == PaymentState.CANCELLED:
        return EventOutcome.STALE
    if any(held["event_id"] == evidence.event_id for held in order.pos_held):
        return EventOutcome.REPEATED
    if len(order.pos_held) < MAX_HELD:
        order.pos_held = [*order.pos_held, _to_stored(evidence)]
        order.save(update_fields=["pos_held"])
    title = f"The POS speaks of order {order.order_id}, which is not paid"
    notices.report_to_ops(order, BEFORE_PAYMENT, title, severity=Severity.WARNING, news=str(evidence.news))
    return EventOutcome.STALE


def _apply_cancelled(order: Order, evidence: PosStatus) -> EventOutcome:
    reason = evidence.reason or "Cancelled by the restaurant"
    if CARRIAGE.has_reached(order.carriage, CarriageState.PICKED_UP):
        title = f"{order.store.name} cancelled order {order.order_id} after it was picked up"
        notices.report_to_ops(order, TOO_LATE, title, severity=Severity.WARNING, reason=reason)
        return EventOutcome.STALE
    if cancellation.cancel_order(order, by=evidence.by, reason=reason, waive_fee=True, notify_pos=False):
        return EventOutcome.APPLIED
    if order.cancel_reason == cancellation.REFUNDED_IN_FULL:  # the refund was faster; why is what only the store knows
        order.cancel_reason = reason
        order.save(update_fields=["cancel_reason"])
    return EventOutcome.REPEATED


def _to_stored(evidence: PosStatus) -> dict[str, Any]:
    """As JSON; the token has been checked and is a credential: it is not kept."""
    return {**asdict(evidence), "news": str(evidence.news), "token": ""}


def _from_stored(fields: dict[str, Any]) -> PosStatus:
    return PosStatus(**{**fields, "news": PosSignal(fields["news"])})
