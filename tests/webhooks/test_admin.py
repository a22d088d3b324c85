"""Dead letters in the console (SPEC A3, W4, W8): seen, tried dry, replayed or discarded, by those who may."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from foundation.models import Event, Role
from foundation.work import WorkState
from orders.lifecycle import OrderStatus
from orders.models import Order, Payment
from tests import builders
from tests.webhooks.stripe_events import event, of_order
from webhooks import processing, replay
from webhooks.models import WebhookAttempt, WebhookEvent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stripe_secrets")]
EVENTS = "admin:webhooks_webhookevent_changelist"


def dead(payload: dict[str, Any], *, state: str = WorkState.DEAD) -> WebhookEvent:
    return WebhookEvent.objects.create(
        provider="stripe",
        event_type=payload["type"],
        event_id=payload["id"],
        payload=payload,
        state=state,
        retry_count=12,
        error_message="it failed",
    )


def console(role: Role = Role.OPS_LEAD) -> Client:
    client = Client()
    client.force_login(builders.user(role))
    return client


def act(client: Client, action: str, *events: WebhookEvent, confirmed: bool = True, **fields: str):
    data: dict[str, Any] = {"action": action, "_selected_action": [str(made.pk) for made in events], **fields}
    if confirmed:
        data |= {"confirmed": "1", "reason": "the bug is mended", "nonce": "5b1cf2f6-1a37-4a4c-9d5a-6a7c1e0a4a11"}
    return client.post(reverse(EVENTS), data, follow=True)


# ── dry run ──────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: W8
def test_a_dry_run_says_what_would_change_and_changes_nothing():
    placed = builders.order()
    made = dead(of_order("payment_intent.succeeded", placed))
    before = Event.objects.count()
    preview = replay.dry_run(made)
    assert preview.outcome == "applied"
    assert f"order.payment_confirmed of order:{placed.pk}" in preview.recorded
    assert "1 new orders.payment" in preview.rows
    placed.refresh_from_db()
    made.refresh_from_db()
    assert (placed.status, made.state, Payment.objects.count()) == (OrderStatus.PENDING, WorkState.DEAD, 0)
    assert Event.objects.count() == before


def test_what_it_says_is_what_the_replay_does():
    placed = builders.order()
    made = dead(of_order("payment_intent.succeeded", placed))
    foreseen = replay.dry_run(made)
    before = Event.objects.count()
    replay.replay_event(made.pk, by=builders.TEST, reason="mended")
    assert processing.QUEUE.drain_once() == 1
    happened = Event.objects.filter(cause=f"webhook:stripe:{made.event_id}").order_by("pk")
    assert [f"{e.name} of {e.subject}" for e in happened] == foreseen.recorded
    assert Event.objects.count() == before + len(foreseen.recorded) + 1  # and the replay itself


def test_a_dry_run_of_what_is_known_already_changes_nothing():
    placed = builders.paid_order()
    made = dead(of_order("payment_intent.succeeded", placed, created=int(placed.paid_at.timestamp())))
    Payment.objects.update(paid_at=placed.paid_at.replace(microsecond=0))
    preview = replay.dry_run(made)
    assert (preview.outcome, preview.recorded, preview.rows) == ("repeated", [], [])
    assert "changes nothing" in str(preview)


def test_a_dry_run_of_what_would_fail_says_why():
    made = dead(event("payment_intent.succeeded") | {"data": {"object": {}}})
    assert "not shaped as documented" in replay.dry_run(made).error
    assert "no reader" in replay.dry_run(WebhookEvent(provider="nobody", event_id="1")).error


def test_a_dry_run_that_breaks_its_transaction_leaves_ours_whole(monkeypatch: pytest.MonkeyPatch):
    class Breaking:
        def handle(self, *_: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1/0")

    monkeypatch.setattr(processing, "get_event_reader", lambda _: Breaking())
    assert "division by zero" in replay.dry_run(WebhookEvent(provider="a", event_id="1")).error
    assert Order.objects.count() == 0  # the connection still answers


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: A3, W4
def test_the_confirm_page_shows_the_dry_run_of_each_row():
    placed = builders.order()
    first, second = dead(of_order("payment_intent.succeeded", placed)), dead(event("refund.created"))
    page = act(console(), "replay_event", first, second, confirmed=False)
    assert page.status_code == 200
    text = page.content.decode()
    assert "records order.payment_confirmed" in text
    assert "would be ignored" in text
    assert set(WebhookEvent.objects.values_list("state", flat=True)) == {WorkState.DEAD}


def test_replaying_in_bulk_does_it_and_leaves_a_trace():
    placed = builders.order()
    rows = [dead(of_order("payment_intent.succeeded", placed)), dead(of_order("payment_intent.payment_failed", placed))]
    act(console(), "replay_event", *rows)
    assert processing.QUEUE.drain_once() == 2
    placed.refresh_from_db()
    assert placed.status == OrderStatus.STORE_NOTIFIED
    assert set(WebhookEvent.objects.values_list("state", flat=True)) == {WorkState.DONE}
    replayed = Event.objects.filter(name="webhook_event.replayed")
    assert replayed.count() == 2
    assert {e.data["reason"] for e in replayed} == {"the bug is mended"}
    assert all(e.actor.startswith("user:") for e in replayed)


def test_discarding_asks_for_a_reason_and_keeps_it():
    made = dead(event("payment_intent.succeeded"))
    act(console(), "discard_event", made, confirmed=False)
    made.refresh_from_db()
    assert made.state == WorkState.DEAD
    act(console(), "discard_event", made)
    made.refresh_from_db()
    assert (made.state, made.processed) == (WorkState.DISCARDED, True)
    assert made.error_message == "discarded: the bug is mended"


@pytest.mark.parametrize("state", [WorkState.DONE, WorkState.PENDING, WorkState.LEASED])
def test_what_is_no_dead_letter_is_left_alone_and_said_so(state: str):
    made = dead(event("payment_intent.succeeded"), state=state)
    for action in ("replay_event", "discard_event"):
        assert f"this one is {state}" in act(console(), action, made).content.decode()
    made.refresh_from_db()
    assert made.state == state


# spec: A5
@pytest.mark.parametrize(
    ("role", "replays", "discards"),
    [
        (Role.OPS_LEAD, True, True),
        (Role.OPS_AGENT, True, False),
        (Role.FINANCE, False, False),
        (Role.READ_ONLY, False, False),
    ],
)
def test_who_may_do_what(role: Role, replays: bool, discards: bool):
    for action, allowed, then in (
        ("discard_event", discards, WorkState.DISCARDED),
        ("replay_event", replays, WorkState.PENDING),
    ):
        made = dead(event("payment_intent.succeeded"))
        assert act(console(role), action, made).status_code == 200
        made.refresh_from_db()
        assert made.state == (then if allowed else WorkState.DEAD)


def test_the_lists_and_pages_open():
    made = dead(of_order("payment_intent.succeeded", builders.order()))
    WebhookAttempt.objects.create(provider="stripe", status=400, reason="wrong_signature")
    client = console(Role.READ_ONLY)
    for query in (
        "",
        "?state__exact=dead",
        "?provider__exact=stripe",
        "?age=all",
        f"?q={made.event_id}",
        f"?q={made.pk}",
    ):
        page = client.get(reverse(EVENTS) + query)
        assert page.status_code == 200
        assert made.event_id in page.content.decode(), query
    detail = client.get(reverse("admin:webhooks_webhookevent_change", args=[made.pk])).content.decode()
    assert "order.payment_confirmed" in detail
    assert "payment_intent" in detail
    assert "wrong_signature" in client.get(reverse("admin:webhooks_webhookattempt_changelist")).content.decode()


def test_old_dead_letters_are_not_hidden_by_the_age_filter():
    made = dead(event("payment_intent.succeeded"))
    WebhookEvent.objects.update(created_at="2026-01-01T00:00:00Z")
    client = console()
    assert made.event_id in client.get(reverse(EVENTS) + "?state__exact=dead").content.decode()
    assert made.event_id not in client.get(reverse(EVENTS)).content.decode()


def test_a_list_of_many_is_a_few_statements():
    for _ in range(30):
        dead(event("payment_intent.succeeded"))
    client = console()
    with CaptureQueriesContext(connection) as seen:
        client.get(reverse(EVENTS) + "?state__exact=dead")
    assert len(seen) < 10


def test_a_payload_is_shown_as_text_not_as_page():
    made = dead(event("payment_intent.succeeded", obj={"description": "<script>alert(1)</script>"}))
    page = console().get(reverse("admin:webhooks_webhookevent_change", args=[made.pk])).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
