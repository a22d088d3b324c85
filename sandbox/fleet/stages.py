"""How far a job is, in words of no company."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    WAITING = "waiting"  # no driver yet
    ASSIGNED = "assigned"
    TO_PICKUP = "to_pickup"
    AT_PICKUP = "at_pickup"
    PICKED_UP = "picked_up"
    TO_DROPOFF = "to_dropoff"
    AT_DROPOFF = "at_dropoff"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETURNING = "returning"
    AT_RETURN = "at_return"
    RETURNED = "returned"


ORDER = {stage: place for place, stage in enumerate(Stage)}
ENDS = frozenset({Stage.DELIVERED, Stage.FAILED, Stage.CANCELLED, Stage.RETURNED})
WITH_GOODS = frozenset({Stage.PICKED_UP, Stage.TO_DROPOFF, Stage.AT_DROPOFF, Stage.RETURNING, Stage.AT_RETURN})
FOLLOWING = {
    Stage.WAITING: Stage.ASSIGNED,
    Stage.ASSIGNED: Stage.TO_PICKUP,
    Stage.TO_PICKUP: Stage.AT_PICKUP,
    Stage.AT_PICKUP: Stage.PICKED_UP,
    Stage.PICKED_UP: Stage.TO_DROPOFF,
    Stage.TO_DROPOFF: Stage.AT_DROPOFF,
    Stage.AT_DROPOFF: Stage.DELIVERED,
    Stage.RETURNING: Stage.AT_RETURN,
    Stage.AT_RETURN: Stage.RETURNED,
}


def may_follow(now: Stage, to: Stage) -> bool:
    """Forward only, stages may be jumped over; a return begins, and goods fail, where somebody has them."""
    if now in ENDS:
        return False
    if to in (Stage.RETURNING, Stage.AT_RETURN, Stage.RETURNED) and now not in WITH_GOODS:
        return False
    if now in (Stage.RETURNING, Stage.AT_RETURN) and to is Stage.CANCELLED:
        return True
    return ORDER[to] > ORDER[now]
