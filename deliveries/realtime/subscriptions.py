"""Who watches live, and whether they still may (SPEC T2, S1): each kind of subscription is one class.

The right is looked at when somebody comes (deliveries/realtime/authentication.py), when something happens to what they
watch, and every few seconds besides: for all of a kind at once, in one statement (`find_refused`).
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeVar

from deliveries import permissions
from deliveries.api.live_serializers import StoreOrdersShown
from deliveries.api.tracking_serializers import OrderTracking
from deliveries.permissions import AccessState
from deliveries.realtime import publisher
from deliveries.tracking.snapshot import OrderSnapshot
from foundation.models import User
from orders.models import Order, Store
from orders.stores import open_orders


class CloseReason(NamedTuple):
    """Why a socket is closed: a WebSocket close code and words."""

    code: int
    reason: str


EXPIRED = CloseReason(4401, "token expired")
SIGNED_OUT = CloseReason(4401, "user is not active")
LOST = CloseReason(4403, "no longer yours to see")
OWN = ""  # the key of a topic's own version; those of a store's orders have the order's public id


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription(ABC):
    """Somebody who was let in to watch a topic until `expires_at`, in Unix seconds."""

    topic: str
    expires_at: float

    def seconds_left(self) -> float:
        return max(0.0, self.expires_at - time.time())

    @abstractmethod
    def load_snapshot(self) -> dict[str, Any]:
        """What they see now. Asks the database."""

    def versions_of(self, snapshot: Mapping[str, Any]) -> dict[str, int]:
        """Which versions that snapshot has."""
        return {OWN: snapshot["version"]}

    def wants_hint(self, hint: publisher.Hint) -> bool:
        """Whether a hint on their topic is for them."""
        return True

    @classmethod
    @abstractmethod
    def find_refused(cls, subscriptions: Sequence[Self]) -> dict[Self, CloseReason]:
        """Those of them who may not watch any longer. Asks the database, once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderSubscription(Subscription):
    """A user on an order."""

    user_id: int
    order_id: int

    def load_snapshot(self) -> dict[str, Any]:
        order = Order.objects.select_related("store", "customer").get(pk=self.order_id)
        return dict(OrderTracking(OrderSnapshot(order, User.objects.get(pk=self.user_id))).data)

    @classmethod
    def find_refused(cls, subscriptions: Sequence[Self]) -> dict[Self, CloseReason]:
        standings = permissions.still_sees_orders([(one.user_id, one.order_id) for one in subscriptions])
        return _close_reasons({one: standings.get((one.user_id, one.order_id)) for one in subscriptions})


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreSubscription(Subscription):
    """A user on the orders of a store; `only_of`: they hear of this storefront's alone."""

    user_id: int
    store_id: int
    only_of: int | None

    def load_snapshot(self) -> dict[str, Any]:
        return dict(
            StoreOrdersShown(open_orders.list_open_orders(Store.objects.get(pk=self.store_id), self.only_of)).data
        )

    def versions_of(self, snapshot: Mapping[str, Any]) -> dict[str, int]:
        return {order["public_id"]: order["version"] for order in snapshot["orders"]}

    def wants_hint(self, hint: publisher.Hint) -> bool:
        return self.only_of is None or hint.get("storefront") == self.only_of

    @classmethod
    def find_refused(cls, subscriptions: Sequence[Self]) -> dict[Self, CloseReason]:
        pairs = [(one.user_id, one.store_id) for one in subscriptions]
        standings = permissions.still_sees_stores(pairs, [one.only_of is not None for one in subscriptions])
        return _close_reasons({one: standings.get((one.user_id, one.store_id)) for one in subscriptions})


Anybody = TypeVar("Anybody", bound=Subscription)


def _close_reasons(standings: Mapping[Anybody, AccessState | None]) -> dict[Anybody, CloseReason]:
    endings = {AccessState.SIGNED_OUT: SIGNED_OUT, AccessState.LOST: LOST, None: LOST}
    return {one: endings[standing] for one, standing in standings.items() if standing != AccessState.ALLOWED}


def find_refused(subscriptions: Sequence[Subscription]) -> dict[Subscription, CloseReason]:
    """Those of them, of whatever kind, who may not watch any longer: one statement for each kind."""
    kinds: dict[type[Subscription], list[Subscription]] = {}
    for subscription in set(subscriptions):
        kinds.setdefault(type(subscription), []).append(subscription)
    return {one: ending for kind, some in kinds.items() for one, ending in kind.find_refused(some).items()}
