"""Stores without a POS: somebody with a tablet says through the API what a printer's store says by itself, and proposes
something else where an item has run out."""

import asyncio
import math
from typing import Any

from sandbox.city.api_clients import ApiClient
from sandbox.city.clock import CityClock
from sandbox.city.day import DayOrder
from sandbox.city.fixtures import Cast
from sandbox.city.tally import Tally

LOOKS_MIN = 0.5  # somebody looks at the tablet every half minute
LOOKS_AT_LEAST_S = 0.3
BEFORE = ("SUBMITTED", "SUBSTITUTIONS_NEEDED")


class StoreTablet:
    """One store's. It reads where an order stands and takes the next step, so that a second run goes on where the first
    one ended."""

    def __init__(self, cast: Cast, clock: CityClock, phone: ApiClient, tally: Tally) -> None:
        self.cast, self.clock, self.phone, self.tally = cast, clock, phone, tally

    async def prepare_order(self, order: DayOrder, ref: str) -> None:
        """From the payment until it is ready, or called off."""
        path = f"/orders/tracking/{ref}"
        while True:
            told = await self.phone.call("GET", path)
            status = str(told.body.get("current_status", ""))
            match status:
                case "STORE_NOTIFIED":
                    await self._call_api("POST", f"{path}/acknowledge", {"prep_minutes": self._prep_minutes(order)})
                case "STORE_ACKNOWLEDGED":
                    outcome = self.cast.kitchen_outcome(order)
                    word = "PICKING_IN_PROGRESS" if outcome == "ready" else "CANCELLED"
                    await self._call_api(
                        "PUT", f"{path}/status", {"status": word, "reason": "" if word[0] == "P" else "closed"}
                    )
                case "PICKING_IN_PROGRESS":
                    await self._pick_items(order, path, told.body)
                case _ if status not in BEFORE:
                    return
            await asyncio.sleep(max(LOOKS_AT_LEAST_S, self.clock.real_s(LOOKS_MIN)))

    async def _pick_items(self, order: DayOrder, path: str, told: dict[str, Any]) -> None:
        missing = self.cast.missing_items(order)
        if missing and not told["substitutions"]:
            answer = await self._call_api("PUT", f"{path}/substitutions", {"proposals": missing})
            for one in answer.get("substitutions", ()):
                self.tally.suggested[one["substitution_id"]] = order.name
                # Who never answers gets what they said when they ordered; without a replacement it is left out.
                wish = self.cast.silent_preference(order) if one["replacement"] else "accept"
                said = "accepted" if wish == "accept" else "refused"
                self.tally.wanted.setdefault(one["substitution_id"], said)  # unless an answer was faster
            return
        if self.clock.until_s(order.ready_min) <= 0:
            await self._call_api("PUT", f"{path}/status", {"status": "READY_FOR_PICKUP"})

    def _prep_minutes(self, order: DayOrder) -> int:
        """What it takes, in everybody's minutes."""
        return max(1, math.ceil(self.clock.until_s(order.ready_min) / 60))

    async def _call_api(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.phone.call(method, path, json=body)
        if not answer.is_ok:
            self.tally.note_surprise(f"tablet {method} {path}: {answer.status} {answer.body}")
            return {}
        return dict(answer.body)
