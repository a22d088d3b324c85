"""Customers: each places one order through the storefront, pays, and waits."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.city import reach
from sandbox.city.casting import Cast
from sandbox.city.clock import CityClock
from sandbox.city.day import DayOrder
from sandbox.city.ledger import Tally
from sandbox.city.pages import Pages
from sandbox.city.phones import Outside, Phone
from sandbox.city.tablets import Tablet

ACCEPT_MIN = 0.5  # a kitchen looks at its printer after half a minute


class Customers:
    """All customers of the day, speaking to Handoff through one storefront service; `tablets` by restaurant."""

    def __init__(
        self,
        cast: Cast,
        clock: CityClock,
        storefront: Phone,
        outside: Outside,
        tally: Tally,
        *,
        tablets: Mapping[str, Tablet],
        pages: Pages,
    ) -> None:
        self.cast, self.clock, self.storefront, self.outside, self.tally = cast, clock, storefront, outside, tally
        self.tablets, self.pages = tablets, pages
        self._acknowledging: set[asyncio.Task[None]] = set()
        self.orders = {cast.order_id(order): order for order in cast.day.orders}

    async def live(self) -> None:
        await asyncio.gather(*(self._order(order) for order in self.cast.day.orders))

    async def _order(self, order: DayOrder) -> None:
        await self.clock.sleep_until(order.placed_min)
        order_id = self.cast.order_id(order)
        answer = await self.storefront.call(
            "POST",
            "/orders/tracking/init",
            json=self.cast.placement(order, self._promise()),
            headers={"Idempotency-Key": f"place-{order_id}"},
        )
        if not answer.ok:
            self.tally.refused[order_id] = str(answer.body.get("detail", answer.status))
            if answer.status != 422:  # 422: it cannot be delivered, and the reason was said
                self.tally.surprise(f"placing {order_id}: {answer.status} {answer.body}")
            return
        ref = str(answer.body["public_id"])
        self.tally.placed[order_id] = ref
        tablet, page = self.tablets.get(order.restaurant), str(answer.body.get("tracking_url") or "")
        customer = self.cast.placement(order, self._promise())["customer"]
        self.tally.pages[ref] = page, customer["id"]
        await self._get_reachable(customer)
        if tablet is None:
            await self._plan_kitchen(order, ref)
        else:
            self.tally.ready_min[ref] = order.ready_min
        # In a second run it was placed and paid before.
        if answer.body.get("current_status") == "SUBMITTED" and not await self._pay(order, answer.body):
            return
        if tablet is not None:
            await asyncio.gather(tablet.cook(order, ref), self.pages.follow(order, ref, page))

    async def _pay(self, order: DayOrder, placed: Mapping[str, Any]) -> bool:
        for card in self.cast.pays(order):
            if await self.outside.pay(str(placed["client_secret"]), card):
                self.tally.paid.add(str(placed["public_id"]))
                return True
        self.tally.surprise(f"paying {self.cast.order_id(order)} failed")
        return False

    async def _get_reachable(self, customer: dict[str, str]) -> None:
        wanted = reach.of(customer, self.cast.dice(f"reach-{customer['id']}"))
        if wanted.device and wanted.looks_at_it:
            self.tally.apps[wanted.device] = customer["id"]
        for problem in await reach.connect(customer, wanted, self.storefront, self.outside):
            self.tally.surprise(problem)

    def pushed(self, device: str, data: dict[str, Any]) -> None:
        """A push arrived; the app of a customer who looks at it says so."""
        if customer_id := self.tally.apps.get(device):
            task = asyncio.create_task(self._acknowledge(customer_id, str(data["messageId"])))
            self._acknowledging.add(task)
            task.add_done_callback(self._acknowledging.discard)

    async def _acknowledge(self, customer_id: str, message_id: str) -> None:
        """By the storefront's service, which knows its app's customers."""
        path = f"/api/v1/notifications/{message_id}/ack?customer_id={customer_id}"
        answer = await self.storefront.call("POST", path)
        if not answer.ok:
            self.tally.surprise(f"{customer_id} acknowledged {message_id}: {answer.status} {answer.body}")

    def _promise(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.clock.real_s(self.cast.day.target_min))

    async def _plan_kitchen(self, order: DayOrder, ref: str) -> None:
        """The kitchen's clock starts when the order reaches it, a moment from now."""
        self.tally.ready_min[ref] = order.ready_min
        await self.outside.plan_kitchen(
            ref,
            accept_after_s=self.clock.real_s(ACCEPT_MIN),
            ready_after_s=self.clock.until_s(order.ready_min),
            outcome=self.cast.kitchen_outcome(order),
        )
