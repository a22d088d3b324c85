"""The customer's page in a real browser (SPEC T3, T4): followed to the end, by phones, on bad lines and without
JavaScript."""

import os
import re
import time
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, expect

from deliveries.fulfilment import location_reports, ops_actions
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery, Rating, TrackingLink
from deliveries.realtime import publisher
from deliveries.tracking import links, ratings
from deliveries.tracking.page import texts
from foundation import clock
from notifications.models import PhoneCall
from orders import delivery_preferences
from orders.lifecycle import TRACKING_WORDS
from orders.models import Order, OrderItem
from riders.positions import PositionFix
from tests.browser.stage import DESK, PHONE, SOCKET_FAILED, Stage, Visit, visit
from tests.builders import TEST, acknowledged, assigned, moved, near, paid_order, ready, rider, searching, store
from tests.phone_calls import token_of
from tests.queues import drain_queues

pytestmark = pytest.mark.django_db(transaction=True)
NUMBERS = count(1)
LIMIT_BYTES = 150_000
PATIENCE_S = 30.0
SOON_S = 9.0  # sooner than the sockets compare versions by themselves
SLOW_3G = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}


def link_of(placed: Order) -> str:
    url = links.url_of(placed, by=TEST)
    assert url is not None
    return url


def dinner() -> Order:
    placed = paid_order(
        of=store(name="Saffron Kitchen", slug=f"saffron-{next(NUMBERS)}", time_zone="Asia/Kolkata"),
        to=near(north_m=1500, east_m=700),
        promised_at=clock.now() + timedelta(minutes=40),
        customer_phone="+918012345678",
    )
    for number, name in enumerate(("Masala dosa", "Filter coffee"), 1):
        OrderItem.objects.create(order=placed, position=number, name=name, quantity=number, price_minor=20_000)
    return placed


def asked_of_the_api(stage: Stage, placed: Order) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token_of(placed.storefront)}"}
    answer = requests.get(f"{stage.url}/orders/tracking/{placed.public_id}", headers=headers, timeout=10)
    answer.raise_for_status()
    return dict(answer.json())


def shows(look: Visit) -> dict[str, Any]:
    """What the page says, read from what is drawn."""
    page = look.page
    return {
        "version": page.locator("main").get_attribute("data-version"),
        "status": page.locator("main").get_attribute("data-status"),
        "headline": look.text("h1"),
        "steps": page.locator(".steps li").evaluate_all("all => all.map(one => one.className)"),
        "driver": look.text(".driver strong") if page.locator(".driver").is_visible() else None,
        "call": look.text("[data-text='driver.call']")
        if page.locator("[data-text='driver.call']").is_visible()
        else None,
        "rider on the map": page.locator("#map .pin.rider").count(),
    }


def should_show(told: dict[str, Any], placed: Order) -> dict[str, Any]:
    placed = Order.objects.select_related("store").get(pk=placed.pk)
    driver = told["driver_details"] if told["current_status"] != "DELIVERED" else None
    assert told["current_status"] == TRACKING_WORDS[placed.status]
    zone = texts.ZoneInfo(placed.store.time_zone)
    return {
        "version": str(told["version"]),
        "status": told["current_status"],
        "headline": texts.HEADLINES[placed.status][0],
        "steps": [step["state"] for step in texts.list_steps(placed, zone)],
        "driver": driver["name"].split()[0] if driver else None,
        "call": f"Call {driver['name'].split()[0]}" if driver else None,
        "rider on the map": int(told["driver_location"] is not None),
    }


class Audience:
    """Several browsers on one order, held against the API."""

    def __init__(self, stage: Stage, placed: Order, looks: list[Visit]) -> None:
        self.stage, self.placed, self.looks = stage, placed, looks

    def agree(self, when: str, within_s: float = SOON_S) -> None:
        publisher.QUEUE.drain_once()
        told = asked_of_the_api(self.stage, self.placed)
        wanted = should_show(told, self.placed)
        ends = time.monotonic() + within_s
        while [shows(look) for look in self.looks] != [wanted] * len(self.looks):
            if time.monotonic() > ends:
                assert [shows(look) for look in self.looks] == [wanted] * len(self.looks), when
            self.looks[0].page.wait_for_timeout(100)  # lets playwright work meanwhile

    def live(self, yes: bool, within_s: float = PATIENCE_S) -> None:
        for look in self.looks:
            look.page.wait_for_selector(f"main[data-live={'yes' if yes else 'no'}]", timeout=within_s * 1000)

    def picture(self, folder: Path, name: str) -> None:
        for kind, look in zip(("phone", "desk"), self.looks, strict=False):
            look.page.screenshot(path=folder / f"{name}-{kind}.png", full_page=True)

    def complaints(self) -> list[str]:
        return [complaint for look in self.looks for complaint in look.complaints]


def ride(delivery: Delivery, north_m: float) -> None:
    assert delivery.rider
    location_reports.take_report(delivery.rider, [PositionFix(near(north_m=north_m), clock.now(), 5.0)])


# spec: T2, T4
def test_a_position_moves_the_rider_without_the_page_asking_for_more(browser: Browser, stage: Stage):
    delivery = moved(assigned(rider("Ravi"), searching(ready(dinner()))), DeliveryStatus.IN_TRANSIT)
    ride(delivery, 100)
    look = visit(browser, stage, link_of(delivery.order))
    look.page.wait_for_selector("main[data-live=yes]", timeout=PATIENCE_S * 1000)
    pin = look.page.locator("#map .pin.rider")
    expect(pin).to_have_count(1)
    with look.page.expect_response("**/state"):  # what had to be asked for on connecting
        drain_queues(publisher.QUEUE)
    asked: list[str] = []
    look.page.on("request", lambda request: asked.append(request.url))
    began = time.monotonic()
    for north_m in range(200, 1_000, 200):
        before = pin.get_attribute("style")
        ride(delivery, north_m)
        publisher.QUEUE.drain_once()
        expect(pin).not_to_have_attribute("style", before or "", timeout=PATIENCE_S * 1000)
    assert len(asked) <= 1 + (time.monotonic() - began) // 10
    assert look.complaints == []


# spec: T2, T3, T4
def test_two_browsers_follow_an_order_to_its_end_through_a_lost_connection(
    browser: Browser, stage: Stage, tmp_path: Path
):
    pictures = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    placed = dinner()
    looks = [visit(browser, stage, link_of(placed), **options) for options in (PHONE, DESK)]
    audience = Audience(stage, placed, looks)
    audience.live(True)
    audience.agree("placed")
    acknowledged(placed)
    audience.agree("acknowledged")
    audience.picture(pictures, "1-preparing")
    ready(placed)
    audience.agree("ready")
    delivery = assigned(rider("Ravi Kumar", phone="+919812345610", vehicle="blue scooter"), searching(placed))
    audience.agree("assigned")
    moved(delivery, DeliveryStatus.PICKED_UP)
    ride(delivery, 60)
    audience.agree("picked up")

    stage.kill_sockets()
    audience.live(False)
    moved_on = time.monotonic()
    ride(delivery, 900)  # the system sees that the rider has left
    audience.agree("in transit, without sockets", within_s=PATIENCE_S)
    print(f"without sockets level again after {time.monotonic() - moved_on:.1f} s")
    stage.start_sockets()
    audience.live(True, within_s=60)
    ride(delivery, 1200)
    audience.agree("in transit, with sockets again")
    assert all("9812345610" not in look.page.content() for look in looks)
    with looks[0].page.expect_navigation():
        looks[0].page.click("text=Call Ravi")
    audience.live(True)
    audience.agree("called")
    assert PhoneCall.objects.get().callee == "+919812345610"
    for look in looks:
        look.page.wait_for_selector("text=Your phone rings in a moment")
    audience.picture(pictures, "2-on-the-way")
    assert all(re.search(r"about \d\d:\d\d \(in \d+ minutes?\)", look.text("[data-text=arrival]")) for look in looks)

    ride(delivery, 1500)
    ops_actions.confirm_delivery(placed.pk, "the customer called", by=TEST)
    audience.agree("delivered")
    looks[0].page.check("input[name=stars][value='5']")
    looks[0].page.fill("textarea", "Warm and quick")
    audience.picture(pictures, "3-delivered")
    with looks[0].page.expect_navigation():
        looks[0].page.click("text=Send")
    audience.live(True)
    audience.agree("rated")
    assert Rating.objects.get().comment == "Warm and quick"
    for look in looks:
        look.page.wait_for_selector("text=You gave 5 of 5 stars")
    assert [one for one in audience.complaints() if SOCKET_FAILED not in one] == []


# spec: T3
def test_the_page_is_light_and_quick_on_a_slow_line(browser: Browser, stage: Stage):
    placed = dinner()
    ready(placed)
    look = visit(browser, stage)
    look.network.send("Network.emulateNetworkConditions", SLOW_3G)
    look.page.goto(link_of(placed), wait_until="domcontentloaded")
    look.page.wait_for_selector("#map[data-drawn]")
    look.page.wait_for_selector("main[data-live=yes]")
    paints = look.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    map_ms = look.page.evaluate("performance.getEntriesByName('map-drawn')[0].startTime")
    print(f"{look.weight / 1000:.1f} KB in all: {look.sizes}")
    print(f"on 400 kbit/s and 400 ms: first paint {paints:.0f} ms, map drawn {map_ms:.0f} ms")
    assert 0 < look.weight < LIMIT_BYTES
    assert map_ms < 15_000
    assert look.complaints == []


# spec: T3
def test_without_javascript_the_page_is_whole_and_its_forms_work(browser: Browser, stage: Stage):
    delivery = assigned(rider("Ravi Kumar"), searching(ready(dinner())))
    placed = delivery.order
    look = visit(browser, stage, link_of(placed), **PHONE, java_script_enabled=False)
    assert look.text("h1") == "Your order is ready"
    assert look.page.locator("#map-part").is_hidden()
    look.page.check("input[name=contact_free]")
    look.page.fill("input[name=entrance]", "Gate B")
    with look.page.expect_navigation():
        look.page.click("text=Save")
    assert look.page.url == link_of(placed)
    placed.refresh_from_db()
    assert (placed.delivery_preferences["contact_free"], placed.delivery_preferences["entrance"]) == (True, "Gate B")
    assert look.page.input_value("input[name=entrance]") == "Gate B"
    moved(delivery, DeliveryStatus.DELIVERED)
    look.page.reload()
    assert look.text("h1") == "Delivered"
    look.page.check("input[name=stars][value='4']")
    with look.page.expect_navigation():
        look.page.click("text=Send")
    assert "You gave 4 of 5 stars" in look.text("main")
    assert ratings.find_rating(placed).stars == 4
    assert look.complaints == []


# spec: T3, T4
def test_a_link_opens_its_order_alone_and_a_revoked_one_stops_an_open_page(browser: Browser, stage: Stage):
    orders = [dinner() for _ in range(2)]
    looks = [visit(browser, stage, link_of(placed)) for placed in orders]
    for placed, look, other in zip(orders, looks, reversed(orders), strict=True):
        look.page.wait_for_selector("main[data-live=yes]")
        assert placed.order_id in look.page.content()
        assert other.order_id not in look.page.content()
        assert other.public_id not in look.page.content()
    links.revoke_link(TrackingLink.objects.get(order=orders[0]).pk, "sent to the wrong person", by=TEST)
    revoked = time.monotonic()
    publisher.QUEUE.drain_once()
    looks[0].page.wait_for_selector("text=This link does not work", timeout=SOON_S * 1000)
    print(f"an open page of a revoked link was closed after {time.monotonic() - revoked:.1f} s")
    assert looks[1].page.locator("main").get_attribute("data-live") == "yes"
    assert looks[1].complaints == []
    assert [one for one in looks[0].complaints if "410" not in one] == []
    log = stage.processes.running["sockets"].log.read_text() + stage.processes.running["web"].log.read_text()
    assert not any(link_of(placed).rpartition("/")[2] in log for placed in orders)


# spec: T1
def test_wishes_saved_in_one_browser_show_in_the_other(browser: Browser, stage: Stage):
    placed = dinner()
    here, there = (visit(browser, stage, link_of(placed)) for _ in range(2))
    there.page.wait_for_selector("main[data-live=yes]")
    here.page.fill("input[name=entrance]", "Gate B")
    with here.page.expect_navigation():
        here.page.click("text=Save")
    publisher.QUEUE.drain_once()
    expect(there.page.locator("[name=entrance]")).to_have_value("Gate B")
    placed.refresh_from_db()
    assert delivery_preferences.can_change(placed)
    assert here.complaints == there.complaints == []


# spec: T3
def test_everybody_can_read_the_page(browser: Browser, stage: Stage):
    """Landmarks, names for all that can be used, contrast of 4.5 and more, nothing wider than a small phone."""
    delivery = assigned(rider("Ravi Kumar", phone="+919812345610"), searching(ready(dinner())))
    small = {**PHONE, "viewport": {"width": 320, "height": 640}}
    look = visit(browser, stage, link_of(delivery.order), **small)
    look.page.wait_for_selector("#map[data-drawn]")
    for landmark in ("banner", "main", "contentinfo"):
        assert look.page.get_by_role(landmark).count() == 1
    for region in ("Status", "Your rider", "Map", "How to bring it", "What you ordered"):
        assert look.page.get_by_role("region", name=region).is_visible()
    assert look.page.get_by_role("status").first.get_attribute("aria-live") == "polite"
    assert look.page.locator("[aria-current=step]").inner_text().startswith("Ready")
    for name in ("Leave it at the door", "Call before arriving", "Entrance, floor, code"):
        assert look.page.get_by_label(name).count() == 1
    assert look.page.evaluate("document.documentElement.scrollWidth") <= 320
    moved(delivery, DeliveryStatus.DELIVERED)
    pages = [look, visit(browser, stage, link_of(delivery.order), **small)]
    assert [one.page.evaluate(PALE) for one in pages] == [[], []]
    look.page.evaluate("document.querySelector('h1').style.color = '#999'")
    assert len(look.page.evaluate(PALE)) == 1  # it would have been seen
    assert pages[1].page.get_by_role("group", name="Stars, 5 is best").get_by_role("radio").count() == 5


# Texts whose colour stands out from the nearest ground behind them by less than 4.5 to 1 (WCAG 2, AA).
PALE = """() => {
  const read = text => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { rgb: [r, g, b], a }; };
  const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = one => {
    for (; one; one = one.parentElement) {
      const { rgb, a } = read(getComputedStyle(one).backgroundColor);
      if (a > 0.9) return rgb;
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !one.checkVisibility() || one.tagName === "SCRIPT") continue;
    const [a, b] = [light(read(getComputedStyle(one).color).rgb), light(ground(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) pale.push(one.outerHTML.slice(0, 90));
  }
  return pale;
}"""
