"""Who watches live, and whether they still may (SPEC T2, S1): each kind of visitor is one class.

The right is looked at when somebody comes (deliveries/socket_access.py), when something happens to what they watch, and
every few seconds besides: for all of a kind at once, in one statement (`refused`).
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeVar

from deliveries import access, announcing, store_orders
from deliveries.access import Standing
from deliveries.api.live_bodies import StoreOrdersShown
from deliveries.api.tracking_bodies import OrderTracking
from deliveries.selectors import Tracking
from foundation.models import User
from orders.models import Order, Store


class Ending(NamedTuple):
    """Why a socket is closed: a WebSocket close code and words."""

    code: int
    reason: str


EXPIRED = Ending(4401, "token expired")
SIGNED_OUT = Ending(4401, "user is not active")
LOST = Ending(4403, "no longer yours to see")
OWN = ""  # the key of a topic's own version; those of a store's orders have the order's public id


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor(ABC):
    """Somebody who was let in to watch a topic until `expires_at`, in Unix seconds."""

    topic: str
    expires_at: float

    def seconds_left(self) -> float:
        return max(0.0, self.expires_at - time.time())

    @abstractmethod
    def snapshot(self) -> dict[str, Any]:
        """What they see now. Asks the database."""

    def versions(self, snapshot: Mapping[str, Any]) -> dict[str, int]:
        """Which versions that snapshot has."""
        return {OWN: snapshot["version"]}

    def hears(self, hint: announcing.Hint) -> bool:
        """Whether a hint on their topic is for them."""
        return True

    @classmethod
    @abstractmethod
    def refused(cls, visitors: Sequence[Self]) -> dict[Self, Ending]:
        """Those of them who may not watch any longer. Asks the database, once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderVisitor(Visitor):
    """A user on an order."""

    user_id: int
    order_id: int

    def snapshot(self) -> dict[str, Any]:
        order = Order.objects.select_related("store", "customer").get(pk=self.order_id)
        return dict(OrderTracking(Tracking(order, User.objects.get(pk=self.user_id))).data)

    @classmethod
    def refused(cls, visitors: Sequence[Self]) -> dict[Self, Ending]:
        standings = access.still_sees_orders([(one.user_id, one.order_id) for one in visitors])
        return _endings({one: standings.get((one.user_id, one.order_id)) for one in visitors})


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreVisitor(Visitor):
    """A user on the orders of a store; `only_of`: they hear of this storefront's alone."""

    user_id: int
    store_id: int
    only_of: int | None

    def snapshot(self) -> dict[str, Any]:
        return dict(StoreOrdersShown(store_orders.at_work(Store.objects.get(pk=self.store_id), self.only_of)).data)

    def versions(self, snapshot: Mapping[str, Any]) -> dict[str, int]:
        return {order["public_id"]: order["version"] for order in snapshot["orders"]}

    def hears(self, hint: announcing.Hint) -> bool:
        return self.only_of is None or hint.get("storefront") == self.only_of

    @classmethod
    def refused(cls, visitors: Sequence[Self]) -> dict[Self, Ending]:
        pairs = [(one.user_id, one.store_id) for one in visitors]
        standings = access.still_sees_stores(pairs, [one.only_of is not None for one in visitors])
        return _endings({one: standings.get((one.user_id, one.store_id)) for one in visitors})


Anybody = TypeVar("Anybody", bound=Visitor)


def _endings(standings: Mapping[Anybody, Standing | None]) -> dict[Anybody, Ending]:
    endings = {Standing.SIGNED_OUT: SIGNED_OUT, Standing.LOST: LOST, None: LOST}
    return {one: endings[standing] for one, standing in standings.items() if standing != Standing.STANDS}


def refused(visitors: Sequence[Visitor]) -> dict[Visitor, Ending]:
    """Those of them, of whatever kind, who may not watch any longer: one statement for each kind."""
    kinds: dict[type[Visitor], list[Visitor]] = {}
    for visitor in set(visitors):
        kinds.setdefault(type(visitor), []).append(visitor)
    return {one: ending for kind, some in kinds.items() for one, ending in kind.refused(some).items()}
