"""Ops writes a text in a real browser (SPEC N4): the preview follows what is typed, and nothing is lost by mistake."""

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from playwright.sync_api import Browser, Page, expect

from foundation.models import Role, User
from notifications.models import TextOverride
from tests.browser.stage import DESK, Stage, visit

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long password"
WRITE = "/admin/notifications/textoverride/write/delivery.on_the_way/en/every"


def sign_in(page: Page, stage: Stage, *, then: str) -> None:
    """As an ops lead. The process under test hashes passwords as production does."""
    meera = User.objects.create_user("meera", role=Role.OPS_LEAD)
    User.objects.filter(pk=meera.pk).update(password=PBKDF2PasswordHasher().encode(PASSWORD, "salt"))
    page.goto(f"{stage.url}/admin/login/?next={then}")
    page.fill("#id_username", "meera")
    page.fill("#id_password", PASSWORD)
    page.click("input[type=submit]")


# spec: N4
def test_a_text_is_written_with_a_preview_that_follows(browser: Browser, stage: Stage):
    ops = visit(browser, stage, **DESK)
    page = ops.page
    sign_in(page, stage, then="/admin/notifications/textoverride/")
    page.get_by_role("link", name="Your order is on the way! ETA: {etaMinutes} minutes").click()
    preview = page.locator("#preview")
    expect(preview.locator(".bubble")).to_have_count(4)

    body = page.get_by_label("Body")
    body.fill("Nearly there: {minutes}")
    expect(preview).to_contain_text("{minutes} is not known here")
    body.fill("Nearly there, it takes  minutes")
    body.evaluate("box => box.setSelectionRange(23, 23)")
    page.get_by_role("button", name="{etaMinutes}").click()
    expect(body).to_have_value("Nearly there, it takes {etaMinutes} minutes")
    expect(preview.locator(".card.sms")).to_contain_text("Nearly there, it takes 15 minutes")
    expect(preview.locator(".card.sms")).to_contain_text("1 SMS · 33 septets of GSM-7, 127 left")
    body.press("End")
    body.press_sequentially(" – bye")
    expect(preview.locator(".card.sms")).to_contain_text("UCS-2")

    page.get_by_label("Why").first.fill("reads better")
    page.get_by_role("button", name="Save as version 1").click()
    expect(page.locator(".messagelist")).to_contain_text("Version 1 saved")
    expect(page.locator("#v1")).to_contain_text("waits for Meta")
    assert TextOverride.objects.get().body == "Nearly there, it takes {etaMinutes} minutes – bye"
    assert [one for one in ops.complaints if "404" not in one] == []  # browsers ask for an icon, the console has none


# spec: N4
def test_a_draft_is_not_left_by_mistake(browser: Browser, stage: Stage):
    ops = visit(browser, stage, **DESK)
    page = ops.page
    sign_in(page, stage, then=WRITE)
    page.get_by_label("Body").fill("Half a thought")
    asked = list[str]()

    def stay(dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    with page.expect_event("dialog"):
        page.get_by_role("link", name="Hindi").click(no_wait_after=True)
    assert asked == ["beforeunload"]
    assert page.url == stage.url + WRITE
    page.remove_listener("dialog", stay)
    page.on("dialog", lambda dialog: dialog.accept())
