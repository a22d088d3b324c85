"""What a channel may cost in a day: never more, whoever spends it; ops is told; the ladder goes on. # spec: N2, N5"""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.urls import reverse

from foundation import clock
from foundation.models import Role, User
from foundation.work import WorkState
from notifications import checks, tasks
from notifications.channels import sms_segments
from notifications.models import ChannelSpending, Incident, Message, Recipient
from notifications.outbox import budget
from tests.notifications import sent_messages as talk
from tests.notifications.sent_messages import inbox, make_due, reasons, say, tell_ops, work

pytestmark = pytest.mark.django_db(transaction=True)
HANDS = 32
PENNY = 10_000  # micros


@pytest.fixture
def asha(sandbox) -> Recipient:
    return talk.reachable()


@pytest.fixture
def three_sms(settings) -> None:
    """A day's money is enough for three SMS, and for a bit of a fourth."""
    settings.MESSAGE_PRICES = {"sms": PENNY}
    settings.MESSAGE_DAILY_CAPS = {"sms": 3 * PENNY + 1}


def spent() -> tuple[int, int]:
    """(messages, micros) of SMS so far."""
    row = ChannelSpending.objects.get(channel="sms", day=clock.now().date())
    return row.messages, row.spent_micros


# spec: N2
def test_of_32_hands_at_once_three_spend_what_is_enough_for_three(three_sms):
    together = Barrier(HANDS)

    def take(_: int) -> bool:
        try:
            together.wait()
            return budget.reserve_budget("sms") is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(HANDS) as hands:
        assert sum(hands.map(take, range(HANDS))) == 3
    assert spent() == (3, 3 * PENNY)
    incident = Incident.objects.get()
    assert (incident.kind, incident.severity) == ("daily_cap", "critical")
    assert incident.title == "Today's money for sms is spent: it is passed over"


# spec: N2 N5
def test_at_the_cap_the_channel_is_passed_over_and_ops_is_told_once(asha, sandbox, settings, three_sms):
    settings.OPS_EMAIL = "ops@handoff.example"
    told = [say(asha, dedupe=f"delivery:{number}", channels=["sms", "email"]) for number in range(6)]
    work()
    assert [channel for channel, _ in inbox(sandbox)].count("sms") == 3
    passed = [message for message in told if reasons(message) == {"sms": budget.CAP_REACHED}]
    assert [(message.state, message.channel) for message in passed] == [(WorkState.DONE, "email")] * 3
    assert spent() == (3, 3 * PENNY)
    incident = Incident.objects.get()
    assert incident.title == "Today's money for sms is spent: it is passed over"
    assert incident.detail["cap"] == "0.030001"
    tell_ops()
    work()
    mails = [to for channel, to in inbox(sandbox) if channel == "email"]
    assert mails.count("ops@handoff.example") == 1

    Incident.objects.all().delete()  # whatever ops does with it: this day has had its incident
    say(asha, dedupe="delivery:7", channels=["sms"])
    work()
    assert not Incident.objects.exists()
    last = Message.objects.latest("pk")
    assert reasons(last) == {"sms": budget.CAP_REACHED, "": "no channel reaches this person"}
    assert last.state == WorkState.IGNORED


# spec: N2 N5
def test_ops_is_warned_at_four_fifths(settings):
    settings.MESSAGE_PRICES, settings.MESSAGE_DAILY_CAPS = {"sms": PENNY}, {"sms": 10 * PENNY}
    for _ in range(7):
        budget.reserve_budget("sms")
    assert not Incident.objects.exists()
    for _ in range(3):
        budget.reserve_budget("sms")
    incident = Incident.objects.get()
    assert (incident.severity, incident.count) == ("warning", 1)
    assert incident.title == "80% of today's money for sms is spent"


# spec: N5
def test_a_warning_that_comes_after_the_cap_is_not_said_any_more(three_sms):
    """The one who spent the last of it may be slower than the one who found nothing left."""
    for _ in range(2):
        budget.reserve_budget("sms")
    ChannelSpending.objects.update(capped_at=clock.now())
    assert budget.reserve_budget("sms")
    assert ChannelSpending.objects.get().warned_at is None
    assert not Incident.objects.exists()


# spec: N2
def test_what_the_provider_refused_costs_nothing_and_what_nobody_knows_does(asha, sandbox, three_sms):
    Recipient.objects.filter(pk=asha.pk).update(phone="+15005550001")
    say(asha, channels=["sms"])
    work()
    assert spent() == (0, 0)

    Recipient.objects.filter(pk=asha.pk).update(phone=talk.PHONE)
    sandbox.control("PUT", "twilio/fates", {"to": talk.PHONE, "outcome": "too_many"})
    message = say(asha, dedupe="delivery:2", channels=["sms"])
    work()
    assert spent() == (0, 0)
    sandbox.control("PUT", "twilio/fates", {"to": talk.PHONE, "outcome": "delivered"})
    make_due()
    work()
    message.refresh_from_db()
    assert (message.state, spent()) == (WorkState.DONE, (1, PENNY))

    sandbox.fault("twilio", "answer", "lost_answer", times=1)
    say(asha, dedupe="delivery:3", channels=["sms"])
    work()
    assert spent() == (2, 2 * PENNY)


def test_a_worker_that_lost_the_row_pays_nothing(asha, sandbox, three_sms):
    say(asha, channels=["sms"])
    (slow,) = Message.claim_batch(limit=1, lease_s=0)
    Message.claim_batch(limit=1, lease_s=60)
    tasks.ORDINARY.process_batch([slow])
    assert (inbox(sandbox), spent()) == ([], (0, 0))


# spec: N2
def test_what_is_free_is_neither_counted_nor_held_back(asha, sandbox, settings):
    settings.MESSAGE_PRICES, settings.MESSAGE_DAILY_CAPS = {"sms": PENNY}, {"push": 0, "email": 0, "sms": 0}
    for number, channel in enumerate(("push", "email", "sms")):
        say(asha, dedupe=f"delivery:{number}", channels=[channel])
    work()
    assert sorted(channel for channel, _ in inbox(sandbox)) == ["email", "push"]
    assert list(ChannelSpending.objects.values_list("channel", "messages")) == [("sms", 0)]


# spec: N5
def test_what_ops_must_hear_is_mailed_beyond_the_cap(sandbox, settings):
    settings.MESSAGE_PRICES, settings.MESSAGE_DAILY_CAPS = {"email": PENNY}, {"email": 0}
    settings.OPS_EMAIL = "ops@handoff.example"
    assert budget.reserve_budget("email") is None
    tell_ops()
    work()
    assert inbox(sandbox) == [("email", "ops@handoff.example")]
    assert ChannelSpending.objects.get().spent_micros == PENNY


def test_an_sms_costs_what_its_parts_cost(asha, sandbox, settings):
    settings.MESSAGE_PRICES = {"sms": PENNY}
    Recipient.objects.filter(pk=asha.pk).update(language="hi")
    message = say(asha, "review.requested", channels=["sms"])
    work()
    message.refresh_from_db()
    assert spent() == (1, PENNY * sms_segments.measure_sms(message.body).segments)
    assert sms_segments.measure_sms(message.body).segments == 2


# spec: S5
def test_prices_and_caps_of_no_channel_are_refused_and_caps_that_hold_nothing_are_warned_of(settings):
    settings.MESSAGE_PRICES, settings.MESSAGE_DAILY_CAPS = {"sms": 1, "pigeon": 1}, {"sms": 1, "whatsapp": 1}
    assert [(note.id, "pigeon" in note.msg or "whatsapp" in note.msg) for note in checks.prices_and_caps_fit()] == [
        ("notifications.E005", True),
        ("notifications.W002", True),
    ]
    settings.MESSAGE_PRICES = {"sms": 1, "whatsapp": 1}
    assert checks.prices_and_caps_fit() == []


# spec: A3
def test_staff_see_what_each_day_has_cost(client, settings, three_sms):
    budget.reserve_budget("sms")
    client.force_login(User.objects.create_user("reader", role=Role.READ_ONLY))
    page = client.get(reverse("admin:notifications_channelspending_changelist")).content.decode()
    assert "sms" in page
    assert ">0.01<" in page
    assert ">0.030001<" in page
