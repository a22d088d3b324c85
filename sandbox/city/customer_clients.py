"""Customers: each places one order through the storefront, pays, and waits."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.city import deliverability
from sandbox.city.api_clients import ApiClient, SandboxClient
from sandbox.city.clock import CityClock
from sandbox.city.day import DayOrder
from sandbox.city.fixtures import Cast
from sandbox.city.store_tablet_clients import StoreTablet
from sandbox.city.tally import Tally
from sandbox.city.tracking_page_clients import Pages

ACCEPT_MIN = 0.5  # a kitchen looks at its printer after half a minute


class Customers:
    """All customers of the day, speaking to Handoff through one storefront service; `tablets` by restaurant."""

    def __init__(
        self,
        cast: Cast,
        clock: CityClock,
        storefront: ApiClient,
        outside: SandboxClient,
        tally: Tally,
        *,
        tablets: Mapping[str, StoreTablet],
        pages: Pages,
    ) -> None:
        self.cast, self.clock, self.storefront, self.outside, self.tally = cast, clock, storefront, outside, tally
        self.tablets, self.pages = tablets, pages
        self._acknowledging: set[asyncio.Task[None]] = set()
        self.orders = {cast.order_id(order): order for order in cast.day.orders}

    async def live_day(self) -> None:
        await asyncio.gather(*(self._live_order(order) for order in self.cast.day.orders))

    async def _live_order(self, order: DayOrder) -> None:
        await self.clock.sleep_until(order.placed_min)
        order_id = self.cast.order_id(order)
        answer = await self.storefront.call(
            "POST",
            "/orders/tracking/init",
            json=self.cast.order_body(order, self._promised_at()),
            headers={"Idempotency-Key": f"place-{order_id}"},
        )
        if not answer.is_ok:
            self.tally.refused[order_id] = str(answer.body.get("detail", answer.status))
            if answer.status != 422:  # 422: it cannot be delivered, and the reason was said
                self.tally.note_surprise(f"placing {order_id}: {answer.status} {answer.body}")
            return
        ref = str(answer.body["public_id"])
        self.tally.placed[order_id] = ref
        tablet, page = self.tablets.get(order.restaurant), str(answer.body.get("tracking_url") or "")
        customer = self.cast.order_body(order, self._promised_at())["customer"]
        self.tally.pages[ref] = page, customer["id"]
        await self._get_reachable(customer)
        if tablet is None:
            await self._plan_kitchen(order, ref)
        else:
            self.tally.ready_min[ref] = order.ready_min
        # In a second run it was placed and paid before.
        if answer.body.get("current_status") == "SUBMITTED" and not await self._pay_order(order, answer.body):
            return
        if tablet is not None:
            await asyncio.gather(tablet.prepare_order(order, ref), self.pages.follow_page(order, ref, page))

    async def _pay_order(self, order: DayOrder, placed: Mapping[str, Any]) -> bool:
        for card in self.cast.cards_tried(order):
            if await self.outside.pay_intent(str(placed["client_secret"]), card):
                self.tally.paid.add(str(placed["public_id"]))
                return True
        self.tally.note_surprise(f"paying {self.cast.order_id(order)} failed")
        return False

    async def _get_reachable(self, customer: dict[str, str]) -> None:
        wanted = deliverability.reach_of(customer, self.cast.dice_for(f"reach-{customer['id']}"))
        if wanted.device and wanted.looks_at_it:
            self.tally.apps[wanted.device] = customer["id"]
        for problem in await deliverability.connect_customer(customer, wanted, self.storefront, self.outside):
            self.tally.note_surprise(problem)

    def take_push(self, device: str, data: dict[str, Any]) -> None:
        """A push arrived; the app of a customer who looks at it says so."""
        if customer_id := self.tally.apps.get(device):
            task = asyncio.create_task(self._acknowledge_message(customer_id, str(data["messageId"])))
            self._acknowledging.add(task)
            task.add_done_callback(self._acknowledging.discard)

    async def _acknowledge_message(self, customer_id: str, message_id: str) -> None:
        """By the storefront's service, which knows its app's customers."""
        path = f"/api/v1/notifications/{message_id}/ack?customer_id={customer_id}"
        answer = await self.storefront.call("POST", path)
        if not answer.is_ok:
            self.tally.note_surprise(f"{customer_id} acknowledged {message_id}: {answer.status} {answer.body}")

    def _promised_at(self) -> datetime:
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
