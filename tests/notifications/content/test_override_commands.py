"""The verbs behind ops' templates: versions that only grow, mistakes that are said, and Meta's word."""

import json

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction

from foundation.errors import Conflict, IllegalMove, Invalid, NotFound
from foundation.events import Cause
from foundation.models import Event
from notifications import tasks
from notifications.channels import CHANNELS
from notifications.contacts import recipients
from notifications.content import override_commands, overrides
from notifications.content.catalogue import CATALOGUE
from notifications.content.template import MessageText, number_blanks
from notifications.models import Approval, Message, Recipient, TextOverride
from notifications.outbox import enqueue
from tests.notifications.content.overrides_of_ops import reword, writer
from tests.queues import drain_queues
from tests.races.riders_and_orders import together

pytestmark = pytest.mark.django_db(transaction=True)
LANE = tasks.ORDINARY
ON_THE_WAY = CATALOGUE["delivery.on_the_way"]
EVERYWHERE = override_commands.TextPlace(ON_THE_WAY, "", "en")
BUILT_IN = "Your order is on the way! ETA: 15 minutes"


@pytest.fixture
def meera() -> Cause:
    return writer()


def by_whatsapp(language: str = "en") -> str:
    said = overrides.load_texts(ON_THE_WAY, language).fill_for(
        CHANNELS["whatsapp"], {"orderId": "o-1", "etaMinutes": 15}
    )
    return f"{said.version.registered_as}: {said.body.words}"


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N4 O2
def test_every_version_says_who_when_and_why(meera):
    row = TextOverride.objects.get(pk=reword(ON_THE_WAY, "sms", "hi", " कुछ\r\nऔर ", by=meera).pk)
    assert (row.event, row.channel, row.language, row.version) == ("delivery.on_the_way", "sms", "hi", 1)
    assert (row.title, row.body, row.note) == ("", "कुछ\nऔर", "reads better")
    assert row.created_by.get_username() == "meera"
    event = Event.objects.get(subject=f"textoverride:{row.pk}")
    assert (event.name, event.actor) == ("wording.changed", meera.actor)
    assert event.data["body"] == "कुछ\nऔर"
    assert event.data["why"] == "reads better"


# spec: N4
@pytest.mark.parametrize(
    ("event", "channel", "language"),
    [("delivery.beamed", "", "en"), ("delivery.assigned", "sms", "en"), ("delivery.assigned", "", "fi")],
)
def test_there_are_no_words_for_what_the_catalogue_does_not_know(event, channel, language):
    with pytest.raises(NotFound):
        override_commands.get_place(event, channel, language)


# spec: N4
@pytest.mark.parametrize(
    ("text", "why", "field"),
    [
        (MessageText("On the way", "In {minutes}"), "better", "body"),
        (MessageText("", "Soon"), "better", "title"),
        (MessageText("On the way", "Soon"), "  ", "why"),
        (MessageText("On the way", "Soon"), "x" * 301, "why"),
        (MessageText("On the way", "Soon"), "a\x00b", "why"),
    ],
)
def test_a_mistake_is_said_with_its_field_and_nothing_is_saved(meera, text, why, field):
    with pytest.raises(Invalid) as refused:
        override_commands.override_text(EVERYWHERE, text, based_on=0, why=why, by=meera)
    assert refused.value.field == field
    assert not TextOverride.objects.exists()


def test_only_people_write(meera):
    with pytest.raises(Invalid):
        reword(ON_THE_WAY, "", "en", "Soon", by=Cause("clock"))


def test_the_same_again_is_no_version(meera):
    reword(ON_THE_WAY, "", "en", "Soon", by=meera)
    with pytest.raises(Invalid, match="stands here already"):
        reword(ON_THE_WAY, "", "en", "Soon ", by=meera)
    with pytest.raises(IllegalMove, match="stands here already"):
        override_commands.bring_back(EVERYWHERE, 1, based_on=1, why="x", by=meera)


# spec: N4
def test_what_is_taken_back_or_brought_back_is_a_new_version(meera):
    with pytest.raises(IllegalMove, match="nothing of our own"):
        override_commands.take_back(EVERYWHERE, based_on=0, why="x", by=meera)
    reword(ON_THE_WAY, "", "en", "Soon", by=meera)
    override_commands.bring_back(EVERYWHERE, 0, based_on=1, why="built in was better", by=meera)
    with pytest.raises(IllegalMove, match="nothing of our own"):
        override_commands.take_back(EVERYWHERE, based_on=2, why="x", by=meera)
    with pytest.raises(IllegalMove, match="version 2 has no text"):
        override_commands.bring_back(EVERYWHERE, 2, based_on=2, why="x", by=meera)
    with pytest.raises(NotFound):
        override_commands.bring_back(EVERYWHERE, 9, based_on=2, why="x", by=meera)
    override_commands.bring_back(EVERYWHERE, 1, based_on=2, why="it was not", by=meera)
    kept = TextOverride.objects.order_by("version").values_list("version", "withdrawn", "body", "note")
    assert list(kept) == [
        (1, False, "Soon", "reads better"),
        (2, True, "", "built in was better"),
        (3, False, "Soon", "it was not"),
    ]
    names = Event.objects.filter(subject__startswith="textoverride:").order_by("pk").values_list("name", flat=True)
    assert list(names) == ["wording.changed", "wording.taken_back", "wording.changed"]


def test_a_version_that_would_not_do_any_more_is_not_brought_back(meera, monkeypatch):
    from notifications.content import validation

    with monkeypatch.context() as careless:
        careless.setattr(validation, "list_mistakes", lambda *_: [])
        reword(ON_THE_WAY, "", "en", "{rider} comes", by=meera)
    reword(ON_THE_WAY, "", "en", "Soon", by=meera)
    with pytest.raises(Invalid, match=r"\{rider\} is not known here"):
        override_commands.bring_back(EVERYWHERE, 1, based_on=2, why="x", by=meera)


# spec: N4
def test_of_people_who_save_at_once_one_is_first_and_the_others_are_told(meera):
    writers = [writer(f"writer-{number}") for number in range(8)]

    def save(by: Cause):
        return lambda: override_commands.override_text(
            EVERYWHERE, MessageText("Soon", f"By {by.actor}"), based_on=0, why="x", by=by
        )

    results = together([save(by) for by in writers])
    saved = [one for one in results if isinstance(one, TextOverride)]
    conflicts = [one for one in results if isinstance(one, Conflict)]
    assert (len(saved), len(conflicts)) == (1, 7)
    assert TextOverride.objects.get().body == saved[0].body
    assert all(f"{saved[0].created_by} has saved version 1 meanwhile" in one.message for one in conflicts)
    with pytest.raises(Conflict, match="no such version to go on from"):
        override_commands.override_text(
            override_commands.TextPlace(ON_THE_WAY, "", "hi"), MessageText("a", "b"), based_on=3, why="x", by=meera
        )


# spec: N4
@pytest.mark.parametrize(
    "change", ["SET body = 'x'", "SET version = 9", "SET created_at = now()", "SET note = ''", "SET withdrawn = true"]
)
def test_the_database_refuses_to_change_a_version(meera, change):
    from django.db import connection

    reword(ON_THE_WAY, "", "en", "Soon", by=meera)
    for statement in (f"UPDATE notifications_textoverride {change}", "DELETE FROM notifications_textoverride"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


# ── Meta's word ──────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N4
def test_by_whatsapp_goes_what_meta_has_approved(meera):
    first = reword(ON_THE_WAY, "", "en", "Version one, {etaMinutes}", by=meera)
    assert (first.registered_as, first.approval) == ("delivery_on_the_way_v1", Approval.WAITING)
    assert by_whatsapp() == f"delivery_on_the_way: {BUILT_IN}"
    override_commands.approve_version(first.pk, why="mail of Meta", by=meera)
    assert by_whatsapp() == "delivery_on_the_way_v1: Version one, 15"
    second = reword(ON_THE_WAY, "", "en", "Version two, {etaMinutes}", by=meera)
    assert by_whatsapp() == "delivery_on_the_way_v1: Version one, 15"
    override_commands.refuse_version(second.pk, why="too promotional", by=meera)
    assert by_whatsapp() == "delivery_on_the_way_v1: Version one, 15"
    own = reword(ON_THE_WAY, "whatsapp", "en", "For WhatsApp, {etaMinutes}", by=meera)
    assert own.registered_as == "delivery_on_the_way_whatsapp_v1"
    override_commands.approve_version(own.pk, why="x", by=meera)
    assert by_whatsapp() == "delivery_on_the_way_whatsapp_v1: For WhatsApp, 15"
    override_commands.refuse_version(own.pk, why="paused by Meta", by=meera)
    assert by_whatsapp() == "delivery_on_the_way_v1: Version one, 15"
    names = list(Event.objects.filter(subject=f"textoverride:{own.pk}").order_by("pk").values_list("name", flat=True))
    assert names == ["wording.changed", "wording.approved", "wording.refused"]


# spec: N4
def test_what_was_approved_and_is_taken_back_goes_out_no_more_until_it_is_brought_back(meera):
    first = reword(ON_THE_WAY, "", "en", "Version one, {etaMinutes}", by=meera)
    override_commands.approve_version(first.pk, why="x", by=meera)
    override_commands.take_back(EVERYWHERE, based_on=1, why="x", by=meera)
    assert by_whatsapp() == f"delivery_on_the_way: {BUILT_IN}"
    back = override_commands.bring_back(EVERYWHERE, 1, based_on=2, why="x", by=meera)
    assert (back.version, back.approval, back.registered_as) == (3, Approval.APPROVED, "delivery_on_the_way_v1")
    assert by_whatsapp() == "delivery_on_the_way_v1: Version one, 15"


def test_metas_word_is_taken_once_and_only_of_what_goes_there(meera):
    mail = reword(ON_THE_WAY, "email", "en", "By mail", by=meera)
    assert (mail.registered_as, mail.approval) == ("", "")
    assert reword(CATALOGUE["offer.made"], "", "en", "{store} {fee} now", by=meera).registered_as == ""
    with pytest.raises(IllegalMove, match="does not go out by WhatsApp"):
        override_commands.approve_version(mail.pk, why="x", by=meera)
    with pytest.raises(NotFound):
        override_commands.refuse_version(0, why="x", by=meera)
    row = reword(ON_THE_WAY, "", "en", "Soon", by=meera)
    with pytest.raises(Invalid):
        override_commands.approve_version(row.pk, why="", by=meera)
    override_commands.approve_version(row.pk, why="x", by=meera)
    with pytest.raises(IllegalMove, match="approved by Meta already"):
        override_commands.approve_version(row.pk, why="x", by=meera)
    row.refresh_from_db()
    assert (row.decided_by.get_username(), bool(row.decided_at)) == ("meera", True)


# spec: N4
def test_a_new_text_goes_by_whatsapp_under_its_own_name_once_it_is_approved(sandbox, meera):
    sandbox.control("PUT", "whatsapp/fates", {"silent": True})
    asha = recipients.create_recipient(name="Asha", phone="+918012345678")
    recipients.opt_in_to_whatsapp(asha, "user:1")
    for name, text in (("", ON_THE_WAY.texts["en"].body), ("_v1", "Soon: {etaMinutes}, {orderId}!")):
        body = {"name": f"delivery_on_the_way{name}", "language": "en", "body": number_blanks(text)}
        sandbox.control("PUT", "whatsapp/templates", body)
    row = reword(ON_THE_WAY, "", "en", "Soon: {etaMinutes}, {orderId}!", by=meera)

    assert (told(asha).text_override, Message.objects.latest("pk").body) == (None, BUILT_IN)
    override_commands.approve_version(row.pk, why="mail of Meta", by=meera)
    message = told(asha)
    assert (message.channel, message.text_override, message.body) == ("whatsapp", row, "Soon: 15, o-1!")
    calls = [json.loads(one["body"]) for one in sandbox.control("GET", "calls?provider=whatsapp")["calls"]]
    assert [one["template"]["name"] for one in calls] == ["delivery_on_the_way", "delivery_on_the_way_v1"]
    assert {one["body"] for one in sandbox.messages("whatsapp")} == {BUILT_IN, "Soon: 15, o-1!"}


def told(asha: Recipient) -> Message:
    params = {"orderId": "o-1", "etaMinutes": 15}
    enqueue.enqueue_message(
        asha.pk, "delivery.on_the_way", params, dedupe=f"x:{Message.objects.count()}", channels=["whatsapp"]
    )
    drain_queues(LANE)
    return Message.objects.latest("pk")


# spec: N4
def test_all_that_must_be_registered_is_listed_with_its_version(meera, capsys):
    def listed(*options: str) -> dict[str, dict]:
        call_command("whatsapp_templates", *options)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return {f"{one['name']} {one['language']}": one["components"][0] for one in lines}

    assert listed("--waiting") == {}
    built_in = listed()
    first = reword(ON_THE_WAY, "", "en", "One: {etaMinutes}!", by=meera)
    assert list(listed("--waiting")) == ["delivery_on_the_way_v1 en"]
    override_commands.approve_version(first.pk, why="x", by=meera)
    reword(ON_THE_WAY, "", "en", "Two: {etaMinutes}, {orderId}!", by=meera)
    reword(ON_THE_WAY, "whatsapp", "hi", "तीन", by=meera)
    reword(ON_THE_WAY, "sms", "en", "By SMS", by=meera)
    assert listed("--waiting") == {
        "delivery_on_the_way_v2 en": {
            "type": "BODY",
            "text": "Two: {{1}}, {{2}}!",
            "example": {"body_text": [["15", "A-10427"]]},
        },
        "delivery_on_the_way_whatsapp_v1 hi": {"type": "BODY", "text": "तीन"},
    }
    assert listed().keys() - built_in.keys() == {
        "delivery_on_the_way_v1 en",
        "delivery_on_the_way_v2 en",
        "delivery_on_the_way_whatsapp_v1 hi",
    }
