"""How a courier company's job stands, from everything that was ever said of it (SPEC O1). Pure.

Facts are times by the courier's clock, one per stage (`CourierJob.history`). Progress keeps its earliest time, an end
its latest, so whatever order the news comes in, and however often, the same facts are left, and the same status.
`mark_stopped` is ours: the job's end is proven or has lapsed, and we want no more of it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from deliveries.couriers.providers.status_update import ENDS, CourierStage, CourierUpdate
from deliveries.lifecycle import DeliveryStatus

STOPPED = "stopped"
Facts = Mapping[str, str]

_PROGRESS = (CourierStage.IN_TRANSIT, CourierStage.PICKED_UP, CourierStage.ASSIGNED)  # furthest first
_CARRIED = (CourierStage.PICKED_UP, CourierStage.IN_TRANSIT, CourierStage.DELIVERED)
# Between two ends the later one stands (SPEC O1); at the same moment the one that is better for the customer.
_RANK = {CourierStage.DELIVERED: 3, CourierStage.RETURNED: 2, CourierStage.FAILED: 1, CourierStage.CANCELLED: 0}


def add_update(facts: Facts, update: CourierUpdate, heard_at: datetime) -> dict[str, str]:
    """The facts with what `news` adds. News without a time of its own counts from when it was heard, once."""
    known = dict(facts)
    for stage, moment in update.passed.items():
        _note_stage(known, stage, moment)
    if update.stage is not None and update.stage != CourierStage.REQUESTED:
        if update.occurred_at is not None:
            _note_stage(known, update.stage, update.occurred_at)
        elif update.stage not in known:
            _note_stage(known, update.stage, heard_at)
    return known


def mark_stopped(facts: Facts, at: datetime) -> dict[str, str]:
    """It is over for us."""
    return {STOPPED: at.isoformat(), **facts}


def _note_stage(facts: dict[str, str], stage: CourierStage, moment: datetime) -> None:
    if stage == CourierStage.REQUESTED:
        return
    known = time_of(facts, stage)
    later_wins = stage in ENDS
    if known is None or (moment > known if later_wins else moment < known):
        facts[stage.value] = moment.isoformat()


def time_of(facts: Facts, stage: CourierStage | str) -> datetime | None:
    text = facts.get(str(stage))
    return None if text is None else datetime.fromisoformat(text)


def was_carried(facts: Facts) -> bool:
    """It left the store: from here on an end is the customer's loss, not a search for somebody else."""
    return any(stage in facts for stage in _CARRIED)


def final_stage(facts: Facts) -> CourierStage | None:
    """Which end stands, None while the job is live (or only stopped by us)."""
    ends = [(time_of(facts, stage), _RANK[stage], stage) for stage in ENDS if stage in facts]
    return max(ends)[2] if ends else None


def ended_at(facts: Facts) -> datetime | None:
    return time_of(facts, final_stage(facts) or STOPPED)


def status_from(facts: Facts) -> DeliveryStatus:
    """The delivery's status that follows from the facts."""
    over = final_stage(facts)
    if STOPPED in facts and (over is None or (over != CourierStage.RETURNED and not was_carried(facts))):
        return DeliveryStatus.CANCELLED  # what some companies then call failed is our own cancel (SPEC C9)
    if over is not None:
        return DeliveryStatus(over.value)
    return next((DeliveryStatus(stage.value) for stage in _PROGRESS if stage in facts), DeliveryStatus.REQUESTED)


def columns_from(facts: Facts) -> dict[str, Any]:
    """What of it stands in columns of Delivery."""
    return {
        "status": status_from(facts),
        "assigned_at": time_of(facts, CourierStage.ASSIGNED),
        "picked_up_at": time_of(facts, CourierStage.PICKED_UP),
        "in_transit_at": time_of(facts, CourierStage.IN_TRANSIT),
        "ended_at": ended_at(facts),
    }
