"""A page that is told to wait, waits, says nothing wrong, and is level afterwards (SPEC S2, T3)."""

from datetime import timedelta

import pytest
from playwright.sync_api import Browser

from deliveries.models import TrackingLink
from deliveries.realtime import publisher
from deliveries.tracking import links
from deliveries.tracking.page.views import LOOKS
from foundation import clock
from foundation.models import RateLimit
from tests.browser.stage import Stage, visit
from tests.builders import TEST, acknowledged, paid_order

pytestmark = pytest.mark.django_db(transaction=True)
QUIET_S = 4


# spec: S2, T3
def test_a_page_that_must_wait_is_level_afterwards(browser: Browser, stage: Stage):
    placed = paid_order()
    look = visit(browser, stage, str(links.url_of(placed, by=TEST)))
    look.page.wait_for_selector("main[data-live=yes]")
    look.page.wait_for_load_state("networkidle")  # what it asks for after connecting
    answers: list[int] = []
    look.page.on("response", lambda answer: answers.append(answer.status) if "/state" in answer.url else None)
    spent_until = clock.database_now() + timedelta(seconds=LOOKS.per_s + QUIET_S)
    key = LOOKS.statement_params(str(TrackingLink.objects.get(order=placed).pk))["key"]
    RateLimit.objects.filter(key=key).update(free_at=spent_until)

    acknowledged(placed)
    publisher.QUEUE.drain_once()
    look.page.wait_for_timeout(2_000)
    assert answers == [429]  # it asked once, and not again and again
    assert look.text("h1") == "Order placed"
    look.page.wait_for_selector("main[data-status=STORE_ACKNOWLEDGED]", timeout=30_000)
    assert answers[0] == 429
    assert answers[-1] == 200
    assert look.text("h1") == "The store prepares your order"
    assert [one for one in look.complaints if "429" not in one] == []
