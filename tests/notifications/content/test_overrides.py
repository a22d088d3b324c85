"""What ops wrote is what people read: on the channel and in the language it was written for, by the next message."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from foundation.events import Cause
from notifications import tasks
from notifications.channels import CHANNELS
from notifications.contacts import recipients
from notifications.content import override_commands, overrides, validation
from notifications.content.catalogue import CATALOGUE
from notifications.content.template import MessageText
from notifications.incidents import service
from notifications.models import Incident, Message, PushToken, Recipient, TextOverride
from notifications.outbox import enqueue
from tests.notifications.content.overrides_of_ops import reword, writer
from tests.notifications.sent_messages import tell_ops
from tests.queues import drain_queues

pytestmark = pytest.mark.django_db(transaction=True)
LANE = tasks.ORDINARY
ON_THE_WAY = CATALOGUE["delivery.on_the_way"]
BUILT_IN = "Your order is on the way! ETA: 15 minutes"


@pytest.fixture
def meera() -> Cause:
    return writer()


@pytest.fixture
def asha(sandbox) -> Recipient:
    sandbox.control("PUT", "whatsapp/fates", {"silent": True})
    recipient = recipients.create_recipient(name="Asha", email="asha@customers.example", phone="+918012345678")
    recipients.register_token(recipient, "phone-of-asha-0001")
    return recipient


def say(recipient: Recipient, *channels: str, event: str = "delivery.on_the_way", **params) -> Message:
    number = Message.objects.count()
    given = {"orderId": "o-1", "etaMinutes": 15, **params}
    enqueue.enqueue_message(recipient.pk, event, given, dedupe=f"delivery:{number}", channels=channels)
    drain_queues(LANE)
    return Message.objects.latest("pk")


def read(channel: str, language: str = "en") -> str:
    return (
        overrides.load_texts(ON_THE_WAY, language)
        .fill_for(CHANNELS[channel], {"orderId": "o-1", "etaMinutes": 15})
        .body.words
    )


# ── what is in force ─────────────────────────────────────────────────────────────────────────────────────────────
# spec: N4
def test_the_channels_own_words_come_first_then_those_for_every_channel_then_what_is_built_in(meera):
    assert read("sms") == read("push") == BUILT_IN
    reword(ON_THE_WAY, "", "en", "Every channel, {etaMinutes}", by=meera)
    assert read("sms") == read("push") == "Every channel, 15"
    reword(ON_THE_WAY, "sms", "en", "By SMS, {etaMinutes}", by=meera)
    assert (read("sms"), read("push")) == ("By SMS, 15", "Every channel, 15")
    assert read("sms", "hi-IN").startswith("आपका ऑर्डर")
    reword(ON_THE_WAY, "", "hi", "हिंदी, {etaMinutes}", by=meera)
    assert read("sms", "hi") == read("push", "hi-IN") == "हिंदी, 15"
    assert read("sms", "fi") == "By SMS, 15"


# spec: N4
def test_the_newest_version_is_in_force_until_it_is_taken_back(meera):
    reword(ON_THE_WAY, "", "en", "First", by=meera)
    reword(ON_THE_WAY, "", "en", "Second", by=meera)
    assert read("push") == "Second"
    where = override_commands.get_place("delivery.on_the_way", "", "en")
    override_commands.take_back(where, based_on=2, why="not ours", by=meera)
    assert read("push") == BUILT_IN
    override_commands.bring_back(where, 1, based_on=3, why="ours after all", by=meera)
    assert read("push") == "First"
    assert [row.version for row in TextOverride.objects.order_by("version")] == [1, 2, 3, 4]


# spec: N4
def test_events_that_have_no_words_in_a_language_can_be_given_some(meera):
    given = CATALOGUE["delivery.given"]
    reword(given, "", "hi", "{store} से ऑर्डर {orderId} लाएँ", by=meera, title="ऑर्डर")
    params = {"store": "Chai Point", "orderId": "o-1"}
    words = overrides.load_texts(given, "hi").fill_for(CHANNELS["push"], params)
    assert (words.title, words.body.words) == ("ऑर्डर", "Chai Point से ऑर्डर o-1 लाएँ")
    assert overrides.load_texts(given, "en").fill_for(CHANNELS["push"], params).title == "Order assigned to you"


# spec: N4
def test_a_text_that_a_release_has_made_useless_is_passed_over(meera, monkeypatch):
    monkeypatch.setattr(validation, "list_mistakes", lambda *_: [])  # the release before this one knew {rider}
    reword(ON_THE_WAY, "", "en", "{rider} is on the way", by=meera)
    reword(ON_THE_WAY, "sms", "en", "{etaMinutes.x}", by=meera)
    assert read("push") == read("sms") == BUILT_IN


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N4
def test_the_next_message_says_it_on_the_channel_and_in_the_language_it_was_written_for(asha, sandbox, meera):
    ravi = recipients.create_recipient(name="Ravi", phone="+918087654321", language="hi")
    before = say(asha, "sms")
    own = reword(ON_THE_WAY, "sms", "en", "Coming in {etaMinutes} min", by=meera)

    sms, push, mail, hindi = say(asha, "sms"), say(asha, "push"), say(asha, "email"), say(ravi, "sms")
    assert (sms.title, sms.body, sms.text_override) == ("", "Coming in 15 min", own)
    assert (push.title, push.body, push.text_override) == ("On the way", BUILT_IN, None)
    assert (mail.body, hindi.body[:4]) == (BUILT_IN, "आपका")
    assert [one["body"] for one in sandbox.messages("sms")] == [before.body, "Coming in 15 min", hindi.body]
    assert sandbox.messages("push")[0]["body"] == BUILT_IN


# spec: N2 N4
def test_each_rung_of_a_ladder_says_its_own_words(asha, sandbox, meera):
    reword(ON_THE_WAY, "push", "en", "A push", by=meera)
    own = reword(ON_THE_WAY, "sms", "en", "An SMS", by=meera)
    PushToken.objects.update(token="unregistered-phone-01")
    message = say(asha)
    assert (message.channel, message.body, message.text_override) == ("sms", "An SMS", own)
    assert sandbox.messages("sms")[0]["body"] == "An SMS"


# spec: N4
def test_what_ops_wrote_costs_one_query_a_message_however_many_channels_are_tried(asha, sandbox, meera):
    for number in range(20):
        reword(ON_THE_WAY, "", "en", f"Text {number}", by=meera)
    PushToken.objects.update(token="unregistered-phone-01")
    with CaptureQueriesContext(connection) as queries:
        message = say(asha)
    asked = [one["sql"] for one in queries if 'FROM "notifications_textoverride"' in one["sql"]]
    assert message.channel == "sms"
    assert len(asked) == 1
    words = overrides.load_texts(ON_THE_WAY, "en")
    assert len(words._rows) == 1  # not all twenty


def test_the_query_uses_the_index_of_versions(meera):
    for number in range(3):
        reword(ON_THE_WAY, "", "en", f"Text {number}", by=meera)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # of three rows any plan would read all
        plan = overrides.newest_overrides().filter(event="delivery.on_the_way", language__in=["hi", "en"]).explain()
    assert "wording_version_once" in plan


# spec: N4
def test_long_values_give_way_and_the_message_goes_out(asha, sandbox):
    say(asha, "push", event="order.auto_rejected", reason="because " * 400)
    (push,) = sandbox.messages("push")
    assert len(push["body"]) == 700
    assert push["body"].startswith("Order o-1 auto-rejected, reason: because because")


# spec: N5
def test_an_incident_with_the_longest_title_is_mailed(sandbox, settings):
    settings.OPS_EMAIL = "ops@handoff.example"
    service.open_incident("probe", severity="critical", title="x" * 200, dedupe="probe")
    tell_ops()
    drain_queues(LANE)
    message = Message.objects.get()
    assert (message.state, message.channel, len(message.title)) == ("done", "email", 200)
    assert Incident.objects.get().title == "x" * 200


def test_a_title_is_one_line_whatever_stands_in_it(meera):
    text = MessageText("Late: {reason}", "Soon")
    version = overrides.TextVersion(text, "en", "", "name")
    assert overrides.fill_version(version, CHANNELS["email"], {"reason": "a\r\nBcc: b"}).title == "Late: a Bcc: b"
