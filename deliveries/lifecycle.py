"""Life cycles of a delivery, an offer and a fraud flag.

DELIVERY is for people, riders and dispatch. What a courier company tells is evidence, which may come in any order and
is settled by deliveries/couriers/status_history.py.
"""

from django.db import models

from foundation.lifecycle import LifeCycle


class DeliveryStatus(models.TextChoices):
    SEARCHING = "searching"
    REQUESTED = "requested"  # of a courier company, which has not named a driver yet
    ASSIGNED = "assigned"
    PICKED_UP = "picked_up"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETURNED = "returned"  # failed, and brought back to the store


class OfferStatus(models.TextChoices):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class FlagStatus(models.TextChoices):
    OPEN = "open"
    UPHELD = "upheld"
    DISMISSED = "dismissed"


_D, _O, _F = DeliveryStatus, OfferStatus, FlagStatus
DELIVERY = LifeCycle(
    DeliveryStatus,
    _D.SEARCHING,
    {
        _D.SEARCHING: [_D.ASSIGNED, _D.REQUESTED, _D.FAILED, _D.CANCELLED],
        _D.REQUESTED: [_D.ASSIGNED, _D.FAILED, _D.CANCELLED],
        _D.ASSIGNED: [_D.PICKED_UP, _D.SEARCHING, _D.FAILED, _D.CANCELLED],
        _D.PICKED_UP: [_D.IN_TRANSIT, _D.FAILED, _D.CANCELLED],
        _D.IN_TRANSIT: [_D.DELIVERED, _D.FAILED, _D.CANCELLED],
        _D.DELIVERED: [],
        _D.FAILED: [_D.RETURNED],
        _D.CANCELLED: [],
        _D.RETURNED: [],
    },
)
LIVE = (_D.SEARCHING, _D.REQUESTED, _D.ASSIGNED, _D.PICKED_UP, _D.IN_TRANSIT)
WITHOUT_RIDER = (_D.SEARCHING, _D.REQUESTED, _D.RETURNED)  # no rider ever sees such a one as their own
CARRIED = (_D.ASSIGNED, _D.PICKED_UP, _D.IN_TRANSIT)

OFFER = LifeCycle(
    OfferStatus,
    _O.PENDING,
    {
        _O.PENDING: [_O.ACCEPTED, _O.REJECTED, _O.EXPIRED, _O.WITHDRAWN],
        _O.ACCEPTED: [],
        _O.REJECTED: [],
        _O.EXPIRED: [],
        _O.WITHDRAWN: [],
    },
)
FLAG = LifeCycle(FlagStatus, _F.OPEN, {_F.OPEN: [_F.UPHELD, _F.DISMISSED], _F.UPHELD: [], _F.DISMISSED: []})

# The riders' API words (SPEC 2); its strict order is ASSIGNED → PICKED_UP → OUT_FOR_DELIVERY → DELIVERED.
RIDER_WORDS: dict[str, str] = {
    _D.ASSIGNED: "ASSIGNED",
    _D.PICKED_UP: "PICKED_UP",
    _D.IN_TRANSIT: "OUT_FOR_DELIVERY",
    _D.DELIVERED: "DELIVERED",
    _D.FAILED: "FAILED",
    _D.CANCELLED: "CANCELLED",
}
