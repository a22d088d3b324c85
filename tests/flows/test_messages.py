"""What becomes of messages, told by providers over HTTP while everything runs (SPEC N2, N3)."""

import uuid
from collections.abc import Iterator

import pytest
from django.db.models import QuerySet

from foundation.work import WorkState
from notifications import addresses, messages, recipients
from notifications.models import Message, Recipient, RetiredAddress
from tests.flows.house import House
from tests.sandbox.process import until
from webhooks.models import WebhookEvent

PROVIDERS = ("sendgrid", "twilio", "whatsapp")


@pytest.fixture
def asha(house: House) -> Iterator[Recipient]:
    """Somebody with addresses that nobody else has, reached on every channel but push."""
    number = f"+9180{uuid.uuid4().int % 10**8:08d}"
    person = recipients.create(name="Asha", phone=number, email=f"asha{number[1:]}@customers.example")
    recipients.opt_in_to_whatsapp(person, "user:1")
    yield person
    for provider in PROVIDERS:
        house.sandbox.control("PUT", f"{provider}/fates", {})
        house.sandbox.control("DELETE", f"faults?provider={provider}")


def say(to: Recipient, *channels: str) -> QuerySet[Message]:
    params = {"orderId": "o-1", "totalPaise": 1}
    key = f"flow:{uuid.uuid4()}"
    messages.send(to.pk, "delivery.completed", params, dedupe=key, channels=channels)
    return Message.objects.filter(dedupe_key__contains=key)


def ends(message: QuerySet[Message], channel: str, receipt: str) -> Message:
    wanted = message.filter(channel=channel, receipt=receipt, state=WorkState.DONE)
    return until(wanted.first, f"{receipt} by {channel}, but {message.values()}", 30)


# spec: N3
@pytest.mark.parametrize(("channel", "provider"), [("email", "sendgrid"), ("sms", "twilio"), ("whatsapp", "whatsapp")])
def test_a_message_is_read_whatever_the_order_its_receipts_come_in(house: House, asha: Recipient, channel, provider):
    for kind in ("duplicate", "reorder", "lost_answer"):
        house.sandbox.fault(provider, "webhook", kind, share=0.3)
    house.sandbox.control("PUT", f"{provider}/fates", {"outcome": "read", "out_of_order": True, "repeats": 1})
    ends(say(asha, channel), channel, "read")


# spec: N2 N3
def test_what_does_not_arrive_climbs_on_and_its_address_is_left_alone(house: House, asha: Recipient):
    fates = {"whatsapp": (asha.phone, "undelivered"), "twilio": (asha.phone, "unknown")}
    for provider, (to, outcome) in fates.items():
        house.sandbox.control("PUT", f"{provider}/fates", {"to": to, "outcome": outcome})
    told = ends(say(asha, "whatsapp", "sms", "email"), "email", "delivered")
    assert [step["channel"] for step in told.skipped] == ["whatsapp", "sms"]
    assert addresses.live("sms", [asha.phone]) == []
    assert addresses.live("whatsapp", [asha.phone]) == [asha.phone]


# spec: N3
def test_who_unsubscribes_by_mail_gets_no_more_mail(house: House, asha: Recipient):
    house.sandbox.control("PUT", "sendgrid/fates", {"to": asha.email, "outcome": "unsubscribe"})
    ends(say(asha, "email"), "email", "delivered")
    gone = RetiredAddress.objects.filter(address=asha.email)
    until(gone.first, "the address to be retired")
    later = say(asha, "email", "sms")
    assert ends(later, "sms", "delivered").skipped[0]["reason"] == "retired: unsubscribed"


# spec: N2 N3
def test_who_says_stop_gets_no_more_whatsapp(house: House, asha: Recipient):
    ends(say(asha, "whatsapp"), "whatsapp", "delivered")
    house.sandbox.control("POST", "whatsapp/say", {"from": asha.phone, "text": "STOP"})
    until(lambda: addresses.live("whatsapp", [asha.phone]) == [], "the number to be left alone")
    ends(say(asha, "whatsapp", "sms"), "sms", "delivered")


# spec: W1 W4
def test_no_receipt_was_refused_or_died(house: House, asha: Recipient):
    ends(say(asha, "sms"), "sms", "delivered")
    assert not WebhookEvent.objects.filter(provider__in=PROVIDERS, state=WorkState.DEAD).exists()
    sent = house.sandbox.control("GET", "webhooks?limit=1000")["webhooks"]
    refused = [one for one in sent if one["provider"] in PROVIDERS and (one["last_status"] or 200) >= 400]
    assert refused == []
