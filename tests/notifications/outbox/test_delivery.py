"""The work queue of messages: who is told, by which channel, how often, and what is left when nobody could be."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from foundation.work import WorkState
from notifications import tasks
from notifications.channels import CHANNELS
from notifications.contacts import recipients
from notifications.models import Incident, Message, PushToken, Recipient
from notifications.outbox import delivery, enqueue
from tests.notifications import sent_messages as talk
from tests.notifications.sent_messages import inbox, make_due, reasons, say, work

pytestmark = pytest.mark.django_db(transaction=True)
LANE = tasks.ORDINARY


@pytest.fixture
def asha(sandbox) -> Recipient:
    return talk.reachable()


# spec: N2
def test_a_message_goes_out_once_by_the_first_channel_of_its_ladder(asha, sandbox):
    message = say(asha)
    work()
    work()

    message.refresh_from_db()
    assert (message.state, message.channel, message.skipped) == (WorkState.DONE, "push", [])
    assert message.why == "the event's ladder"
    assert message.provider_id.startswith("projects/")
    assert message.body == "Your order has been delivered. Enjoy your meal!"
    (push,) = sandbox.messages("push")
    assert push["data"] == {
        "type": "delivery.completed",
        "orderId": "o-1",
        "totalPaise": "45000",
        "messageId": str(message.public_id),
    }
    assert inbox(sandbox) == [("push", "phone-of-asha-0001")]


# spec: N2
def test_a_hundred_rows_are_a_hundred_messages(asha, sandbox):
    for number in range(100):
        say(asha, dedupe=f"delivery:{number}")
    work()
    assert Message.objects.filter(state=WorkState.DONE).count() == 100
    assert len(inbox(sandbox)) == 100


# spec: D2
def test_an_offer_reaches_the_rider_with_what_the_app_needs(asha, sandbox):
    params = {
        "store": "Chai Point",
        "distance_m": 1234,
        "fee": "₹50.00",
        "deadline": "2026-11-20T10:00:30.000Z",
        "orderId": "6f1c",
        "offerId": 42,
    }
    enqueue.enqueue_message(asha.pk, "offer.made", params, dedupe="offer:42")
    work()
    (push,) = sandbox.messages("push")
    assert push["title"] == "New order assigned! Accept within 30s"
    assert push["data"] == {
        "type": "offer.made",
        "orderId": "6f1c",
        "offerId": "42",
        "expiresAt": "2026-11-20T10:00:30.000Z",
        "messageId": str(Message.objects.get().public_id),
    }


# spec: N4
def test_people_read_their_own_language(asha, sandbox):
    Recipient.objects.filter(pk=asha.pk).update(language="hi")
    say(asha)
    work()
    assert sandbox.messages("push")[0]["title"] == "डिलीवर हो गया"


# ── the ladder ───────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N2
def test_a_refusal_is_followed_by_the_next_channel_in_the_same_row(asha, sandbox):
    PushToken.objects.update(token="unregistered-phone-01")
    Recipient.objects.filter(pk=asha.pk).update(phone="+15005550001")
    message = say(asha)
    work()

    assert reasons(message)["push"].startswith("permanent: answered 404: UnregisteredError")
    assert "21211" in reasons(message)["sms"]
    assert (message.state, message.channel, message.retry_count) == (WorkState.DONE, "email", 1)
    assert inbox(sandbox) == [("email", "asha@customers.example")]
    assert PushToken.objects.get().retired_reason == "unregistered"


# spec: N2 S5
def test_channels_that_are_off_or_have_no_address_are_passed_over(sandbox, settings):
    settings.FIREBASE_CREDENTIALS = ""
    message = say(recipients.create_recipient(email="asha@customers.example"))
    work()
    assert reasons(message) == {"push": "off", "whatsapp": "not opted in to WhatsApp", "sms": "no address"}
    assert inbox(sandbox) == [("email", "asha@customers.example")]


# spec: N2
def test_nobody_to_reach_is_kept_as_ignored_not_as_a_failure(sandbox):
    message = say(recipients.create_recipient(name="Nobody"))
    work()
    assert reasons(message) == {
        "push": "no address",
        "whatsapp": "not opted in to WhatsApp",
        "sms": "no address",
        "email": "no address",
        "": "no channel reaches this person",
    }
    assert message.state == WorkState.IGNORED


# spec: N2 W4
def test_refused_everywhere_is_a_dead_letter_that_ops_can_send_again(asha, sandbox):
    Recipient.objects.filter(pk=asha.pk).update(phone="+15005550001", email="asha@localhost")
    PushToken.objects.update(token="unregistered-phone-01")
    message = say(asha)
    work()
    assert set(reasons(message)) == {"push", "whatsapp", "sms", "email"}
    assert message.state == WorkState.DEAD
    assert "21211" in message.error_message

    Recipient.objects.filter(pk=asha.pk).update(phone="+918012345678")
    assert Message.replay_rows([message.pk]) == 1
    work()
    assert (reasons(message), message.state, message.channel) == (
        {"push": "no address", "whatsapp": "not opted in to WhatsApp"},
        WorkState.DONE,
        "sms",
    )


# spec: N2
def test_the_persons_wishes_come_before_the_events_ladder(asha, sandbox):
    Recipient.objects.filter(pk=asha.pk).update(channels=["email", "sms"])
    say(asha)
    say(asha, dedupe="delivery:2", channels=["sms"])  # the caller knows better
    say(asha, "delivery.assigned", dedupe="delivery:3")  # push only, and not wished
    work()
    assert sorted(inbox(sandbox)) == [("email", "asha@customers.example"), ("sms", "+918012345678")]
    assert list(Message.objects.order_by("pk").values_list("channel", "why")) == [
        ("email", "the person's own channels"),
        ("sms", "the sender's choice of channels"),
        ("", ""),
    ]
    assert reasons(Message.objects.latest("pk")) == {"": "no channel reaches this person"}


# spec: N2
def test_a_channel_that_is_down_is_tried_again_then_the_next_gets_its_turn(asha, sandbox):
    sandbox.fault("fcm", "answer", "error_500", path="/v1", share=1)
    message = say(asha)
    for attempt in range(1, delivery.PATIENCE):
        work()
        message.refresh_from_db()
        assert (message.state, message.retry_count) == (WorkState.PENDING, attempt)
        assert message.due_at > message.created_at
        make_due()
    work()
    assert reasons(message)["push"].startswith("unknown")
    assert (message.state, message.channel) == (WorkState.DONE, "sms")
    assert inbox(sandbox) == [("sms", "+918012345678")]


# spec: N2
def test_the_last_channel_of_a_ladder_keeps_all_its_tries(asha, sandbox):
    sandbox.fault("sendgrid", "answer", "error_500", share=1)
    message = say(asha, channels=["email"])
    for _ in range(LANE.schedule.tries):
        make_due()
        work()
    message.refresh_from_db()
    assert (message.state, message.retry_count) == (WorkState.DEAD, LANE.schedule.tries)
    assert "500" in message.error_message


# ── unknown outcomes ─────────────────────────────────────────────────────────────────────────────────────────────
# spec: N2
def test_an_sms_whose_fate_is_unknown_is_not_sent_again(asha, sandbox):
    sandbox.fault("twilio", "answer", "lost_answer", times=1)
    message = say(asha, channels=["sms", "email"])
    work()
    assert reasons(message)["sms"].startswith("unknown")
    assert (message.state, message.channel) == (WorkState.DONE, "email")
    assert inbox(sandbox) == [("sms", "+918012345678"), ("email", "asha@customers.example")]


# spec: N2
def test_a_worker_that_dies_over_an_sms_does_not_cause_a_second_one(asha, sandbox, monkeypatch):
    sms = CHANNELS["sms"]
    honest = type(sms).send_message

    def send_and_die(self, letter, to):
        honest(self, letter, to)
        raise SystemExit  # as the process would end; nothing of the work queue runs after it

    monkeypatch.setattr(type(sms), "send_message", send_and_die)
    message = say(asha, channels=["sms", "email"])
    with pytest.raises(SystemExit):
        work()
    message.refresh_from_db()
    assert (message.state, message.channel) == (WorkState.LEASED, "sms")

    monkeypatch.setattr(type(sms), "send_message", honest)
    Message.objects.update(due_at=Now())  # the lease runs out
    work()
    assert reasons(message) == {"sms": "unknown: a worker ended while sending"}
    assert (message.state, message.channel) == (WorkState.DONE, "email")
    assert [channel for channel, _ in inbox(sandbox)] == ["sms", "email"]


# spec: N2
def test_a_push_whose_fate_is_unknown_is_sent_again(asha, sandbox):
    sandbox.fault("fcm", "answer", "lost_answer", path="/v1", times=1)
    message = say(asha)
    work()
    make_due()
    work()
    message.refresh_from_db()
    assert (message.state, message.channel, message.retry_count) == (WorkState.DONE, "push", 2)
    assert [channel for channel, _ in inbox(sandbox)] == ["push", "push"]


def test_a_worker_that_lost_the_row_sends_no_sms(asha, sandbox):
    say(asha, channels=["sms"])
    (slow,) = Message.claim_batch(limit=1, lease_s=0)
    Message.claim_batch(limit=1, lease_s=60)
    LANE.process_batch([slow])
    assert inbox(sandbox) == []
    assert Message.objects.get().state == WorkState.LEASED


# ── who is not told ──────────────────────────────────────────────────────────────────────────────────────────────
# spec: N2
def test_those_who_opted_out_hear_only_what_is_about_their_money_and_order(asha, sandbox):
    recipients.opt_out(asha)
    wanted = say(asha, "order.cancelled", dedupe="order:1")
    unwanted = say(asha, "review.requested", dedupe="order:1")
    work()
    wanted.refresh_from_db()
    assert wanted.state == WorkState.DONE
    assert reasons(unwanted) == {"": "opted out"}
    assert unwanted.state == WorkState.IGNORED
    assert len(inbox(sandbox)) == 1


# spec: N2
def test_news_that_is_too_old_is_not_sent(asha, sandbox):
    message = say(asha, "delivery.on_the_way")
    Message.objects.update(created_at=Now() - timedelta(hours=2))
    work()
    assert reasons(message) == {"": "too late"}
    assert inbox(sandbox) == []


# spec: N2
def test_nobody_hears_more_than_the_limit_however_many_workers_send(asha, sandbox, settings):
    settings.MESSAGES_PER_PERSON_PER_HOUR = 5
    ravi = recipients.create_recipient(email="ravi@customers.example")
    for number in range(32):
        say(asha, "delivery.on_the_way", dedupe=f"delivery:{number}")
    say(ravi, "delivery.on_the_way")
    claimed = Message.claim_batch(limit=64, lease_s=60)
    together = threading.Barrier(32)

    def send(message: Message) -> None:
        try:
            if message.recipient_id == asha.pk:
                together.wait()
            LANE.process_batch([message])
        finally:
            connection.close()

    with ThreadPoolExecutor(33) as workers:
        list(workers.map(send, claimed))

    told = [one["to"] for one in sandbox.control("GET", "messages")["messages"]]
    assert told.count("phone-of-asha-0001") == 5
    assert told.count("ravi@customers.example") == 1
    assert Message.objects.filter(state=WorkState.IGNORED, skipped__0__reason="rate limited").count() == 27
    assert not Message.objects.exclude(state__in=[WorkState.DONE, WorkState.IGNORED]).exists()


# spec: N2
def test_what_is_transactional_is_never_limited_and_takes_no_place(asha, sandbox, settings):
    settings.MESSAGES_PER_PERSON_PER_HOUR = 2
    for number in range(4):
        say(asha, "order.cancelled", dedupe=f"order:{number}")
    say(asha, "review.requested")
    work()
    assert len(inbox(sandbox)) == 5


# spec: N2
def test_a_place_in_the_limit_is_taken_once_per_message_and_free_again_after_an_hour(asha, sandbox, settings):
    settings.MESSAGES_PER_PERSON_PER_HOUR = 1
    sandbox.fault("fcm", "answer", "error_500", path="/v1", times=2)
    first = say(asha, "review.requested", dedupe="order:1")
    for _ in range(3):
        make_due()
        work()
    first.refresh_from_db()
    assert (first.state, first.retry_count) == (WorkState.DONE, 3)

    Message.objects.update(counted_at=Now() - timedelta(minutes=61))
    second = say(asha, "review.requested", dedupe="order:2")
    work()
    second.refresh_from_db()
    assert second.state == WorkState.DONE


# ── what ops sees ────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N5
def test_refused_credentials_become_one_incident(asha, sandbox, settings):
    settings.TWILIO_AUTH_TOKEN = "wrong"
    for number in range(3):
        say(asha, dedupe=f"delivery:{number}", channels=["sms", "email"])
    work()
    incident = Incident.objects.get()
    assert (incident.kind, incident.severity, incident.count) == ("channel_refused_us", "critical", 3)
    assert [channel for channel, _ in inbox(sandbox)] == ["email"] * 3


def test_an_event_of_a_newer_release_waits_for_it(asha, sandbox):
    say(asha)
    Message.objects.update(event="delivery.beamed")
    work()
    message = Message.objects.get()
    assert (message.state, message.retry_count) == (WorkState.PENDING, 0)
    assert message.due_at > message.created_at
