"""Whether a message may go out, and when: consent, what is true by then, quiet hours, limits under many hands."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models.functions import Now

from deliveries.fulfilment import ops_actions
from deliveries.lifecycle import DeliveryStatus
from foundation import clock
from foundation.errors import Permanent
from foundation.work import WorkState
from notifications import tasks
from notifications.channels import CHANNELS
from notifications.channels.base import Channel
from notifications.contacts import recipients, suppressions
from notifications.content.catalogue import CATALOGUE
from notifications.models import Message, PushToken, Recipient
from notifications.outbox import delivery as outbox_delivery
from notifications.outbox import delivery_reports, eligibility, enqueue, quiet_hours
from tests.builders import TEST, assigned, moved
from tests.notifications import sent_messages as talk
from tests.notifications.sent_messages import inbox, make_due, reasons, say, work

pytestmark = pytest.mark.django_db(transaction=True)
LANE = tasks.ORDINARY


@pytest.fixture
def asha(sandbox) -> Recipient:
    return talk.reachable()


# ── who is not told ──────────────────────────────────────────────────────────────────────────────────────────────
# spec: N2
def test_who_was_erased_hears_nothing_at_all(asha, sandbox):
    waiting = say(asha, "order.cancelled")
    recipients.erase_recipient(asha)
    later = say(asha, "delivery.failed", dedupe="delivery:2")
    Recipient.objects.filter(pk=asha.pk).update(email=talk.MAIL)  # somebody wrote it down once more
    work()
    assert reasons(waiting) == reasons(later) == {"": "erased"}
    assert inbox(sandbox) == []
    asha.refresh_from_db()
    assert (asha.name, asha.phone, asha.channels) == ("", "", [])
    assert not PushToken.objects.exists()


# spec: N2
@pytest.mark.parametrize("event", sorted(CATALOGUE))
def test_nobody_to_write_to_is_told_nothing_whatever_it_is_about(sandbox, event):
    nobody = recipients.create_recipient(name="Nobody")
    params = dict.fromkeys(CATALOGUE[event].params, 1)
    enqueue.enqueue_message(nobody.pk, event, params, dedupe="x")
    work()
    message = Message.objects.get()
    assert message.state == WorkState.IGNORED
    assert reasons(message)[""] == "no channel reaches this person"
    assert inbox(sandbox) == []


# ── what does not matter any more ────────────────────────────────────────────────────────────────────────────────
# spec: N2
def test_what_it_is_about_is_looked_at_before_every_try_and_what_is_true_then_is_said(asha, sandbox):
    delivery = moved(assigned(), DeliveryStatus.IN_TRANSIT)
    sandbox.fault("fcm", "answer", "error_500", path="/v1", times=1)
    message = say(asha, "delivery.on_the_way", order_ref=delivery.order.public_id)
    Message.objects.filter(pk=message.pk).update(params=talk.PARAMS | {"etaMinutes": 9_999})
    Message.objects.exclude(pk=message.pk).delete()
    work()
    make_due()
    work()
    message.refresh_from_db()
    assert message.state == WorkState.DONE
    assert "9999" not in message.body
    assert message.body.startswith("Your order is on the way! ETA: ")

    late = say(asha, "delivery.on_the_way", dedupe="again", order_ref=delivery.order.public_id)
    ops_actions.confirm_delivery(delivery.order_id, "the customer called", by=TEST)
    Message.objects.exclude(pk__in=[message.pk, late.pk]).delete()
    work()
    assert reasons(late) == {"": "the order is delivered by now"}
    assert late.state == WorkState.IGNORED
    assert len(inbox(sandbox)) == 1


class Slow(Channel):
    """Refuses, and while it does so `meanwhile` happens."""

    name, needs, resend_unknown = "slow", (), True

    def __init__(self, meanwhile: Callable[[], Any]) -> None:
        self.meanwhile = meanwhile

    def addresses_of(self, recipient: Recipient) -> list[str]:
        return ["somewhere"]

    def send_message(self, letter, to) -> str:
        self.meanwhile()
        raise Permanent("no")


# spec: N2
def test_every_rung_of_the_ladder_looks_anew(asha, sandbox, monkeypatch):
    delivery = moved(assigned(), DeliveryStatus.IN_TRANSIT)
    Message.objects.all().delete()
    slow = Slow(lambda: ops_actions.confirm_delivery(delivery.order_id, "the customer called", by=TEST))
    monkeypatch.setitem(CHANNELS, "slow", slow)
    ref = delivery.order.public_id
    message = say(asha, "delivery.on_the_way", channels=["slow", "sms"], order_ref=ref)
    LANE.drain_once()
    assert reasons(message) == {"slow": "permanent: no", "": "the order is delivered by now"}
    assert message.state == WorkState.IGNORED
    assert inbox(sandbox) == []


# spec: N2 N3
def test_what_the_person_has_seen_meanwhile_is_not_told_by_the_next_channel(asha, sandbox, monkeypatch):
    seen: list[str] = []
    slow = Slow(lambda: delivery_reports.acknowledge_message(asha, seen[0]))
    monkeypatch.setitem(CHANNELS, "slow", slow)
    message = say(asha, channels=["slow", "sms"])
    seen.append(str(message.public_id))
    work()
    assert reasons(message)[""] == "read already"
    assert inbox(sandbox) == []


def test_the_page_for_ops_explains_every_reason():
    page = (Path(__file__).parents[3] / "docs" / "messages.md").read_text()
    whole = (
        eligibility.ERASED,
        eligibility.READ,
        eligibility.OPTED_OUT,
        eligibility.TOO_LATE,
        eligibility.LATER_TOO_LATE,
    )
    limits = (eligibility.PERSON_LIMIT, eligibility.EVENT_LIMIT)
    for reason in (*whole, *limits, *outbox_delivery.PASSED_OVER, outbox_delivery.NOBODY, suppressions.RETIRED.strip()):
        assert f"| {reason}" in page, reason


# ── quiet hours ──────────────────────────────────────────────────────────────────────────────────────────────────
KOLKATA, NEW_YORK = ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")
NIGHT = time(22), time(8)


@pytest.mark.parametrize(
    ("hours", "zone", "now", "ends"),
    [
        (NIGHT, KOLKATA, "2026-11-20T16:29:59+00:00", None),
        (NIGHT, KOLKATA, "2026-11-20T16:30:00+00:00", "2026-11-21T02:30:00+00:00"),
        (NIGHT, KOLKATA, "2026-11-21T02:29:59+00:00", "2026-11-21T02:30:00+00:00"),
        (NIGHT, KOLKATA, "2026-11-21T02:30:00+00:00", None),
        ((time(1), time(6)), KOLKATA, "2026-11-20T20:00:00+00:00", "2026-11-21T00:30:00+00:00"),
        ((time(1), time(1)), KOLKATA, "2026-11-20T19:30:00+00:00", None),
        # the night in which the clock is put forward, and the one in which it is put back
        (NIGHT, NEW_YORK, "2026-03-08T04:00:00+00:00", "2026-03-08T12:00:00+00:00"),
        (NIGHT, NEW_YORK, "2026-11-01T03:00:00+00:00", "2026-11-01T13:00:00+00:00"),
        ((time(0), time(1, 30)), NEW_YORK, "2026-11-01T06:15:00+00:00", "2026-11-01T06:30:00+00:00"),
    ],
)
def test_quiet_hours_end_by_the_persons_own_clock(hours, zone, now, ends):
    begin, end = hours
    ended = quiet_hours.ends_at(begin, end, zone, datetime.fromisoformat(now))
    assert ended == (datetime.fromisoformat(ends) if ends else None)


@pytest.fixture
def night(settings) -> datetime:
    """It is quiet in UTC from an hour ago until in two hours, and nowhere six hours off."""
    now = clock.now()
    settings.QUIET_HOURS = ((now - timedelta(hours=1)).time(), (now + timedelta(hours=2)).time())
    return now + timedelta(hours=2)


# spec: N2
def test_what_can_wait_waits_for_the_morning_and_that_is_no_attempt(asha, sandbox, settings, night):
    message = say(asha, "review.requested")
    work()
    message.refresh_from_db()
    assert (message.state, message.retry_count, message.skipped, message.counted_at) == ("pending", 0, [], None)
    assert abs(message.due_at - night) < timedelta(seconds=5)
    assert message.error_message.startswith("quiet hours until ")
    assert inbox(sandbox) == []

    settings.QUIET_HOURS = None  # it is morning
    make_due()
    work()
    message.refresh_from_db()
    assert (message.state, message.retry_count) == (WorkState.DONE, 1)


# spec: N2
def test_what_nobody_wants_to_hear_in_the_morning_is_not_sent(asha, sandbox, night):
    message = say(asha, "review.requested")
    Message.objects.update(created_at=Now() - timedelta(hours=23))
    work()
    assert reasons(message) == {"": "quiet hours, and too late after them"}
    assert message.state == WorkState.IGNORED


# spec: N2
def test_an_order_under_way_is_told_of_at_any_hour(asha, sandbox, night):
    for event in ("delivery.on_the_way", "delivery.completed"):
        say(asha, event)
    work()
    assert len(inbox(sandbox)) == 2


# spec: N2
def test_the_night_is_the_persons_own(asha, sandbox, settings, night):
    now = clock.now()
    Recipient.objects.filter(pk=asha.pk).update(time_zone="Etc/GMT-6")
    say(asha, "review.requested")
    work()
    assert len(inbox(sandbox)) == 1
    asha.refresh_from_db()
    assert quiet_hours.quiet_until(asha, now) is None
    settings.DEFAULT_TIME_ZONE = "Etc/GMT+6"
    assert quiet_hours.quiet_until(recipients.create_recipient(), now) is None


# spec: N2 N3
def test_a_report_about_a_message_that_waits_for_the_morning_waits_with_it(asha, sandbox, night):
    message = say(asha, "review.requested")
    work()
    message.refresh_from_db()
    assert delivery_reports._wait_s(message) == delivery_reports.LONGEST_WAIT_S


# ── limits under many hands ──────────────────────────────────────────────────────────────────────────────────────
HANDS = 32


def all_at_once() -> None:
    """Every message that is due, each carried by a hand of its own, all at the same moment."""
    claimed = Message.claim_batch(limit=HANDS, lease_s=60)
    assert len(claimed) == HANDS
    together = Barrier(HANDS)

    def send(message: Message) -> None:
        try:
            together.wait()
            LANE.process_batch([message])
        finally:
            connection.close()

    with ThreadPoolExecutor(HANDS) as hands:
        list(hands.map(send, claimed))
    assert not Message.objects.exclude(state__in=[WorkState.DONE, WorkState.IGNORED]).exists()


def unsent(reason: str) -> int:
    return Message.objects.filter(state=WorkState.IGNORED, skipped__0__reason=reason).count()


# spec: N2
@pytest.mark.parametrize(
    ("limits", "reason"), [((3, 100), eligibility.PERSON_LIMIT), ((100, 3), eligibility.EVENT_LIMIT)], ids=str
)
def test_of_32_at_once_against_a_limit_of_3_three_get_through(asha, sandbox, settings, limits, reason):
    settings.MESSAGES_PER_PERSON_PER_HOUR, settings.MESSAGES_PER_EVENT_PER_HOUR = limits
    for number in range(HANDS):
        say(asha, "review.requested", dedupe=f"order:{number}")
    all_at_once()
    assert inbox(sandbox) == [("push", talk.TOKEN)] * 3
    assert unsent(reason) == HANDS - 3
    assert Message.objects.filter(counted_at__isnull=False).count() == 3


# spec: N2
def test_the_limit_of_one_event_is_not_that_of_another(asha, sandbox, settings):
    settings.MESSAGES_PER_EVENT_PER_HOUR = 1
    for event in ("delivery.assigned", "delivery.on_the_way", "review.requested"):
        for number in range(2):
            say(asha, event, dedupe=f"delivery:{number}")
    work()
    assert len(inbox(sandbox)) == 3
    assert unsent(eligibility.EVENT_LIMIT) == 3


# spec: N2
def test_one_fact_that_fifty_hands_report_and_carry_is_told_once(asha, sandbox):
    together = Barrier(50)

    def report(_: int) -> None:
        try:
            together.wait()
            enqueue.enqueue_message(asha.pk, "delivery.completed", talk.PARAMS, dedupe="delivery:1")
            LANE.drain_once()
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as hands:
        list(hands.map(report, range(50)))
    work()
    assert inbox(sandbox) == [("push", talk.TOKEN)]
    message = Message.objects.get()
    assert (message.state, message.retry_count) == (WorkState.DONE, 1)
