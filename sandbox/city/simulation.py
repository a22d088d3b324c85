"""A whole day, run: customers order, kitchens cook (in the sandbox), riders ride; a progress line tells how it goes."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.city.api_clients import TIMEOUT_S, ApiClient, SandboxClient
from sandbox.city.clock import CityClock
from sandbox.city.customer_clients import Customers
from sandbox.city.fixtures import Cast
from sandbox.city.rider_clients import RiderApp
from sandbox.city.store_tablet_clients import StoreTablet
from sandbox.city.tally import Tally
from sandbox.city.tracking_page_clients import Pages

PROGRESS_EVERY_S = 3.0
SAID_EVERY_S = 30.0
BLACKED_OUT = "cooco"
OUTAGE_S = 60.0
NOBODY_LEFT_S = 600.0  # a day that does not end by itself this long after its last order is broken


@dataclass(frozen=True)
class Addresses:
    handoff: str
    sandbox: str
    publishable_key: str


class OpsConsole:
    """What ops sees: the figures of the ops home, read as a signed-in agent reads them."""

    def __init__(self, http: httpx.AsyncClient, username: str, password: str) -> None:
        self.http, self.username, self.password = http, username, password

    async def sign_in(self) -> None:
        page = await self.http.get("/admin/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        if token is None:
            raise PermissionError("the console has no login form")
        form = {"csrfmiddlewaretoken": token[1], "username": self.username, "password": self.password}
        answer = await self.http.post("/admin/login/", data=form, headers={"Referer": str(page.url)})
        if answer.status_code != 302:
            raise PermissionError(f"{self.username} cannot sign in to the console")

    async def read_figures(self) -> dict[str, Any]:
        """`{open: {status: count}, late: n, backlog: n}`"""
        answer = await self.http.get("/admin/home", params={"state": ""})
        answer.raise_for_status()
        return dict(answer.json())


async def run(cast: Cast, clock_of: Callable[[], CityClock], where: Addresses, say: Callable[[str], None]) -> Tally:
    """Run the day to its end: no order is open any more. Returns what the city remembers."""
    tally = Tally()
    limits = httpx.Limits(max_connections=60, max_keepalive_connections=40)
    async with (
        httpx.AsyncClient(base_url=where.handoff, timeout=TIMEOUT_S, limits=limits) as handoff,
        httpx.AsyncClient(base_url=where.sandbox, timeout=TIMEOUT_S + 15, limits=limits) as sandbox,
        httpx.AsyncClient(base_url=where.handoff, timeout=TIMEOUT_S) as browser,
    ):
        outside = SandboxClient(sandbox, where.publishable_key)
        console = OpsConsole(browser, "agent", cast.passwords["agent"])
        await console.sign_in()
        storefront = ApiClient(handoff, "storefront", cast.passwords["storefront"])
        await storefront.sign_in()
        last_push = await outside.last_push()
        clock = clock_of()
        riders = {
            cast.push_token(c): RiderApp(
                c, cast, clock, ApiClient(handoff, cast.rider_login(c), cast.passwords[cast.rider_login(c)]), tally
            )
            for c in cast.day.couriers
        }
        _give_overtime(list(riders.values()))
        tablets = {
            r.name: StoreTablet(cast, clock, ApiClient(handoff, login, cast.passwords[login]), tally)
            for r in cast.day.restaurants
            if cast.has_tablet(r.name) and (login := cast.tablet_login(r.name))
        }
        pages = Pages(cast, clock, storefront, handoff, tally)
        customers = Customers(cast, clock, storefront, outside, tally, tablets=tablets, pages=pages)
        over = asyncio.Event()
        network = asyncio.create_task(_deliver_pushes(outside, riders, customers, last_push))
        progress = asyncio.create_task(_print_progress(console, clock, tally, say))
        guide = asyncio.create_task(_show_the_way(outside, tally, where, say))
        outage = asyncio.create_task(_run_outage(outside, clock, cast, say))
        on_shift = [asyncio.create_task(rider.live_shift(over)) for rider in riders.values()]
        try:
            await customers.live_day()
            await _until_nothing_is_open(console)
            over.set()
            await asyncio.gather(*on_shift)
        finally:
            beside = (network, progress, guide, outage, *on_shift)
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await outside.show_page("")
            await outside.black_out(BLACKED_OUT, over=True)
    return tally


async def _run_outage(outside: SandboxClient, clock: CityClock, cast: Cast, say: Callable[[str], None]) -> None:
    """In the busiest part of the day one courier company answers nobody for a minute."""
    placed = sorted(order.placed_min for order in cast.day.orders)
    await clock.sleep_until(placed[len(placed) * 2 // 5])
    await outside.black_out(BLACKED_OUT, over=False)
    say(f"{clock.time_shown()}  {BLACKED_OUT} answers no more: what it was asked waits, new orders go elsewhere")
    await asyncio.sleep(OUTAGE_S)
    await outside.black_out(BLACKED_OUT, over=True)
    say(f"{clock.time_shown()}  {BLACKED_OUT} answers again")


def _give_overtime(riders: list[RiderApp]) -> None:
    """The published days end with orders still cooking: whoever is on duty last stays until they are delivered."""
    latest = max(rider.courier.off_min for rider in riders)
    for rider in riders:
        rider.overtime = rider.courier.off_min >= latest - 60


async def _deliver_pushes(
    outside: SandboxClient, riders: dict[str, RiderApp], customers: Customers, after: int
) -> None:
    while True:
        messages, after = await outside.read_pushes(after)
        for message in messages:
            if rider := riders.get(message["to"]):
                rider.take_push(message["data"])
            else:
                customers.take_push(message["to"], message["data"])


async def _until_nothing_is_open(console: OpsConsole) -> None:
    gives_up = time.monotonic() + NOBODY_LEFT_S
    while (await console.read_figures())["open"]:
        if time.monotonic() > gives_up:
            raise TimeoutError("orders are still open long after the last one was placed")
        await asyncio.sleep(1.0)


async def _print_progress(console: OpsConsole, clock: CityClock, tally: Tally, say: Callable[[str], None]) -> None:
    while True:
        try:
            figures = await console.read_figures()
        except (httpx.HTTPError, ValueError) as error:
            say(f"{clock.time_shown()}  the console does not answer: {error!r}")
        else:
            states = "  ".join(f"{name} {count}" for name, count in figures["open"].items())
            say(
                f"{clock.time_shown()}  placed {len(tally.placed)}  delivered {len(tally.delivered)}"
                f"  late {figures['late']}  waiting rows {figures['backlog']}  │ {states or 'nothing open'}"
            )
        await asyncio.sleep(PROGRESS_EVERY_S)


async def _show_the_way(outside: SandboxClient, tally: Tally, where: Addresses, say: Callable[[str], None]) -> None:
    """Keep /live on an order that is on its way, and now and then name one with its customer's inbox."""
    said_at = -SAID_EVERY_S
    while True:
        if tally.watched not in tally.under_way:
            before, tally.watched = tally.watched, tally.longest_way()
            page, customer = tally.pages.get(tally.watched, ("", ""))
            if tally.watched != before:
                await outside.show_page(page)
            if page and time.monotonic() - said_at > SAID_EVERY_S:
                said_at = time.monotonic()
                say(f"On its way: {page}\n  and what its customer got: {where.sandbox}/inbox/{customer}")
        await asyncio.sleep(0.5)


async def outside_summary(where: Addresses) -> dict[str, Any]:
    """What Stripe says about the money of the day, and the courier companies about their jobs."""
    async with httpx.AsyncClient(base_url=where.sandbox, timeout=TIMEOUT_S) as http:
        outside = SandboxClient(http, where.publishable_key)
        return {**await outside.stripe_summary(), "jobs": await outside.courier_jobs()}
