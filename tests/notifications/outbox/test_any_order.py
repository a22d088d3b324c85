"""What SendGrid, Twilio and WhatsApp tell of one message, through their own doors: whatever the order in which it
comes, and however often, the message and its address end the same (SPEC N3)."""

import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from foundation.webhook import WebhookProvider
from foundation.work import WorkState
from notifications.contacts import recipients, suppressions
from notifications.models import Message, ReceiptOutcome, SuppressedAddress
from notifications.outbox import enqueue
from notifications.outbox.receipt import FAILURES
from notifications.webhooks import sendgrid, twilio, whatsapp

PHONE, MAIL = "+918012345678", "asha@customers.example"
START = int(datetime(2026, 11, 20, 10, tzinfo=UTC).timestamp())
SOON = st.integers(0, 4)
Told = tuple[str, dict[str, Any]]  # an event's type, and what is special about this one
Payload = Callable[[Message, str, dict[str, Any]], Any]

MAILS = st.one_of(
    st.tuples(
        st.sampled_from([word for word in sendgrid.WORDS if word not in ("bounce", "dropped")]),
        st.builds(lambda at: {"timestamp": START + at}, SOON),
    ),
    st.tuples(
        st.just("bounce"),
        st.builds(
            lambda at, kind, why: {"timestamp": START + at, "type": kind, "reason": why},
            SOON,
            st.sampled_from(["bounce", "blocked"]),
            st.sampled_from(["550 no such user", "552 mailbox full"]),
        ),
    ),
    st.tuples(
        st.just("dropped"),
        st.builds(
            lambda at, why: {"timestamp": START + at, "reason": why},
            SOON,
            st.sampled_from(["Bounced Address", "Unsubscribed Address", "Spam Content", "Invalid"]),
        ),
    ),
)
# Twilio tells no time, and each status of a message once: one end at most.
TEXTS = st.tuples(
    st.sets(st.sampled_from(["queued", "sending", "sent", "delivered", "read"])),
    st.sampled_from([None, ("undelivered", "30005"), ("undelivered", "30003"), ("failed", "21610"), ("failed", "")]),
).map(
    lambda parts: [
        *((status, {}) for status in sorted(parts[0])),
        *([(parts[1][0], {"ErrorCode": parts[1][1]})] if parts[1] else []),
    ]
)
CHATS = st.tuples(
    st.sampled_from(["sent", "delivered", "read", "failed"]),
    st.builds(lambda at, code: {"timestamp": str(START + at), "code": code}, SOON, st.sampled_from([131026, 131049])),
)


def mail(message: Message, word: str, more: dict[str, Any]) -> Any:
    return [{"event": word, "email": MAIL, "message": str(message.public_id), **more}]


def text(message: Message, word: str, more: dict[str, Any]) -> Any:
    known = {"MessageSid": message.provider_id, "To": PHONE, "message": str(message.public_id)}
    return {"MessageStatus": word, **known, **more}


def chat(message: Message, word: str, more: dict[str, Any]) -> Any:
    status = {
        "id": message.provider_id,
        "status": word,
        "timestamp": more["timestamp"],
        "recipient_id": PHONE[1:],
        "biz_opaque_callback_data": str(message.public_id),
        **({"errors": [{"code": more["code"], "title": "failed"}]} if word == "failed" else {}),
    }
    value = {"messaging_product": "whatsapp", "statuses": [status]}
    return {"object": whatsapp.OBJECT, "entry": [{"changes": [{"field": "messages", "value": value}]}]}


def taken(channel: str) -> Message:
    """A message that its provider has, to somebody who is reached in no other way."""
    person = recipients.create_recipient(phone=PHONE, email=MAIL)
    key = str(uuid.uuid4())
    params = {"orderId": "o-1", "etaMinutes": 15}
    enqueue.enqueue_message(person.pk, "delivery.on_the_way", params, dedupe=key, channels=[channel])
    message = Message.objects.get(recipient=person)
    Message.objects.filter(pk=message.pk).update(state=WorkState.DONE, channel=channel, provider_id=f"of-{message.pk}")
    message.refresh_from_db()
    return message


def end_of(door: WebhookProvider, channel: str, payload: Payload, told: list[Told], prefix: str = "") -> Any:
    SuppressedAddress.objects.all().delete()
    message = taken(channel)
    for word, more in told:
        door.handle(f"{prefix}{word}", "id", payload(message, word, more))
    message.refresh_from_db()
    gone = SuppressedAddress.objects.filter(reinstated_at=None)  # the others' reasons are history
    at = message.receipt_at if channel != "sms" else None  # Twilio's is ours
    kept = [(row.reason, row.retired_at if channel != "sms" else None) for row in gone]
    return message.receipt, at, message.receipt_error, kept


def shuffled(told: list[Told], dice: random.Random) -> list[Told]:
    again = [*told, *dice.choices(told, k=min(2, len(told)))] if told else []
    dice.shuffle(again)
    return again


QUICK = how(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
DICE = st.randoms(use_true_random=False)


class TestAnyOrder(TestCase):
    # spec: N3 O1
    @given(st.lists(MAILS, min_size=1, max_size=6), DICE)
    @QUICK
    def test_mails(self, told: list[Told], dice: random.Random) -> None:
        door = sendgrid.SendGridWebhooks()
        in_order = end_of(door, "email", mail, told)
        assert end_of(door, "email", mail, shuffled(told, dice)) == in_order

    # spec: N3 O1
    @given(TEXTS, DICE)
    @QUICK
    def test_text_messages(self, told: list[Told], dice: random.Random) -> None:
        door = twilio.TwilioWebhooks()
        in_order = end_of(door, "sms", text, told)
        assert end_of(door, "sms", text, shuffled(told, dice)) == in_order
        if any(word in FAILURES for word, _ in told):
            assert ReceiptOutcome(in_order[0]) in FAILURES

    # spec: N3 O1
    @given(st.lists(CHATS, min_size=1, max_size=6), DICE)
    @QUICK
    def test_whatsapp_messages(self, told: list[Told], dice: random.Random) -> None:
        door = whatsapp.WhatsAppWebhooks()
        in_order = end_of(door, "whatsapp", chat, told, "status.")
        assert end_of(door, "whatsapp", chat, shuffled(told, dice), "status.") == in_order


# spec: N3
@pytest.mark.django_db
def test_who_subscribes_again_is_written_to_again_whatever_comes_first():
    left, came = ("group_unsubscribe", {"timestamp": START}), ("group_resubscribe", {"timestamp": START + 1})
    door = sendgrid.SendGridWebhooks()
    for told in ([left, came], [came, left]):
        assert end_of(door, "email", mail, told)[3] == []
        assert suppressions.deliverable_addresses("email", [MAIL]) == [MAIL]
    assert end_of(door, "email", mail, [left, came, ("unsubscribe", {"timestamp": START + 2})])[3] != []
    assert suppressions.deliverable_addresses("email", [MAIL]) == []
