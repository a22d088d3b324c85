"""WhatsApp as a channel: only who opted in, text within the person's day, templates outside it (SPEC N1, N2)."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command

from foundation import clock
from foundation.errors import Permanent, Transient
from foundation.models import OutboundCall
from foundation.work import WorkState
from notifications import tasks
from notifications.channels import CHANNELS
from notifications.contacts import recipients
from notifications.content.catalogue import CATALOGUE
from notifications.content.template import number_blanks
from notifications.models import Message, Recipient, SuppressedAddress
from notifications.outbox import enqueue
from tests.notifications.channels.channel_contract import letter
from tests.queues import drain_queues

pytestmark = pytest.mark.django_db(transaction=True)
LANE = tasks.ORDINARY
PHONE = "+918012345678"
WHATSAPP = CHANNELS["whatsapp"]


@pytest.fixture
def asha(sandbox) -> Recipient:
    sandbox.control("PUT", "whatsapp/fates", {"silent": True})
    return recipients.create_recipient(name="Asha", phone=PHONE, email="asha@customers.example")


def say(recipient: Recipient) -> Message:
    enqueue.enqueue_message(
        recipient.pk, "delivery.on_the_way", {"orderId": "o-1", "etaMinutes": 15}, dedupe="delivery:1"
    )
    drain_queues(LANE)
    return Message.objects.get()


def calls(sandbox):
    return [json.loads(one["body"]) for one in sandbox.control("GET", "calls?provider=whatsapp")["calls"]]


# spec: N1 N2
def test_nobody_is_written_to_who_did_not_opt_in(asha, sandbox):
    message = say(asha)
    assert {"channel": "whatsapp", "reason": "not opted in to WhatsApp"} in message.skipped
    assert message.channel == "sms"
    assert calls(sandbox) == []


# spec: N1
def test_who_opted_in_is_written_to_by_template(asha, sandbox):
    recipients.opt_in_to_whatsapp(asha, "user:1")
    sandbox.control(
        "PUT",
        "whatsapp/templates",
        {
            "name": "delivery_on_the_way",
            "language": "en",
            "body": number_blanks(CATALOGUE["delivery.on_the_way"].texts["en"].body),
        },
    )
    message = say(asha)
    assert (message.state, message.channel) == (WorkState.DONE, "whatsapp")
    assert message.provider_id.startswith("wamid.")
    (sent,) = calls(sandbox)
    assert sent["template"]["name"] == "delivery_on_the_way"
    assert sent["biz_opaque_callback_data"] == str(message.public_id)
    (shown,) = sandbox.messages("whatsapp")
    assert shown["body"] == message.body


def test_within_a_day_of_their_own_message_they_read_plain_text(asha, sandbox):
    recipients.opt_in_to_whatsapp(asha, "user:1")
    sandbox.control("POST", "whatsapp/say", {"from": PHONE, "text": "where is it?"})
    recipients.heard_on_whatsapp(PHONE, clock.now())
    assert say(asha).channel == "whatsapp"
    assert calls(sandbox)[0]["type"] == "text"


def test_a_window_that_is_about_to_close_is_not_relied_on(asha, sandbox):
    recipients.opt_in_to_whatsapp(asha, "user:1")
    recipients.heard_on_whatsapp(PHONE, clock.now() - timedelta(hours=23, minutes=58))
    say(asha)
    assert calls(sandbox)[0]["type"] == "template"


# spec: N2
def test_who_opts_out_is_left_alone_and_may_come_back(asha, sandbox):
    recipients.opt_in_to_whatsapp(asha, "user:1")
    asha.refresh_from_db()
    assert recipients.opt_out_of_whatsapp(asha, "opted out")
    gone = SuppressedAddress.objects.get()
    assert (gone.channel, gone.address, gone.reason, gone.reinstated_at) == ("whatsapp", PHONE, "opted out", None)
    assert say(asha).channel == "sms"
    assert calls(sandbox) == []

    assert recipients.opt_in_to_whatsapp(asha, "user:1")
    gone.refresh_from_db()
    assert gone.reinstated_by == "user:1"
    asha.refresh_from_db()
    assert WHATSAPP.addresses_of(asha) == [PHONE]


@pytest.mark.parametrize(("outcome", "code"), [("refused", "131026"), ("ecosystem", "131049")])
def test_what_meta_refuses_goes_to_the_next_channel(asha, sandbox, outcome, code):
    recipients.opt_in_to_whatsapp(asha, "user:1")
    sandbox.control("PUT", "whatsapp/fates", {"to": PHONE, "outcome": outcome})
    message = say(asha)
    assert message.channel == "sms"
    assert any(code in step["reason"] for step in message.skipped)


def test_too_many_is_tried_again(asha, sandbox):
    sandbox.control("PUT", "whatsapp/fates", {"to": PHONE, "outcome": "too_many"})
    with pytest.raises(Transient):
        WHATSAPP.send_message(letter(), [PHONE])
    assert OutboundCall.objects.get().outcome == "transient"


def test_no_number_of_a_person_is_in_the_record_of_a_call(asha, sandbox):
    WHATSAPP.send_message(letter(), [PHONE])
    call = OutboundCall.objects.get()
    assert PHONE.removeprefix("+") not in json.dumps([call.request, call.answer])


def test_a_value_that_meta_would_refuse_is_mended(asha, sandbox):
    WHATSAPP.send_message(letter(blanks=["two\nlines\tand     blanks", ""]), [PHONE])
    assert sandbox.messages("whatsapp")[0]["body"] == "two lines and blanks · –"


def test_a_letter_without_blanks_has_no_components(asha, sandbox):
    WHATSAPP.send_message(letter(blanks=[]), [PHONE])
    assert calls(sandbox)[0]["template"]["components"] == []


def test_an_unknown_number_is_permanent(asha, sandbox):
    with pytest.raises(Permanent):
        WHATSAPP.send_message(letter(), ["+1"])


def test_every_template_that_meta_must_know_is_listed(capsys):
    call_command("whatsapp_templates")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"delivery_on_the_way"} <= {line["name"] for line in lines}
    assert {line["language"] for line in lines} >= {"en", "hi"}
    for line in lines:
        assert "{{1}}" in line["components"][0]["text"] or "{" not in line["components"][0]["text"]
