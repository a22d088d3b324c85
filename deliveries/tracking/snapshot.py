"""What the tracking API and the sockets show of an order, read over several tables (the contract's OrderTracking)."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from deliveries.eta import learned_speeds
from deliveries.lifecycle import CARRIED, DeliveryStatus
from deliveries.models import IN_HOUSE, Delivery
from deliveries.positions import tracks
from deliveries.tracking import links
from foundation import clock
from foundation.events import Cause
from foundation.models import OPS_ROLES, STAFF_ROLES, Event, Role, User
from orders import line_items
from orders.lifecycle import LIVE, TRACKING_WORDS, OrderStatus
from orders.line_items import LineItem
from orders.models import Order, Substitution
from riders.positions import PositionFix

ON_THE_WAY = (DeliveryStatus.PICKED_UP, DeliveryStatus.IN_TRANSIT)


@dataclass(frozen=True)
class StatusHistoryEntry:
    """`by`: what kind of party moved it (stripe, rider, person, system ...), never who."""

    status: str
    timestamp: datetime
    recorded_at: datetime
    by: str
    reason: str


@dataclass(frozen=True)
class DriverView:
    name: str
    phone: str
    vehicle: str
    assigned_at: datetime | None
    picked_up_at: datetime | None


@dataclass(frozen=True)
class ProposedSubstitution:
    """A substitution and the item as it was before that."""

    row: Substitution
    item: LineItem

    @property
    def replacement(self) -> Substitution | None:
        return self.row if self.row.name else None

    @property
    def decided_by(self) -> str:
        return kind_of(self.row.decided_by)


def kind_of(actor: str) -> str:
    """What kind of party ("stripe", "rider", "person", "clock") an event's actor is, not who."""
    kind = actor.partition(":")[0]
    return "person" if kind == "user" else kind


class OrderSnapshot:
    """One order as `viewer` may see it (None: whoever has its tracking link). Storefront and staff see the
    storefront's metadata, storefront and ops the tracking link, others do not."""

    def __init__(self, order: Order, viewer: User | None):
        self.order, self.viewer = order, viewer
        self.inside = viewer is not None and (viewer.role == Role.STOREFRONT or viewer.role in STAFF_ROLES)
        self.now = clock.now()

    @cached_property
    def delivery(self) -> Delivery | None:
        return (
            Delivery.objects.filter(order=self.order)
            .select_related("rider", "courier_job")
            .order_by("-attempt")
            .first()
        )

    @property
    def visible_delivery(self) -> Delivery | None:
        """The delivery, for who may see its carrier: a rider who carried an earlier attempt may not."""
        delivery, viewer = self.delivery, self.viewer
        if delivery is None or viewer is None or viewer.role != Role.RIDER:
            return delivery
        return delivery if delivery.rider is not None and delivery.rider.user_id == viewer.pk else None

    @property
    def current_status(self) -> str:
        return TRACKING_WORDS[self.order.status]

    @property
    def carrier_name(self) -> str:
        """Who carries it, or shall."""
        if self.delivery is not None:
            return self.delivery.courier
        return self.order.external_delivery_provider or self.order.provider_preference or IN_HOUSE

    @property
    def driver_view(self) -> DriverView | None:
        """Who carries it; the phone number only for as long as there is a reason to call."""
        delivery = self.visible_delivery
        if delivery is None or not delivery.driver_details:
            return None
        shown = delivery.driver_details
        phone = shown.get("phone", "") if delivery.status in CARRIED else ""
        return DriverView(
            shown.get("name", ""), phone, shown.get("vehicle", ""), delivery.assigned_at, delivery.picked_up_at
        )

    @cached_property
    def last_fix(self) -> PositionFix | None:
        """SPEC T4: where it is, only while it is on its way."""
        delivery = self.visible_delivery
        return tracks.latest_fix(delivery) if delivery is not None and delivery.status in ON_THE_WAY else None

    @property
    def arrival_at(self) -> datetime | None:
        order = self.order
        if order.status not in LIVE or order.status == OrderStatus.PENDING:
            return None
        return learned_speeds.expected_arrival(order, self.delivery, now=self.now, last_fix=self.last_fix)

    @property
    def metadata(self) -> dict[str, Any]:
        return dict(self.order.metadata) if self.inside else {}

    @cached_property
    def tracking_url(self) -> str | None:
        """None: not for this viewer's eyes, or the time of such links is over."""
        viewer = self.viewer
        if viewer is None or viewer.role not in (Role.STOREFRONT, *OPS_ROLES):
            return None
        return links.url_of(self.order, by=Cause(f"user:{viewer.pk}", "api"))

    @property
    def items(self) -> list[LineItem]:
        return line_items.all_items(self.order)

    @property
    def substitutions(self) -> list[ProposedSubstitution]:
        """All that were ever proposed, oldest first."""
        found = [one for line in self.items for one in line.item.substitutions.all()]
        return [
            ProposedSubstitution(one, line_items.item_as_substituted(one.item, one))
            for one in sorted(found, key=lambda one: one.pk)
        ]

    @property
    def history(self) -> list[StatusHistoryEntry]:
        """One entry per status as callers know it, oldest first, beginning with the placing (SPEC O2)."""
        placed = self.order.created_at
        entries = [StatusHistoryEntry(TRACKING_WORDS[OrderStatus.PENDING], placed, placed, "storefront", "")]
        moves = Event.objects.filter(order_ref=self.order.public_id, name="order.status_changed")
        for event in moves.order_by("recorded_at", "id"):
            word, who = TRACKING_WORDS[event.data["to"]], event.actor
            if word != entries[-1].status:
                by, why = kind_of(who), event.data.get("why", "")
                entries.append(StatusHistoryEntry(word, event.occurred_at, event.recorded_at, by, why))
        return entries
