"""What providers tell of messages: forward only, in any order, once; what failed goes on to the next channel (N3)."""

import itertools
import random
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.extra.django import TransactionTestCase

from foundation import clock
from foundation.evidence import EventOutcome
from foundation.work import Release, WorkState
from notifications import tasks
from notifications.contacts import recipients, suppressions
from notifications.models import Message, ReceiptOutcome, Recipient, SuppressedAddress
from notifications.outbox import delivery_reports, enqueue
from notifications.outbox.receipt import FAILURES, RANK, DeliveryReceipt
from notifications.webhooks import sendgrid, whatsapp
from tests.queues import drain_queues

LANE = tasks.ORDINARY
PHONE, MAIL = "+918012345678", "asha@customers.example"
START = datetime(2026, 11, 20, 10, tzinfo=UTC)


def told(channel: str = "sms", **facts) -> Message:
    """A message that a provider has taken, with no other way to reach the person."""
    enqueue.enqueue_message(
        facts.pop("recipient", None) or recipients.create_recipient(phone=PHONE).pk,
        "delivery.on_the_way",
        {"orderId": "o-1", "etaMinutes": 15},
        dedupe=f"delivery:{uuid.uuid4()}",
        channels=facts.pop("channels", [channel]),
    )
    message = Message.objects.latest("pk")
    known = {"state": WorkState.DONE, "channel": channel, "provider_id": f"of-{message.pk}", **facts}
    Message.objects.filter(pk=message.pk).update(**known)
    message.refresh_from_db()
    return message


def receipt(of: Message, word: ReceiptOutcome | None, *, after_s: float = 0, **more) -> DeliveryReceipt:
    known = {"channel": of.channel, "message": str(of.public_id), "provider_id": of.provider_id}
    return DeliveryReceipt(outcome=word, at=START + timedelta(seconds=after_s), **{**known, **more})


def stands(message: Message) -> tuple[str, datetime | None, str]:
    message.refresh_from_db()
    return message.receipt, message.receipt_at, message.receipt_error


# ── forward only ─────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N3
@pytest.mark.django_db
def test_a_receipt_moves_a_message_forward_and_never_back():
    message = told()
    assert delivery_reports.apply_receipt(receipt(message, ReceiptOutcome.SENT)) is EventOutcome.APPLIED
    assert delivery_reports.apply_receipt(receipt(message, ReceiptOutcome.READ, after_s=2)) is EventOutcome.APPLIED
    assert delivery_reports.apply_receipt(receipt(message, ReceiptOutcome.DELIVERED, after_s=1)) is EventOutcome.STALE
    assert delivery_reports.apply_receipt(receipt(message, ReceiptOutcome.READ, after_s=2)) is EventOutcome.REPEATED
    assert stands(message) == ("read", START + timedelta(seconds=2), "")


class TestAnyOrder(TransactionTestCase):
    # spec: N3
    @given(
        st.lists(
            st.tuples(st.sampled_from(ReceiptOutcome), st.integers(0, 5), st.sampled_from(["", "30003"])), min_size=1
        ),
        st.randoms(use_true_random=False),
    )
    @how(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def test_any_shuffle_and_duplication_ends_the_same(self, said, dice):
        ends = set()
        for _ in range(2):
            message = told()
            heard = [receipt(message, word, after_s=at, error=error) for word, at, error in said]
            shuffled = [*heard, *dice.choices(heard, k=2)]
            dice.shuffle(shuffled)
            for one in shuffled:
                delivery_reports.apply_receipt(one)
            ends.add(stands(message))
        assert len(ends) == 1
        assert ends.pop()[0] == max((word for word, _, _ in said), key=RANK.__getitem__)


@pytest.mark.django_db
def test_the_ranks_are_total_and_failures_are_ends():
    assert sorted(RANK.values()) == list(range(len(ReceiptOutcome)))
    assert min(RANK[word] for word in FAILURES) > max(RANK[word] for word in set(ReceiptOutcome) - FAILURES)


# ── whose it is ──────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N3 W4
@pytest.mark.django_db
@pytest.mark.parametrize("ours", ["6a423904-26ae-4b16-bb22-ec7fc666e04e", "nonsense", ""])
def test_of_an_unknown_message_is_ignored_and_said(ours, caplog):
    unknown = DeliveryReceipt("sms", ReceiptOutcome.DELIVERED, START, message=ours, provider_id="SMunknown")
    assert delivery_reports.apply_receipt(unknown) is EventOutcome.IGNORED
    assert "receipt_of_unknown_message" in caplog.text


@pytest.mark.django_db
def test_without_our_id_the_providers_own_finds_the_message():
    message = told()
    assert delivery_reports.apply_receipt(receipt(message, ReceiptOutcome.SENT, message="")) is EventOutcome.APPLIED


@pytest.mark.django_db
@pytest.mark.parametrize("state", [WorkState.PENDING, WorkState.LEASED])
def test_faster_than_our_own_notes_it_waits(state):
    message = told(state=state)
    Message.objects.update(channel="")
    with pytest.raises(Release):
        delivery_reports.apply_receipt(receipt(message, ReceiptOutcome.SENT, channel="sms"))


@pytest.mark.django_db
def test_of_a_channel_or_a_try_that_is_over_moves_nothing():
    message = told()
    assert (
        delivery_reports.apply_receipt(receipt(message, ReceiptOutcome.READ, channel="whatsapp")) is EventOutcome.STALE
    )
    assert (
        delivery_reports.apply_receipt(receipt(message, ReceiptOutcome.FAILED, provider_id="SMearlier"))
        is EventOutcome.STALE
    )
    assert stands(message)[0] == ""


# ── what failed goes on ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def asha(sandbox) -> Recipient:
    for provider in ("twilio", "sendgrid", "whatsapp"):
        sandbox.control("PUT", f"{provider}/fates", {"silent": True})
    return recipients.create_recipient(name="Asha", phone=PHONE, email=MAIL)


def work() -> None:
    drain_queues(LANE)


# spec: N2 N3
@pytest.mark.django_db(transaction=True)
def test_what_was_not_delivered_is_told_by_the_next_channel(asha, sandbox):
    message = told(recipient=asha.pk, channels=["sms", "email"])
    late = [receipt(message, ReceiptOutcome.SENT), receipt(message, ReceiptOutcome.UNDELIVERED, error="30003")]
    assert delivery_reports.apply_receipt(late[1]) is EventOutcome.APPLIED
    with pytest.raises(Release):
        delivery_reports.apply_receipt(late[0])
    work()
    message.refresh_from_db()
    assert (message.state, message.channel, message.receipt) == (WorkState.DONE, "email", "")
    assert message.skipped == [{"channel": "sms", "reason": "undelivered: 30003"}]
    for one in late * 2:
        assert delivery_reports.apply_receipt(one) is EventOutcome.STALE
    work()
    assert [one["to"] for one in sandbox.messages("email")] == [MAIL]


@pytest.mark.django_db
def test_what_does_not_matter_any_more_goes_no_further(asha):
    message = told(recipient=asha.pk, channels=["sms", "email"], created_at=clock.now() - timedelta(days=3))
    delivery_reports.apply_receipt(receipt(message, ReceiptOutcome.UNDELIVERED))
    assert stands(message)[0] == "undelivered"
    assert message.state == WorkState.DONE


# spec: N3
@pytest.mark.django_db(transaction=True)
def test_a_text_outside_the_window_is_sent_again_as_a_template_once(asha, sandbox):
    recipients.opt_in_to_whatsapp(asha, "user:1")
    recipients.heard_on_whatsapp(PHONE, clock.now())
    enqueue.enqueue_message(asha.pk, "delivery.on_the_way", {"orderId": "o-1", "etaMinutes": 15}, dedupe="delivery:1")
    work()
    message = Message.objects.get()
    first = message.provider_id
    status: dict[str, Any] = {"id": first, "status": "failed", "timestamp": str(int(clock.now().timestamp()))}
    status |= {"recipient_id": PHONE[1:], "errors": [{"code": 131047, "title": "Re-engagement message"}]}
    status["biz_opaque_callback_data"] = str(message.public_id)

    def fail(wamid: str) -> EventOutcome:
        body = whatsapp._build_envelope("messages", {"statuses": [status | {"id": wamid}]})
        return whatsapp.WhatsAppWebhooks().handle("status.failed", "x", body)

    assert fail(first) is EventOutcome.APPLIED
    work()
    message.refresh_from_db()
    assert (message.channel, message.state) == ("whatsapp", WorkState.DONE)
    assert message.provider_id != first
    assert fail(first) is EventOutcome.STALE
    assert fail(message.provider_id) is EventOutcome.APPLIED  # a template as well: the next channel's turn
    work()
    message.refresh_from_db()
    assert message.channel == "sms"


# ── retiring ─────────────────────────────────────────────────────────────────────────────────────────────────────
def bounce(message: Message, at: int, **more) -> EventOutcome:
    event = {"email": MAIL, "timestamp": at, "message": str(message.public_id), "reason": "550 no such user", **more}
    return sendgrid.SendGridWebhooks().handle("bounce", "e", [event])


# spec: N3
@pytest.mark.django_db(transaction=True)
def test_a_bounced_address_is_passed_over_with_its_reason(asha, sandbox):
    message = told("email", recipient=asha.pk)
    assert bounce(message, 1795300101) is EventOutcome.APPLIED
    assert stands(message)[0] == "bounced"
    gone = SuppressedAddress.objects.get()
    assert (gone.address, gone.reason, gone.retired_at.timestamp()) == (MAIL, "hard bounce", 1795300101)

    enqueue.enqueue_message(
        asha.pk, "delivery.completed", {"orderId": "o", "totalPaise": 1}, dedupe="x", channels=["email"]
    )
    work()
    unsent = Message.objects.latest("pk")
    assert unsent.skipped[0] == {"channel": "email", "reason": "retired: hard bounce"}
    assert unsent.state == WorkState.IGNORED
    assert sandbox.control("GET", "messages")["messages"] == []

    assert suppressions.reinstate_address("email", MAIL.upper(), "user:7")
    assert suppressions.deliverable_addresses("email", [MAIL]) == [MAIL]
    bounce(message, 1795300099)  # older than the way back
    assert suppressions.deliverable_addresses("email", [MAIL]) == [MAIL]


# spec: N3
@pytest.mark.django_db
def test_a_passing_refusal_retires_nothing():
    bounce(told("email"), 1795300101, type="blocked")
    assert not SuppressedAddress.objects.exists()


@pytest.mark.django_db
def test_news_about_an_address_in_any_order_ends_the_same():
    now = clock.now()
    news = [("spam report", 3), ("hard bounce", 1), ("unsubscribed", 2)]
    ends = set()
    for number, order in enumerate(itertools.permutations(news)):
        address = f"a{number}@b.example"
        for reason, at in order:
            suppressions.suppress_address("email", address, reason, at=now + timedelta(seconds=at))
        ends.update(SuppressedAddress.objects.filter(address=address).values_list("reason", "retired_at"))
    assert ends == {("spam report", now + timedelta(seconds=3))}


# spec: N3
@pytest.mark.django_db(transaction=True)
def test_a_number_that_twilio_knows_to_be_unsubscribed_is_not_asked_again(asha, sandbox):
    sandbox.control("PUT", "twilio/fates", {"to": PHONE, "outcome": "unsubscribed"})
    for number in range(2):
        enqueue.enqueue_message(
            asha.pk,
            "delivery.completed",
            {"orderId": "o", "totalPaise": 1},
            dedupe=f"d:{number}",
            channels=["sms", "email"],
        )
        work()
    assert len(sandbox.control("GET", "calls?provider=twilio")["calls"]) == 1
    assert Message.objects.latest("pk").skipped[0]["reason"] == "retired: unsubscribed"
    assert len(sandbox.messages("email", 2)) == 2


# spec: N2 N3
@pytest.mark.django_db
def test_who_says_stop_is_left_alone_until_they_opt_in_again(db):
    asha = recipients.create_recipient(phone=PHONE)
    recipients.opt_in_to_whatsapp(asha, "user:1")
    said = {"id": "w", "from": PHONE[1:], "type": "text", "text": {"body": " Stop "}}
    said["timestamp"] = str(int(clock.now().timestamp()) + 5)
    old = said | {"timestamp": "1600000000"}
    for one, opted_in in ((old, True), (said, False)):
        body = whatsapp._build_envelope("messages", {"messages": [one]})
        whatsapp.WhatsAppWebhooks().handle("message.text", "x", body)
        asha.refresh_from_db()
        assert bool(asha.whatsapp_opted_in_at) is opted_in
    assert SuppressedAddress.objects.get().reason == "opted out by message"
    recipients.opt_in_to_whatsapp(asha, "user:1")
    asha.refresh_from_db()
    assert asha.whatsapp_opted_in_at
    assert suppressions.deliverable_addresses("whatsapp", [PHONE])


# spec: N2
@pytest.mark.django_db(transaction=True)
def test_the_same_fact_fifty_times_is_one_message(asha, sandbox):
    dice = random.Random(1)
    for _ in range(50):
        enqueue.enqueue_message(
            asha.pk, "delivery.completed", {"orderId": "o", "totalPaise": dice.randrange(9)}, dedupe="d:1"
        )
    work()
    assert Message.objects.count() == 1
    assert len(sandbox.control("GET", "messages")["messages"]) == 1


# ── many hands ───────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N3
@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_end_where_one_would():
    message = told(channels=["sms"])
    words = [ReceiptOutcome.QUEUED, ReceiptOutcome.SENT, ReceiptOutcome.DELIVERED, ReceiptOutcome.READ] * 6
    together = threading.Barrier(8)

    def work_off(mine: list[ReceiptOutcome]) -> None:
        try:
            together.wait()
            for word in mine:
                delivery_reports.apply_receipt(
                    receipt(message, word, after_s=RANK[word], retires="unsubscribed", address=PHONE)
                )
        finally:
            connection.close()

    random.Random(1).shuffle(words)
    with ThreadPoolExecutor(8) as hands:
        list(hands.map(work_off, [words[start::8] for start in range(8)]))
    assert stands(message) == ("read", START + timedelta(seconds=RANK[ReceiptOutcome.READ]), "")
    assert SuppressedAddress.objects.get().retired_at == START + timedelta(seconds=RANK[ReceiptOutcome.READ])
