"""The templates page of the console: everybody of staff looks, an ops lead writes, and nothing typed is lost."""

import re
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from foundation.events import Cause
from foundation.models import Role
from notifications.contacts import recipients
from notifications.content import override_commands, validation
from notifications.content.admin import history
from notifications.content.catalogue import CATALOGUE
from notifications.models import Approval, Message, TextOverride
from notifications.outbox import enqueue
from tests.admin_client import open_console
from tests.notifications.content.overrides_of_ops import reword, writer

pytestmark = pytest.mark.django_db
ON_THE_WAY = CATALOGUE["delivery.on_the_way"]
LIST = "/admin/notifications/textoverride/"


def address(
    channel: str = "every", language: str = "en", event: str = "delivery.on_the_way", page: str = "write"
) -> str:
    return reverse(f"admin:notifications_textoverride_{page}", args=[event, language, channel])


def draft(**fields) -> dict[str, object]:
    return {"do": "save", "title": "Soon", "body": "In {etaMinutes} min", "why": "shorter", "based_on": 0, **fields}


def shown(answer) -> str:
    """What is to be read on a page."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", answer.content.decode())))


@pytest.fixture
def lead() -> Client:
    return open_console(Role.OPS_LEAD)


@pytest.fixture
def ravi() -> Cause:
    return writer("ravi")


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N4 A3
def test_the_list_shows_every_event_with_every_channel_and_language_it_has(lead):
    page = lead.get(LIST)
    assert page.status_code == 200
    for event, template in CATALOGUE.items():
        for language in ("en", "hi"):
            for channel in ("every", *template.channels):
                assert f'href="{address(channel, language, event)}"' in page.content.decode()
    assert "Your order is on the way! ETA: {etaMinutes} minutes" in shown(page)


# spec: N4
def test_the_list_says_who_changed_what_and_what_waits(lead, ravi):
    reword(
        ON_THE_WAY,
        "",
        "en",
        "Nearly there, {etaMinutes} more minutes – hold on, hold on, hold on, hold on, hold on!",
        by=ravi,
    )
    reword(CATALOGUE["delivery.failed"], "email", "hi", "माफ़ कीजिए", by=ravi)
    text = shown(lead.get(LIST))
    assert "Nearly there, {etaMinutes} more minutes" in text
    assert re.search(r"v1 ravi,", text)
    assert "waits for Meta" in text
    assert 'title="2 SMS · ' in lead.get(LIST).content.decode()
    for query, on_the_way, failed in [
        ({"show": "changed"}, True, True),
        ({"show": "waiting"}, True, False),
        ({"q": "माफ़"}, False, True),
        ({"q": "NEARLY THERE"}, True, False),
        ({"q": "no such words"}, False, False),
        ({"show": "nonsense"}, True, True),
    ]:
        text = shown(lead.get(LIST, query))
        assert ("Nearly there" in text, "delivery.failed" in text) == (on_the_way, failed), query
    assert "delivery.assigned" not in shown(lead.get(LIST, {"show": "changed"}))


def test_the_list_costs_one_query_for_all_texts(lead, ravi):
    for language in ("en", "hi"):
        reword(ON_THE_WAY, "", language, "Soon", by=ravi)
    with CaptureQueriesContext(connection) as queries:
        lead.get(LIST)
    assert sum('FROM "notifications_textoverride"' in one["sql"] for one in queries) == 1
    assert len(queries) < 8


# spec: N4 A5
@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.FINANCE, Role.OPS_AGENT])
def test_others_of_staff_look_and_cannot_write(role, ravi):
    row = reword(ON_THE_WAY, "", "en", "Soon", by=ravi)
    client = open_console(role)
    page = client.get(address())
    assert page.status_code == client.get(LIST).status_code == 200
    assert 'value="save"' not in page.content.decode()
    assert "Bring back" not in shown(page)
    assert client.post(address(page="preview"), {"title": "a", "body": "b"}).status_code == 200
    decision = {"version": 0, "based_on": 1, "why": "x"}
    for form in (draft(based_on=1), *({"do": do, **decision} for do in ("bring_back", "approve", "refuse"))):
        assert client.post(address(), form).status_code == 403
    assert list(TextOverride.objects.values_list("pk", "approval")) == [(row.pk, Approval.WAITING)]


@pytest.mark.parametrize("role", [Role.RIDER, Role.STOREFRONT, Role.CUSTOMER])
def test_nobody_else_gets_in(role):
    client = open_console(role)
    for url in (LIST, address(), address(page="preview")):
        assert client.get(url).status_code == 302


@pytest.mark.parametrize(
    "url",
    [
        "write/delivery.beamed/en/every",
        "write/delivery.on_the_way/fi/every",
        "write/delivery.assigned/en/sms",
        "write/delivery.on_the_way/en/pigeon",
        "preview/delivery.beamed/en/every",
        "999/change/",
        "x/change/",
    ],
)
def test_what_does_not_exist_is_not_found(lead, url):
    ask = lead.post if url.startswith("preview") else lead.get
    assert ask(LIST + url).status_code == 404


def test_the_preview_is_only_asked_for_by_post(lead):
    assert lead.get(address(page="preview")).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = lead.cookies
    assert strict.post(address(page="preview"), {"body": "x"}).status_code == 403


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N4
def test_a_text_is_saved_as_a_version_and_said_from_then_on(lead):
    answer = lead.post(address("sms"), draft(), follow=True)
    assert "Version 1 saved (delivery.on_the_way)" in shown(answer)
    row = TextOverride.objects.get()
    assert (row.channel, row.language, row.version, row.title, row.body) == ("sms", "en", 1, "", "In {etaMinutes} min")
    assert row.note == "shorter"
    assert LogEntry.objects.get().get_change_message() == "version 1 saved: shorter"
    assert "Version 1 is in force, written by" in shown(answer)
    assert f"{address('sms')}#v1" == lead.get(reverse("admin:notifications_textoverride_change", args=[row.pk])).url


# spec: N4
def test_all_mistakes_are_said_and_the_draft_is_kept(lead):
    answer = lead.post(address(), draft(title="", body="In {minutes} {km!r}"))
    assert answer.status_code == 200
    form = answer.context["form"]
    assert form.errors["title"] == ["must not be empty"]
    assert "is no blank" in form.errors["body"][0]
    assert "In {minutes} {km!r}</textarea>" in answer.content.decode()
    unknown = lead.post(address(), draft(body="In {minutes} of {hours}", why=""))
    assert [one.partition(" is")[0] for one in unknown.context["form"].errors["body"]] == ["{minutes}", "{hours}"]
    assert unknown.context["form"].errors["why"]
    assert not TextOverride.objects.exists()
    for wrong in ({"based_on": "x"}, {"based_on": -1}, {"body": "a\x00b"}, {"why": "x" * 301}):
        assert lead.post(address(), draft(**wrong)).status_code == 200
    assert not TextOverride.objects.exists()


def test_the_same_again_is_said(lead, ravi):
    reword(ON_THE_WAY, "", "en", "Soon", by=ravi)
    answer = lead.post(address(), draft(title="On the way", body="Soon", based_on=1))
    assert answer.context["form"].errors["body"] == ["is what stands here already"]


# spec: N4
def test_who_comes_second_keeps_the_draft_and_may_go_on_knowingly(lead, ravi):
    reword(ON_THE_WAY, "", "en", "Ravi was faster", by=ravi)
    late = lead.post(address(), draft())
    assert late.status_code == 409
    assert "ravi has saved version 1 meanwhile" in shown(late)
    assert "In {etaMinutes} min</textarea>" in late.content.decode()
    assert "Ravi was faster" in shown(late)
    assert TextOverride.objects.count() == 1

    going_on = re.search(r'name="based_on" value="(\d+)"', late.content.decode())[1]
    lead.post(address(), draft(based_on=going_on))
    assert list(TextOverride.objects.order_by("version").values_list("body", flat=True)) == [
        "Ravi was faster",
        "In {etaMinutes} min",
    ]


# spec: N4
def test_the_preview_shows_every_channel_with_sample_values_and_lengths(lead):
    answer = lead.post(address(page="preview"), {"title": "Soon", "body": "In {etaMinutes} min: order {orderId}"})
    text = shown(answer)
    assert text.count("In 15 min: order A-10427") == 4
    assert "1 SMS · 24 septets of GSM-7, 136 left" in text
    assert "To register at Meta: In {{1}} min: order {{2}}" in text
    assert "24 characters, 676 left" in text
    assert "Meta refuses texts that begin or end with a blank" in text


# spec: N4
def test_the_preview_says_what_is_wrong_and_escapes_what_is_typed(lead):
    answer = lead.post(address(page="preview"), {"title": "<b>", "body": "<script>alert(1)</script> {nobody}"})
    assert "{nobody} is not known here: there are {etaMinutes}, {orderId}" in shown(answer)
    answer = lead.post(address(page="preview"), {"title": "<b>", "body": "<script>alert(1)</script>"})
    assert "<script>" not in answer.content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.content.decode()
    assert lead.post(address(page="preview"), {}).status_code == 200


# spec: N4
def test_without_javascript_a_button_shows_the_preview_and_keeps_the_draft(lead):
    answer = lead.post(address(), draft(do="preview", body="Just {etaMinutes} to go", why=""))
    assert "Just 15 to go" in shown(answer)
    assert "Just {etaMinutes} to go</textarea>" in answer.content.decode()
    assert not answer.context["form"].is_bound
    assert not TextOverride.objects.exists()


def test_a_channel_with_words_of_its_own_shows_them(lead, ravi):
    reword(ON_THE_WAY, "sms", "en", "By SMS in {etaMinutes}", by=ravi)
    text = shown(lead.post(address(page="preview"), {"title": "Soon", "body": "Everywhere – " + "x" * 80}))
    assert "says words of its own (v1)" in text
    assert "By SMS in 15" in text
    assert text.count("Everywhere") == 3 + 1  # three channels, and what is to be registered
    assert "it would be" not in text


def test_a_language_without_words_starts_from_english(lead):
    page = lead.get(address(language="hi", event="delivery.given"))
    assert "what is built in for English is said" in shown(page)
    assert "Please fetch order {orderId} from {store}.</textarea>" in page.content.decode()


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: N4
def test_the_history_shows_what_each_version_changed_and_brings_one_back(lead, ravi):
    reword(ON_THE_WAY, "", "en", "Your order is <soon> there! ETA: {etaMinutes} minutes", by=ravi)
    reword(ON_THE_WAY, "", "en", "Something else", by=ravi)
    page = lead.get(address()).content.decode()
    assert "Your order is <del>on the way! </del><ins>&lt;soon&gt; there! </ins>ETA: {etaMinutes} minutes" in page

    answer = lead.post(address(), {"do": "bring_back", "version": 1, "based_on": 2, "why": "liked it"}, follow=True)
    assert "Version 1 brought back as version 3" in shown(answer)
    assert TextOverride.objects.latest("version").body.startswith("Your order is <soon>")
    answer = lead.post(address(), {"do": "bring_back", "version": 0, "based_on": 3, "why": "built in"}, follow=True)
    assert "Taken back: nothing of its own is said here" in shown(answer)
    assert "What is built in is said." in shown(answer)
    assert TextOverride.objects.latest("version").withdrawn


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"do": "bring_back", "version": 7, "based_on": 1, "why": "x"}, "There is no version 7"),
        ({"do": "bring_back", "version": 1, "based_on": 1, "why": "x"}, "Is what stands here already"),
        ({"do": "bring_back", "version": 0, "based_on": 0, "why": "x"}, "ravi has saved version 1 meanwhile"),
        ({"do": "bring_back", "version": 0, "based_on": 1, "why": ""}, "why: * This field is required"),
        ({"do": "bring_back", "version": "x"}, "version: * Enter a whole number"),
        ({"do": "approve", "version": 7, "based_on": 1, "why": "x"}, "There is no version 7"),
    ],
)
def test_decisions_that_cannot_be_are_said(lead, ravi, form, says):
    reword(ON_THE_WAY, "", "en", "Soon", by=ravi)
    assert says.casefold() in shown(lead.post(address(), form, follow=True)).casefold()
    assert TextOverride.objects.count() == 1


# spec: N4
def test_ops_notes_what_meta_says(lead, ravi):
    row = reword(ON_THE_WAY, "", "en", "Soon", by=ravi)
    answer = lead.post(address(), {"do": "approve", "version": 1, "based_on": 1, "why": "their mail"}, follow=True)
    assert "Version 1 approved by Meta" in shown(answer)
    row.refresh_from_db()
    assert row.approval == Approval.APPROVED
    assert LogEntry.objects.get().get_change_message() == "version 1 approved by Meta: their mail"
    answer = lead.post(address(), {"do": "refuse", "version": 1, "based_on": 1, "why": "paused"}, follow=True)
    assert "Meta refused it: WhatsApp says what was approved before" in shown(answer)


def test_a_message_leads_to_the_version_it_was_said_in(lead, ravi):
    row = reword(ON_THE_WAY, "", "en", "Soon", by=ravi)
    asha = recipients.create_recipient(name="Asha", email="asha@customers.example")
    enqueue.enqueue_message(asha.pk, "delivery.on_the_way", {"orderId": "o-1", "etaMinutes": 3}, dedupe="delivery:1")
    Message.objects.update(text_override=row)
    page = lead.get(reverse("admin:notifications_message_change", args=[Message.objects.get().pk])).content.decode()
    assert reverse("admin:notifications_textoverride_change", args=[row.pk]) in page


# spec: N4
def test_texts_that_a_release_has_made_useless_are_said_to_be(lead, ravi, monkeypatch, capsys):
    with monkeypatch.context() as careless:
        careless.setattr(validation, "list_mistakes", lambda *_: [])  # the release before this one knew {rider}
        reword(ON_THE_WAY, "", "en", "{rider} is on the way", by=ravi)
        reword(ON_THE_WAY, "sms", "en", "{rider} comes", by=ravi)
    assert "passed over: a blank is gone" in shown(lead.get(LIST))
    page = shown(lead.get(address()))
    assert "{rider} is not known here" in page
    call_command("whatsapp_templates", "--waiting")
    assert capsys.readouterr().out == ""


def test_a_long_history_shows_its_newest_part(lead, ravi):
    for number in range(history.MOST_SHOWN + 2):
        reword(ON_THE_WAY, "", "en", f"Text {number}", by=ravi)
    entries = history.list_versions(override_commands.TextPlace(ON_THE_WAY, "", "en"))
    assert [entry.row.version for entry in entries] == list(range(52, 2, -1))
    assert "<del>1</del>" in entries[-1].body
