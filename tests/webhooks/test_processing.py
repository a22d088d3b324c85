"""What becomes of a stored event (SPEC W4, W5; P1-P8 from Stripe's words to the rooms)."""

import itertools
from typing import Any

import pytest
from django.db.models.functions import Now

from foundation.errors import Permanent, Transient
from foundation.evidence import EventOutcome
from foundation.models import Event
from foundation.webhook import EventReader
from foundation.work import WorkState
from notifications.models import Incident, Message
from orders.lifecycle import OrderStatus
from orders.models import Order, Payment, Store
from payouts.models import ConnectAccount
from payouts.runs import connected_accounts
from tests import builders
from tests.webhooks.stripe_events import event, of_order
from webhooks import processing, registry
from webhooks.models import WebhookEvent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stripe_secrets")]


def stored(payload: dict[str, Any], *, provider: str = "stripe") -> WebhookEvent:
    return WebhookEvent.objects.create(
        provider=provider, event_type=payload["type"], event_id=payload["id"], payload=payload
    )


def worked_off(*events: WebhookEvent) -> list[str]:
    """Drain the work queue until nothing is due, as if no time had to pass between tries; the states of these
    events."""
    for _ in range(30):
        if not processing.QUEUE.drain_once():
            break
    states = WebhookEvent.objects.in_bulk([made.pk for made in events])
    return [states[made.pk].state for made in events]


def due_again(made: WebhookEvent) -> None:
    WebhookEvent.objects.filter(pk=made.pk).update(due_at=Now())


class Scripted(EventReader):
    """A reader that does as its script says, attempt by attempt."""

    provider = "scripted"

    def __init__(self, *script: EventOutcome | Exception) -> None:
        self.script = itertools.chain(script, itertools.repeat(EventOutcome.APPLIED))
        self.seen: list[str] = []

    def handle(self, event_type: str, event_id: str, payload: Any) -> EventOutcome:
        self.seen.append(event_id)
        said = next(self.script)
        if isinstance(said, Exception):
            raise said
        return said


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch):
    def put_up(*script: EventOutcome | Exception) -> Scripted:
        reader = Scripted(*script)
        monkeypatch.setattr(registry, "event_readers", lambda: {"scripted": reader})
        return reader

    return put_up


def told(event_id: str = "1") -> WebhookEvent:
    return stored({"type": "a.b", "id": event_id}, provider="scripted")


# ── the mechanism ────────────────────────────────────────────────────────────────────────────────────────────────
# spec: W4
@pytest.mark.parametrize("verdict", EventOutcome)
def test_a_verdict_ends_the_row(verdict: EventOutcome, scripted):
    scripted(verdict)
    made = told()
    assert worked_off(made) == [WorkState.IGNORED if verdict == EventOutcome.IGNORED else WorkState.DONE]
    made.refresh_from_db()
    assert made.processed
    assert made.processed_at is not None
    assert made.retry_count == 1


def test_a_chunk_of_several_providers_goes_to_each_with_its_own(monkeypatch: pytest.MonkeyPatch):
    readers = {"first": Scripted(EventOutcome.IGNORED), "second": Scripted(EventOutcome.APPLIED, EventOutcome.IGNORED)}
    monkeypatch.setattr(registry, "event_readers", lambda: readers)
    made = [
        stored({"type": "a.b", "id": f"{number}"}, provider=provider)
        for number, provider in enumerate(("second", "first", "second", "first"))
    ]
    assert worked_off(*made) == [WorkState.DONE, WorkState.IGNORED, WorkState.IGNORED, WorkState.DONE]
    assert {name: reader.seen for name, reader in readers.items()} == {"first": ["1", "3"], "second": ["0", "2"]}


def test_a_failure_is_tried_again_later_and_later(scripted):
    scripted(Transient("not yet"), RuntimeError("a bug"), EventOutcome.APPLIED)
    made = told()
    for tries, error in ((1, "not yet"), (2, "a bug")):
        assert worked_off(made) == [WorkState.PENDING]
        made.refresh_from_db()
        assert (made.retry_count, made.processed) == (tries, False)
        assert error in made.error_message
        assert made.due_at > made.created_at
        due_again(made)
    assert worked_off(made) == [WorkState.DONE]


def test_after_the_last_try_it_is_a_dead_letter_that_can_be_replayed(scripted):
    tries = processing.QUEUE.schedule.tries
    reader = scripted(*[Transient("no")] * tries)
    made = told()
    for _ in range(tries):
        worked_off(made)
        due_again(made)
    made.refresh_from_db()
    assert (made.state, made.retry_count, made.processed) == (WorkState.DEAD, tries, False)
    assert worked_off(made) == [WorkState.DEAD]
    assert WebhookEvent.replay_rows([made.pk]) == 1
    assert worked_off(made) == [WorkState.DONE]
    assert len(reader.seen) == tries + 1


def test_what_can_never_be_read_is_dead_at_once(scripted):
    scripted(Permanent("not shaped as documented"))
    made = told()
    assert worked_off(made) == [WorkState.DEAD]
    made.refresh_from_db()
    assert "not shaped as documented" in made.error_message


def test_one_that_fails_does_not_hold_up_its_neighbours(scripted):
    scripted(*[EventOutcome.APPLIED] * 5, RuntimeError("the sixth"), *[EventOutcome.APPLIED] * 5, RuntimeError("again"))
    made = [told(str(number)) for number in range(20)]
    states = worked_off(*made)
    assert states.count(WorkState.PENDING) == 1
    assert states.count(WorkState.DONE) == 19


# spec: S8
def test_a_provider_of_the_next_deploy_waits_for_it(scripted):
    scripted()
    made = stored({"type": "a", "id": "1"}, provider="tomorrow")
    assert worked_off(made) == [WorkState.PENDING]
    made.refresh_from_db()
    assert made.retry_count == 0


# ── Stripe, from its words to the rooms ──────────────────────────────────────────────────────────────────────────
# spec: P1
def test_a_payment_confirms_its_order_once():
    placed = builders.order()
    succeeded = of_order("payment_intent.succeeded", placed)
    again = succeeded | {"id": "evt_another_about_the_same"}
    assert worked_off(stored(succeeded), stored(again)) == [WorkState.DONE, WorkState.DONE]
    placed.refresh_from_db()
    assert placed.status == OrderStatus.STORE_NOTIFIED
    assert Payment.objects.get().amount_minor == placed.total_minor
    assert Event.objects.filter(name="order.payment_confirmed").count() == 1


# spec: P2
def test_a_decline_is_kept_and_the_customer_told():
    placed = builders.order()
    assert worked_off(stored(of_order("payment_intent.payment_failed", placed))) == [WorkState.DONE]
    placed.refresh_from_db()
    assert (placed.status, placed.payment_error) == (OrderStatus.PENDING, "Your card was declined.")
    assert Message.objects.filter(event="order.payment_failed").count() == 1


# spec: P3
def test_a_cancelled_intent_cancels_the_order():
    placed = builders.order()
    assert worked_off(stored(of_order("payment_intent.canceled", placed))) == [WorkState.DONE]
    placed.refresh_from_db()
    assert placed.status == OrderStatus.CANCELLED


# spec: P4, P8
def test_a_refund_that_is_faster_than_its_payment_is_not_lost():
    placed = builders.order()
    refund = of_order("charge.refunded", placed, obj={"amount_refunded": placed.total_minor})
    payment = of_order("payment_intent.succeeded", placed)
    assert worked_off(stored(refund)) == [WorkState.DONE]
    assert worked_off(stored(payment)) == [WorkState.DONE]
    placed.refresh_from_db()
    assert (placed.status, placed.refunded_minor) == (OrderStatus.REFUNDED, placed.total_minor)
    assert Payment.objects.count() == 1


def test_money_for_no_order_waits_a_while_and_then_opens_an_incident():
    orphan = event("payment_intent.succeeded", obj={"id": "pi_of_nobody"})
    made = stored(orphan)
    assert worked_off(made) == [WorkState.PENDING]
    WebhookEvent.objects.filter(pk=made.pk).update(payload=orphan | {"created": 1_600_000_000}, due_at=Now())
    assert worked_off(made) == [WorkState.DONE]
    assert Incident.objects.get().kind == "payment_without_order"


# spec: P5, P6, P8
def test_a_store_connects_and_disconnects():
    store = builders.store()
    ConnectAccount.objects.create(payee_kind="store", payee_id=store.pk, stripe_account="acct_1")
    about = {"account": "acct_1", "created": 1_795_300_000}
    updated = event("account.updated", obj={"id": "acct_1", "metadata": {"payee": f"store:{store.pk}"}}, **about)
    older = event("account.updated", obj={**updated["data"]["object"], "charges_enabled": False}, **about)
    older["created"] -= 60
    assert worked_off(stored(updated), stored(older)) == [WorkState.DONE, WorkState.DONE]
    account = ConnectAccount.objects.get()
    assert (account.charges_enabled, account.payouts_enabled) == (True, True)
    assert Event.objects.filter(name=connected_accounts.STRIPE_VERIFIED).count() == 1

    gone = event("account.application.deauthorized", account="acct_1", created=1_795_300_100)
    assert worked_off(stored(gone)) == [WorkState.DONE]
    assert ConnectAccount.objects.get().stripe_account == ""
    assert not Store.objects.get(pk=store.pk).is_available


# spec: P7
def test_a_transfer_that_is_no_payout_of_ours_is_shown_to_ops():
    assert worked_off(stored(event("transfer.created"))) == [WorkState.DONE]
    assert "transfer" in Incident.objects.get().title


def test_petpoojas_stored_callback_can_be_worked_on_again():
    placed = builders.paid_order(of=builders.petpooja_store(pos_callback_token="a-token-of-the-store"))
    callback = {"restID": placed.store.pos_rest_id, "orderID": placed.public_id, "status": "1"}
    made = WebhookEvent.objects.create(provider="petpooja", event_type="order.1", event_id="1", payload=callback)
    assert worked_off(made) == [WorkState.DONE]
    assert Order.objects.get().status == OrderStatus.CONFIRMED


@pytest.mark.parametrize("callback", [[], {}, {"orderID": "nobody"}, {"orderID": 5, "status": "1"}, 7])
def test_petpoojas_callback_that_cannot_be_read_is_dead_at_once(callback: Any):
    made = WebhookEvent.objects.create(provider="petpooja", event_type="order.1", event_id="1", payload=callback)
    assert worked_off(made) == [WorkState.DEAD]
