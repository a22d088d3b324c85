"""What the store suggests, in a real browser (SPEC O6, T3): it appears by itself, is answered, and goes away again."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from deliveries.realtime import publisher
from orders.lifecycle import SubstitutionPreference, SubstitutionStatus
from orders.models import Order, Substitution
from orders.place_order import RequestedItem
from tests.browser.stage import DESK, PHONE, Stage, Visit, visit
from tests.browser.test_tracking import LIMIT_BYTES, PALE, link_of
from tests.builders import basket, store, suggested

pytestmark = pytest.mark.django_db(transaction=True)
BIRYANI = RequestedItem(name="Paneer biryani", quantity=1, price_minor=25_000)
CURD = RequestedItem(name="Curd rice", quantity=1, price_minor=8_000)


def dinner() -> Order:
    shop = store(name="Saffron Kitchen", time_zone="Asia/Kolkata")
    return basket(("Masala dosa", 2, 20_000), ("Filter coffee", 1, 10_000), tax_minor=2_500, of=shop)


def suggest(placed: Order) -> list[Substitution]:
    found = suggested(placed, (0, BIRYANI), (1, CURD))
    publisher.QUEUE.drain_once()
    return found


def lines(look: Visit) -> list[str]:
    return look.page.locator("[data-list=lines] [data-part=text]").all_inner_texts()


# spec: O6, T2, T3
def test_suggestions_come_and_go_without_a_reload(browser: Browser, stage: Stage, tmp_path: Path):
    pictures = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    placed = dinner()
    looks = [visit(browser, stage, link_of(placed), **options) for options in (PHONE, DESK)]
    for look in looks:
        look.page.wait_for_selector("main[data-live=yes]")
        assert look.page.get_by_role("region", name="The store suggests").count() == 0
        look.page.evaluate("window.stayed = true")
    suggest(placed)
    for look in looks:
        expect(look.page.locator(".suggestions > li")).to_have_count(2)
        expect(look.page.locator("h1")).to_have_text("The store suggests replacements")
        assert look.page.evaluate("window.stayed")
        assert look.page.evaluate(PALE) == []
    looks[0].page.screenshot(path=pictures / "suggested-phone.png", full_page=True)
    looks[1].page.screenshot(path=pictures / "suggested-desk.png", full_page=True)

    phone, desk = looks
    with phone.page.expect_navigation():
        phone.page.locator(".suggestions > li", has_text="biryani").get_by_role("button", name="Accept").click()
    publisher.QUEUE.drain_once()
    expect(desk.page.locator(".suggestions > li")).to_have_count(1)
    assert desk.page.evaluate("window.stayed")
    with desk.page.expect_navigation():
        desk.page.get_by_role("button", name="Leave it out").click()
    publisher.QUEUE.drain_once()
    expect(phone.page.get_by_role("region", name="The store suggests")).to_have_count(0)
    expect(phone.page.locator("[data-text=total]")).to_have_text("₹312.50")
    expect(phone.page.locator("[data-text=less]")).to_have_text("You paid ₹575.00; ₹262.50 is given back.")
    assert lines(phone) == lines(desk) == ["1 × Paneer biryani", "1 × Filter coffee"]
    phone.page.screenshot(path=pictures / "answered-phone.png", full_page=True)
    assert [one.status for one in Substitution.objects.order_by("id")] == [
        SubstitutionStatus.ACCEPTED,
        SubstitutionStatus.REFUSED,
    ]
    assert [complaint for look in looks for complaint in look.complaints] == []
    assert all(0 < look.weight < LIMIT_BYTES for look in looks)


# spec: O6, T3
def test_without_javascript_the_answer_is_a_plain_form(browser: Browser, stage: Stage):
    placed = dinner()
    look = visit(browser, stage, link_of(placed), **PHONE, java_script_enabled=False)
    look.page.select_option("#prefers", "accept")
    with look.page.expect_navigation():
        look.page.click("text=Save this choice")
    placed.refresh_from_db()
    assert placed.substitution_preference == SubstitutionPreference.ACCEPT
    suggest(placed)
    look.page.reload()
    assert look.page.locator(".suggestions > li").count() == 2
    with look.page.expect_navigation():
        look.page.locator(".suggestions > li", has_text="Curd rice").get_by_role("button", name="Leave it out").click()
    assert look.page.url == link_of(placed)
    assert look.page.locator(".suggestions > li").count() == 1
    assert look.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert look.complaints == []
