"""Customers with their order's page open: they read what the store suggests and press one of the buttons, have the
storefront say it for them, or look away."""

import asyncio
import re

import httpx

from sandbox.city.api_clients import ApiClient, call
from sandbox.city.clock import CityClock
from sandbox.city.day import DayOrder
from sandbox.city.fixtures import Cast
from sandbox.city.tally import Tally

LOOKS_MIN = 0.4
LOOKS_AT_LEAST_S = 0.3
UNDECIDED = ("SUBMITTED", "STORE_NOTIFIED", "STORE_ACKNOWLEDGED", "PICKING_IN_PROGRESS", "SUBSTITUTIONS_NEEDED")
FORM_TOKEN = re.compile(r'name="form_token" value="(\w+)"')
SEE_OTHER, ALREADY_DECIDED = 303, 409


class Pages:
    def __init__(
        self, cast: Cast, clock: CityClock, storefront: ApiClient, browser: httpx.AsyncClient, tally: Tally
    ) -> None:
        self.cast, self.clock, self.storefront, self.browser, self.tally = cast, clock, storefront, browser, tally

    async def follow_page(self, order: DayOrder, ref: str, address: str) -> None:
        """Until nothing can be suggested any more."""
        if self.cast.answer_channel(order) == "silent":
            return
        while True:
            state = await call(self.browser, "GET", f"{address}/state")
            if not state.is_ok or state.body["status"] not in UNDECIDED:
                return
            for suggestion in state.body["suggestions"]:
                await self._answer_substitution(order, ref, address, suggestion["id"])
            await asyncio.sleep(max(LOOKS_AT_LEAST_S, self.clock.real_s(LOOKS_MIN)))

    async def _answer_substitution(self, order: DayOrder, ref: str, address: str, substitution: str) -> None:
        how, accepted = self.cast.answer_channel(order), self.cast.likes_replacement(order)
        status = await (
            self._press_button(address, substitution, accepted)
            if how == "page"
            else self._tell_storefront(ref, substitution, accepted)
        )
        if status in (200, SEE_OTHER):
            self.tally.wanted[substitution] = "accepted" if accepted else "refused"
            self.tally.answers[f"{how} {'accepted' if accepted else 'left out'}"] += 1
        elif status != ALREADY_DECIDED:  # the deadline was faster
            self.tally.note_surprise(f"answering {substitution} by {how}: {status}")

    async def _press_button(self, address: str, substitution: str, accepted: bool) -> int:
        """The form of the page, as a browser without JavaScript sends it."""
        page = await self.browser.get(address)
        token = FORM_TOKEN.search(page.text)
        form = {
            "form_token": token[1] if token else "",
            "substitution": substitution,
            "answer": "accept" if accepted else "leave_out",
        }
        return (await self.browser.post(f"{address}/answer", data=form)).status_code

    async def _tell_storefront(self, ref: str, substitution: str, accepted: bool) -> int:
        decisions = {"decisions": [{"substitution_id": substitution, "accepted": accepted}]}
        return (await self.storefront.call("PUT", f"/orders/tracking/{ref}/substitutions", json=decisions)).status
