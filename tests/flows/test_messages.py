"""What becomes of messages, told by providers over HTTP while everything runs (SPEC N2, N3)."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.db.models import QuerySet

from foundation.work import WorkState
from notifications.contacts import recipients, suppressions
from notifications.models import Message, PushToken, Recipient, SuppressedAddress
from notifications.outbox import enqueue
from tests.flows.running_handoff import House
from tests.sandbox.process import until
from webhooks.models import WebhookEvent

PROVIDERS = ("sendgrid", "twilio", "whatsapp")


@pytest.fixture
def asha(house: House) -> Iterator[Recipient]:
    """Somebody with addresses that nobody else has, reached on every channel but push."""
    number = f"+9180{uuid.uuid4().int % 10**8:08d}"
    person = recipients.create_recipient(name="Asha", phone=number, email=f"asha{number[1:]}@customers.example")
    recipients.opt_in_to_whatsapp(person, "user:1")
    yield person
    for provider in PROVIDERS:
        house.sandbox.control("PUT", f"{provider}/fates", {})
        house.sandbox.control("DELETE", f"faults?provider={provider}")
    house.sandbox.control("DELETE", "faults?provider=fcm")


def say(to: Recipient, *channels: str) -> QuerySet[Message]:
    params = {"orderId": "o-1", "totalPaise": 1}
    key = f"flow:{uuid.uuid4()}"
    enqueue.enqueue_message(to.pk, "delivery.completed", params, dedupe=key, channels=channels)
    return Message.objects.filter(dedupe_key__contains=key)


def arrived(house: House, channel: str, at: Recipient) -> list[dict[str, Any]]:
    return of_address(house, channel, at.email if channel == "email" else at.phone)


def of_address(house: House, channel: str, to: str) -> list[dict[str, Any]]:
    found = house.sandbox.control("GET", f"messages?channel={channel}&limit=1000")["messages"]
    return [message for message in found if message["to"] == to]


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
    assert suppressions.deliverable_addresses("sms", [asha.phone]) == []
    assert suppressions.deliverable_addresses("whatsapp", [asha.phone]) == [asha.phone]


# spec: N2
@pytest.mark.parametrize(("channel", "provider"), [("email", "sendgrid"), ("sms", "twilio"), ("whatsapp", "whatsapp")])
def test_a_provider_that_has_had_enough_is_asked_again_and_the_person_hears_once(
    house: House, asha: Recipient, channel: str, provider: str
):
    house.sandbox.fault(provider, "answer", "too_many", seconds=1)
    ends(say(asha, channel), channel, "delivered")
    assert len(arrived(house, channel, asha)) == 1


# spec: N2 N3
def test_a_push_that_has_to_wait_is_shown_once_and_a_device_that_is_gone_is_left_alone(house: House, asha: Recipient):
    device = f"phone-of-{asha.pk}"
    recipients.register_token(asha, device, "android")
    house.sandbox.fault("fcm", "answer", "too_many", path="/v1", seconds=1)
    told = say(asha, "push", "sms")
    until(lambda: told.filter(channel="push", state=WorkState.DONE).first(), "the push to be taken", 30)
    assert len(of_address(house, "push", device)) == 1
    house.sandbox.control("PUT", "fcm/tokens", {"token": device, "state": "unregistered"})
    ends(say(asha, "push", "sms"), "sms", "delivered")
    gone = PushToken.objects.get(token=device)
    assert (gone.retired_reason, gone.retired_at is not None) == ("unregistered", True)
    assert len(of_address(house, "push", device)) == 1


# spec: N3
@pytest.mark.parametrize(("channel", "provider"), [("email", "sendgrid"), ("sms", "twilio"), ("whatsapp", "whatsapp")])
def test_receipts_that_come_late_and_backwards_end_as_those_in_order(
    house: House, asha: Recipient, channel: str, provider: str
):
    house.sandbox.control("PUT", f"{provider}/fates", {"outcome": "read", "delay_s": 0.5, "out_of_order": True})
    backwards = ends(say(asha, channel), channel, "read")
    house.sandbox.control("PUT", f"{provider}/fates", {"outcome": "read", "delay_s": 0.5})
    in_order = ends(say(asha, channel), channel, "read")
    told = lambda: house.sandbox.control("GET", f"webhooks?provider={provider}&state=pending")["webhooks"]  # noqa: E731
    until(lambda: not told(), "the last receipt to be told")
    for message in (backwards, in_order):
        message.refresh_from_db()
        assert (message.receipt, message.receipt_error, message.state) == ("read", "", WorkState.DONE)


# spec: N3
def test_who_answers_an_sms_with_stop_gets_no_more_of_them(house: House, asha: Recipient):
    ends(say(asha, "sms"), "sms", "delivered")
    answer = {"channel": "sms", "to": asha.phone, "text": "STOP"}
    assert requests.post(f"{house.sandbox.url}/inbox/{asha.phone}", data=answer, timeout=10).status_code == 200
    ends(say(asha, "sms", "email"), "email", "delivered")
    assert suppressions.deliverable_addresses("sms", [asha.phone]) == []
    assert SuppressedAddress.objects.get(address=asha.phone, channel="sms").reason == "unsubscribed"


# spec: N3
def test_what_bounces_after_all_is_told_by_the_next_channel(house: House, asha: Recipient):
    """By hand, at the inbox: the mail was delivered, then its server changed its mind."""
    told = say(asha, "email", "sms")
    ends(told, "email", "delivered")
    (mail,) = arrived(house, "email", asha)
    bounce = {"message": str(mail["id"]), "word": "bounced"}
    assert requests.post(f"{house.sandbox.url}/inbox/{asha.email}", data=bounce, timeout=10).status_code == 200
    assert ends(told, "sms", "delivered").skipped[0]["reason"].startswith("bounced")
    assert suppressions.deliverable_addresses("email", [asha.email]) == []


# spec: N3
def test_who_unsubscribes_by_mail_gets_no_more_mail(house: House, asha: Recipient):
    house.sandbox.control("PUT", "sendgrid/fates", {"to": asha.email, "outcome": "unsubscribe"})
    ends(say(asha, "email"), "email", "delivered")
    gone = SuppressedAddress.objects.filter(address=asha.email)
    until(gone.first, "the address to be retired")
    later = say(asha, "email", "sms")
    assert ends(later, "sms", "delivered").skipped[0]["reason"] == "retired: unsubscribed"


# spec: N2 N3
def test_who_says_stop_gets_no_more_whatsapp(house: House, asha: Recipient):
    ends(say(asha, "whatsapp"), "whatsapp", "delivered")
    house.sandbox.control("POST", "whatsapp/say", {"from": asha.phone, "text": "STOP"})
    until(lambda: suppressions.deliverable_addresses("whatsapp", [asha.phone]) == [], "the number to be left alone")
    ends(say(asha, "whatsapp", "sms"), "sms", "delivered")


# spec: W1 W4
def test_no_receipt_was_refused_or_died(house: House, asha: Recipient):
    ends(say(asha, "sms"), "sms", "delivered")
    assert not WebhookEvent.objects.filter(provider__in=PROVIDERS, state=WorkState.DEAD).exists()
    sent = house.sandbox.control("GET", "webhooks?limit=1000")["webhooks"]
    refused = [one for one in sent if one["provider"] in PROVIDERS and (one["last_status"] or 200) >= 400]
    assert refused == []
