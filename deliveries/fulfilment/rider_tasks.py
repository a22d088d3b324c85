"""What a rider's app shows: the rider's tasks, one or a page of them (SPEC R1, R2).

A task is a delivery of the rider's, or an open offer, which is shown like one: `ASSIGNED`, but not accepted yet.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery

from deliveries import permissions
from deliveries.eta import learned_speeds
from deliveries.lifecycle import CARRIED, RIDER_WORDS, DeliveryStatus, OfferStatus
from deliveries.models import Delivery, Offer
from foundation import clock
from foundation.errors import Invalid
from orders import line_items, locks
from orders.line_items import LineItem
from orders.models import Order
from riders.models import Rider

STATUSES = {word: status for status, word in RIDER_WORDS.items()}
PAGE = 50


@dataclass(frozen=True)
class RiderTask:
    """`offer` is set while it is not accepted yet; `assigned_at` is when it was put before the rider."""

    delivery: Delivery
    assigned_at: datetime
    offer: Offer | None = None

    @property
    def order(self) -> Order:
        return self.delivery.order

    @property
    def status_text(self) -> str:
        return RIDER_WORDS[DeliveryStatus.ASSIGNED if self.offer else self.delivery.status]

    @property
    def accepted_at(self) -> datetime | None:
        return None if self.offer else self.delivery.assigned_at

    @property
    def delivered_at(self) -> datetime | None:
        return self.delivery.ended_at if self.delivery.status == DeliveryStatus.DELIVERED else None

    @property
    def items(self) -> list[LineItem]:
        return line_items.current_items(self.order)

    @property
    def item_count(self) -> int:
        return sum(line.quantity for line in self.items)

    @property
    def arrival_at(self) -> datetime:
        return learned_speeds.expected_arrival(self.order, self.delivery, now=clock.now())

    @property
    def timeline(self) -> list[dict[str, Any]]:
        """What has happened so far, oldest first."""
        moments = {
            "placed": self.order.created_at,
            "accepted": self.order.confirmed_at,
            "ready": self.order.ready_at,
            "assigned": self.assigned_at,
            "pickedUp": self.delivery.picked_up_at,
            "outForDelivery": self.delivery.in_transit_at,
            "delivered": self.delivered_at,
        }
        past = [(at, event) for event, at in moments.items() if at is not None]
        return [{"event": event, "at": at} for at, event in sorted(past, key=lambda pair: pair[0])]

    @property
    def key(self) -> tuple[datetime, int]:
        """Its place in the list: by when it was accepted, an open offer by when it was made."""
        return self.accepted_at or self.assigned_at, self.delivery.pk


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────
def list_tasks(rider: Rider, word: str | None, cursor: str, *, size: int = PAGE) -> tuple[list[RiderTask], str | None]:
    """The rider's tasks, newest assignment first, and the cursor of the next page (None: that was all).

    `status_text`: one of STATUSES; None: all that are active. Raises Invalid for a cursor that we did not make.
    """
    after = _read_cursor(cursor) if cursor else None
    tasks = _list_deliveries(rider, word, after, size + 1)
    if word in (None, RIDER_WORDS[DeliveryStatus.ASSIGNED]):
        tasks = sorted([*tasks, *_list_offers(rider, after)], key=lambda task: task.key, reverse=True)
    more = len(tasks) > size
    tasks = tasks[:size]
    line_items.prefetch_items(task.order for task in tasks)
    return tasks, _write_cursor(tasks[-1].key) if more else None


def _list_deliveries(rider: Rider, word: str | None, after: tuple[datetime, int] | None, limit: int) -> list[RiderTask]:
    statuses = CARRIED if word is None else (STATUSES[word],)
    found = _with_order(Delivery.objects.filter(rider=rider, status__in=statuses, assigned_at__isnull=False))
    if after is not None:
        found = found.filter(Q(assigned_at__lt=after[0]) | Q(assigned_at=after[0], pk__lt=after[1]))
    return [_task_of_delivery(delivery) for delivery in found.order_by("-assigned_at", "-pk")[:limit]]


def _list_offers(rider: Rider, after: tuple[datetime, int] | None) -> list[RiderTask]:
    offers = permissions.open_offers(rider).select_related("delivery__order__store", "delivery__order__customer")
    tasks = [_task_of_offer(offer) for offer in offers]
    return [task for task in tasks if after is None or task.key < after]


def _with_order(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    offered = Offer.objects.filter(delivery=OuterRef("pk"), rider=OuterRef("rider"), status=OfferStatus.ACCEPTED)
    return deliveries.select_related("order__store", "order__customer").annotate(
        offered_at=Subquery(offered.order_by("-pk").values("created_at")[:1])
    )


def _task_of_delivery(delivery: Any) -> RiderTask:
    return RiderTask(delivery, delivery.offered_at or delivery.assigned_at)


def _task_of_offer(offer: Offer) -> RiderTask:
    return RiderTask(offer.delivery, offer.created_at, offer)


def _write_cursor(key: tuple[datetime, int]) -> str:
    text = f"{key[0].isoformat()}|{key[1]}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        at, _, number = text.partition("|")
        moment, pk = datetime.fromisoformat(at), int(number)
    except (ValueError, binascii.Error) as error:
        raise Invalid("is not a cursor of ours", field="cursor") from error
    if moment.tzinfo is None or not 0 < pk < 2**63:
        raise Invalid("is not a cursor of ours", field="cursor")
    return moment, pk


# ── one order ────────────────────────────────────────────────────────────────────────────────────────────────────
def task_of(rider: Rider, ref: str) -> RiderTask:
    """The rider's latest delivery of this order, or the open offer. Raises Invalid, NotFound, Forbidden."""
    order = locks.find_order(None, ref)
    found = _with_order(Delivery.objects.filter(rider=rider, order=order)).order_by("-attempt").first()
    offer = _offer_of(rider, order)
    if offer is not None and (found is None or offer.delivery_id >= found.pk):
        return _task_of_offer(offer)
    if found is None or found.assigned_at is None:
        raise permissions.not_yours()
    return _task_of_delivery(found)


def _offer_of(rider: Rider, order: Order) -> Offer | None:
    offers = permissions.open_offers(rider).filter(delivery__order=order)
    return offers.select_related("delivery__order__store", "delivery__order__customer").first()
