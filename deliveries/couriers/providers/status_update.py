"""What a courier company tells of a delivery, without its words (SPEC C1, C3, O1).

The same type comes from its webhooks, from the answers to our calls and from polling: each may be first, late, or
twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from foundation.geo import Point


class CourierStage(StrEnum):
    """How far a courier's job has come."""

    REQUESTED = "requested"
    ASSIGNED = "assigned"
    PICKED_UP = "picked_up"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETURNED = "returned"


ENDS = frozenset({CourierStage.DELIVERED, CourierStage.FAILED, CourierStage.CANCELLED, CourierStage.RETURNED})


@dataclass(frozen=True, kw_only=True)
class CourierUpdate:
    """`external_id` is ours, `courier_ref` the courier's own; at least one is said. `stage` None moves nothing.

    `occurred_at` is when the stage was reached, by the courier's clock; `told_at` when the rest (driver, position,
    estimate, reason, proofs) was so, None: now, as in an answer to our question. `status_text` is its own status word
    or event name. `driver`: id, name, phone, vehicle, as far as said. `attempted_at` is where it tried to hand over;
    `proofs` maps the courier's own names to photo addresses and signatures (never fetched). `passed`: when earlier
    stages were reached, where it tells (a timeline). `is_hint`: not signed by anybody, so its ends are confirmed by
    asking before they count.
    """

    courier: str
    external_id: str = ""
    courier_ref: str = ""
    status_text: str = ""
    stage: CourierStage | None = None
    occurred_at: datetime | None = None
    told_at: datetime | None = None
    passed: Mapping[CourierStage, datetime] = field(default_factory=dict)
    driver: Mapping[str, str] = field(default_factory=dict)
    position: Point | None = None
    arrival_at: datetime | None = None
    reason: str = ""
    driver_notes: str = ""
    attempted_at: Point | None = None
    proofs: Mapping[str, str] = field(default_factory=dict)
    fee_minor: int | None = None
    currency: str = ""
    tracking_url: str = ""
    is_hint: bool = False
    cause: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the log and the console: what was said, without the person it was said of."""
        return {"courier": self.courier, "word": self.status_text, "stage": self.stage, "occurred_at": self.occurred_at}
