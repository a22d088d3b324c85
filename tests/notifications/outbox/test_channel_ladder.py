"""Who has seen a message is not told again, who has not is told by the next channel."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now

from foundation import clock, jobs
from foundation.evidence import EventOutcome
from foundation.models import Job
from foundation.work import WorkState
from notifications.contacts import recipients
from notifications.models import Message, ReceiptOutcome, Recipient
from notifications.outbox import delivery, delivery_reports, enqueue
from notifications.outbox.receipt import DeliveryReceipt
from tests.notifications import sent_messages as talk
from tests.notifications.sent_messages import work
from tests.queues import drain_queues

pytestmark = pytest.mark.django_db(transaction=True)
START = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
def asha(sandbox) -> Recipient:
    """Her providers take everything, and tell nothing by themselves."""
    for provider in ("twilio", "sendgrid", "whatsapp"):
        sandbox.control("PUT", f"{provider}/fates", {"silent": True})
    return recipients.create_recipient(name="Asha", phone=talk.PHONE, email=talk.MAIL)


def receipt(of: Message, word: ReceiptOutcome, **more) -> DeliveryReceipt:
    return DeliveryReceipt(of.channel, word, START, message=str(of.public_id), provider_id=of.provider_id, **more)


@pytest.fixture
def pushed(asha, settings) -> Message:
    """A push that an app is expected to acknowledge."""
    settings.PUSH_ACK_SECONDS = 20
    recipients.register_token(asha, "phone-of-asha-0001")
    enqueue.enqueue_message(asha.pk, "delivery.on_the_way", {"orderId": "o-1", "etaMinutes": 15}, dedupe="delivery:1")
    work()
    message = Message.objects.get()
    assert message.channel == "push"
    return message


def time_is_up() -> None:
    Job.objects.filter(handler=delivery.UNACKNOWLEDGED).update(due_at=Now())
    drain_queues(jobs.QUEUE)
    work()


# spec: N2 N3
def test_a_push_that_nobody_acknowledges_climbs_to_whatsapp_then_sms_then_email(asha, pushed, sandbox):
    recipients.opt_in_to_whatsapp(asha, "user:1")
    time_is_up()
    for channel, following in (("whatsapp", "sms"), ("sms", "email")):
        pushed.refresh_from_db()
        assert pushed.channel == channel
        delivery_reports.apply_receipt(receipt(pushed, ReceiptOutcome.FAILED))
        work()
        pushed.refresh_from_db()
        assert pushed.channel == following
    delivery_reports.apply_receipt(receipt(pushed, ReceiptOutcome.BOUNCED))
    pushed.refresh_from_db()
    assert pushed.receipt == "bounced"
    told = {one["channel"] for one in sandbox.control("GET", "messages")["messages"]}
    assert told == {"push", "whatsapp", "sms", "email"}
    assert pushed.skipped[0] == {"channel": "push", "reason": "not acknowledged in time"}


# spec: N3
def test_one_that_was_acknowledged_stays_where_it_is(asha, pushed):
    delivery_reports.acknowledge_message(asha, str(pushed.public_id))
    time_is_up()
    pushed.refresh_from_db()
    assert (pushed.channel, pushed.receipt, pushed.state) == ("push", "read", WorkState.DONE)


# spec: N3
def test_one_that_is_acknowledged_on_its_way_up_goes_no_further(asha, pushed, sandbox):
    delivery_reports.climb_unless_read(pushed.pk)
    delivery_reports.acknowledge_message(asha, str(pushed.public_id))
    work()
    pushed.refresh_from_db()
    assert (pushed.state, pushed.receipt) == (WorkState.IGNORED, "read")
    assert len(sandbox.control("GET", "messages")["messages"]) == 1


# spec: N2 N3
def test_who_reads_the_push_late_is_not_told_by_a_dearer_channel_as_well(asha, pushed, sandbox):
    time_is_up()
    pushed.refresh_from_db()
    assert pushed.channel == "sms"
    assert delivery_reports.acknowledge_message(asha, str(pushed.public_id)) is EventOutcome.APPLIED
    assert delivery_reports.acknowledge_message(asha, str(pushed.public_id)) is EventOutcome.REPEATED
    delivery_reports.apply_receipt(receipt(pushed, ReceiptOutcome.UNDELIVERED, error="30003"))
    work()
    pushed.refresh_from_db()
    assert (pushed.state, pushed.channel, pushed.receipt) == (WorkState.DONE, "sms", "undelivered")
    assert {one["channel"] for one in sandbox.control("GET", "messages")["messages"]} == {"push", "sms"}


# spec: N2
def test_a_push_that_has_no_channel_above_it_is_not_waited_for(asha, sandbox):
    recipients.register_token(asha, "phone-of-asha-0001")
    enqueue.enqueue_message(asha.pk, "delivery.assigned", {"orderId": "o-1", "rider": "Ravi"}, dedupe="delivery:1")
    work()
    assert Message.objects.get().channel == "push"
    assert not Job.objects.exists()


def test_a_push_is_waited_for_unless_the_setting_says_otherwise(asha, settings):
    recipients.register_token(asha, "phone-of-asha-0001")
    enqueue.enqueue_message(asha.pk, "delivery.on_the_way", {"orderId": "o-1", "etaMinutes": 15}, dedupe="delivery:1")
    work()
    due_at = Job.objects.get(handler=delivery.UNACKNOWLEDGED).due_at
    assert timedelta(seconds=30) < due_at - clock.now() <= timedelta(seconds=settings.PUSH_ACK_SECONDS)


def test_without_the_setting_no_push_is_waited_for(asha, settings):
    settings.PUSH_ACK_SECONDS = 0
    recipients.register_token(asha, "phone-of-asha-0001")
    enqueue.enqueue_message(asha.pk, "delivery.on_the_way", {"orderId": "o-1", "etaMinutes": 15}, dedupe="delivery:1")
    work()
    assert not Job.objects.exists()
