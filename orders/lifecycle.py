"""The order's life: three forward-only axes and the status derived from them (SPEC 2, docs/house.md "Three axes").

`derive_status` is the only place that knows how the axes make a status; `STRICT` is SPEC's table for people and APIs.
"""

from django.db import models

from foundation.lifecycle import LifeCycle, OrderAxis


class OrderStatus(models.TextChoices):
    PENDING = "pending"
    PAYMENT_CONFIRMED = "payment_confirmed"
    STORE_NOTIFIED = "store_notified"
    CONFIRMED = "confirmed"
    PICKING_IN_PROGRESS = "picking_in_progress"
    SUBSTITUTIONS_NEEDED = "substitutions_needed"
    READY_FOR_PICKUP = "ready_for_pickup"
    ASSIGNED_TO_DRIVER = "assigned_to_driver"
    PICKED_UP = "picked_up"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    DELIVERY_FAILED = "delivery_failed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    REFUNDED = "refunded"


class PaymentState(models.TextChoices):
    UNPAID = "unpaid"
    CANCELLED = "cancelled"
    PAID = "paid"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"


class PreparationState(models.TextChoices):
    PLACED = "placed"
    NOTIFIED = "notified"
    ACKNOWLEDGED = "acknowledged"
    PICKING = "picking"
    READY = "ready"
    CANCELLED = "cancelled"
    REFUSED = "refused"


class CarriageState(models.TextChoices):
    NONE = "none"
    ASSIGNED = "assigned"
    PICKED_UP = "picked_up"
    IN_TRANSIT = "in_transit"
    RETURNED = "returned"
    FAILED = "failed"
    DELIVERED = "delivered"


# A cancelled PaymentIntent can still be outranked by money that did arrive: that order is refunded by itself (O8).
PAYMENT = OrderAxis(
    PaymentState,
    {
        PaymentState.UNPAID: 0,
        PaymentState.CANCELLED: 1,
        PaymentState.PAID: 2,
        PaymentState.PARTLY_REFUNDED: 3,
        PaymentState.REFUNDED: 4,
    },
)
# Cancelled and refused are both final; the first of the two stands.
PREPARATION = OrderAxis(
    PreparationState,
    {
        PreparationState.PLACED: 0,
        PreparationState.NOTIFIED: 1,
        PreparationState.ACKNOWLEDGED: 2,
        PreparationState.PICKING: 3,
        PreparationState.READY: 4,
        PreparationState.CANCELLED: 9,
        PreparationState.REFUSED: 9,
    },
)
# Between failed and completed of one delivery the later provider time wins: deliveries decides, not the rank.
CARRIAGE = OrderAxis(
    CarriageState,
    {
        CarriageState.NONE: 0,
        CarriageState.ASSIGNED: 1,
        CarriageState.PICKED_UP: 2,
        CarriageState.IN_TRANSIT: 3,
        CarriageState.RETURNED: 7,
        CarriageState.FAILED: 7,
        CarriageState.DELIVERED: 8,
    },
)


def derive_status(
    payment: str, preparation: str, carriage: str, *, undecided_substitutions: bool = False
) -> OrderStatus:
    """The status the three axes make. Precedence, first match wins:

    refunded; delivered (even after a cancellation: O8); refused; cancelled; carriage failed or returned; not paid
    (nothing unsigned leads out of pending: O1); on the way; then what the store has done, where "assigned" shows only
    once the order is ready as well (O3).
    """
    s, pay, prep, ride = OrderStatus, PaymentState(payment), PreparationState(preparation), CarriageState(carriage)
    if pay == PaymentState.REFUNDED:
        return s.REFUNDED
    if ride == CarriageState.DELIVERED:
        return s.DELIVERED
    if prep == PreparationState.REFUSED:
        return s.FAILED
    if prep == PreparationState.CANCELLED or pay == PaymentState.CANCELLED:
        return s.CANCELLED
    if ride in (CarriageState.FAILED, CarriageState.RETURNED):
        return s.DELIVERY_FAILED
    if pay == PaymentState.UNPAID:
        return s.PENDING
    if ride == CarriageState.IN_TRANSIT:
        return s.IN_TRANSIT
    if ride == CarriageState.PICKED_UP:
        return s.PICKED_UP
    if prep == PreparationState.READY:
        return s.ASSIGNED_TO_DRIVER if ride == CarriageState.ASSIGNED else s.READY_FOR_PICKUP
    if prep == PreparationState.PICKING:
        return s.SUBSTITUTIONS_NEEDED if undecided_substitutions else s.PICKING_IN_PROGRESS
    return {
        PreparationState.PLACED: s.PAYMENT_CONFIRMED,
        PreparationState.NOTIFIED: s.STORE_NOTIFIED,
        PreparationState.ACKNOWLEDGED: s.CONFIRMED,
    }[prep]


class SubstitutionStatus(models.TextChoices):
    """Refused: the item is left out. Withdrawn: nothing came of it, the item is as it was."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class SubstitutionPreference(models.TextChoices):
    """What a customer who does not answer wants done about an item that is missing."""

    ACCEPT = "accept", "Take what the store suggests"
    REFUSE = "refuse", "Leave it out"


SUBSTITUTION = LifeCycle(
    SubstitutionStatus,
    SubstitutionStatus.PROPOSED,
    {
        SubstitutionStatus.PROPOSED: [
            SubstitutionStatus.ACCEPTED,
            SubstitutionStatus.REFUSED,
            SubstitutionStatus.WITHDRAWN,
        ],
        SubstitutionStatus.ACCEPTED: [],
        SubstitutionStatus.REFUSED: [],
        SubstitutionStatus.WITHDRAWN: [],
    },
)


_S = OrderStatus
STRICT = LifeCycle(
    OrderStatus,
    _S.PENDING,
    {
        _S.PENDING: [_S.PAYMENT_CONFIRMED, _S.CANCELLED, _S.FAILED],
        _S.PAYMENT_CONFIRMED: [_S.STORE_NOTIFIED, _S.CONFIRMED, _S.CANCELLED, _S.FAILED],
        _S.STORE_NOTIFIED: [_S.CONFIRMED, _S.CANCELLED, _S.FAILED],
        _S.CONFIRMED: [_S.PICKING_IN_PROGRESS, _S.READY_FOR_PICKUP, _S.CANCELLED],
        _S.PICKING_IN_PROGRESS: [_S.SUBSTITUTIONS_NEEDED, _S.READY_FOR_PICKUP, _S.CANCELLED],
        _S.SUBSTITUTIONS_NEEDED: [_S.PICKING_IN_PROGRESS, _S.READY_FOR_PICKUP, _S.CANCELLED],
        _S.READY_FOR_PICKUP: [_S.ASSIGNED_TO_DRIVER, _S.CANCELLED],
        _S.ASSIGNED_TO_DRIVER: [_S.PICKED_UP, _S.READY_FOR_PICKUP, _S.CANCELLED, _S.DELIVERY_FAILED],
        _S.PICKED_UP: [_S.IN_TRANSIT, _S.DELIVERY_FAILED],
        _S.IN_TRANSIT: [_S.DELIVERED, _S.DELIVERY_FAILED],
        _S.DELIVERED: [_S.REFUNDED],
        _S.DELIVERY_FAILED: [_S.READY_FOR_PICKUP, _S.CANCELLED, _S.REFUNDED],
        _S.CANCELLED: [_S.REFUNDED],
        _S.FAILED: [_S.REFUNDED],
        _S.REFUNDED: [],
    },
)

LIVE = frozenset(set(OrderStatus) - {_S.DELIVERED, _S.DELIVERY_FAILED, _S.CANCELLED, _S.FAILED, _S.REFUNDED})
AT_WORK = LIVE - {_S.PENDING}  # paid, and not over

TRACKING_WORDS: dict[str, str] = {
    _S.PENDING: "SUBMITTED",
    _S.PAYMENT_CONFIRMED: "SUBMITTED",
    _S.STORE_NOTIFIED: "STORE_NOTIFIED",
    _S.CONFIRMED: "STORE_ACKNOWLEDGED",
    _S.PICKING_IN_PROGRESS: "PICKING_IN_PROGRESS",
    _S.SUBSTITUTIONS_NEEDED: "SUBSTITUTIONS_NEEDED",
    _S.READY_FOR_PICKUP: "READY_FOR_PICKUP",
    _S.ASSIGNED_TO_DRIVER: "DRIVER_ASSIGNED",
    _S.PICKED_UP: "DRIVER_PICKUP_COMPLETE",
    _S.IN_TRANSIT: "IN_TRANSIT",
    _S.DELIVERED: "DELIVERED",
    _S.DELIVERY_FAILED: "DELIVERY_FAILED",
    _S.CANCELLED: "CANCELLED",
    _S.FAILED: "FAILED",
    _S.REFUNDED: "REFUNDED",
}
POS_WORDS: dict[str, str] = {
    _S.PENDING: "processing",
    _S.PAYMENT_CONFIRMED: "processing",
    _S.STORE_NOTIFIED: "processing",
    _S.CONFIRMED: "confirmed",
    _S.PICKING_IN_PROGRESS: "confirmed",
    _S.SUBSTITUTIONS_NEEDED: "confirmed",
    _S.READY_FOR_PICKUP: "food_ready",
    _S.ASSIGNED_TO_DRIVER: "food_ready",
    _S.PICKED_UP: "food_ready",
    _S.IN_TRANSIT: "food_ready",
    _S.DELIVERED: "food_ready",
    _S.DELIVERY_FAILED: "failed",
    _S.CANCELLED: "cancelled",
    _S.FAILED: "failed",
    _S.REFUNDED: "cancelled",
}
