"""The inbox page: somebody's messages as they see them, and the buttons that play what becomes of each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests

from tests.sandbox.message_words import (
    MAIL,
    PHONE,
    TEMPLATE,
    TEXT,
    callbacks,
    events,
    fate,
    post_mail,
    post_sms,
    post_whatsapp,
    statuses,
    topics,
)
from tests.sandbox.process import Receiver, Sandbox, until

ASHA = {"key": "customer-1", "name": "Asha Gupta", "role": "customer", "addresses": [PHONE, MAIL, "phone-of-asha"]}
LINK = "http://127.0.0.1:8000/track/some-long-token"


@pytest.fixture(autouse=True)
def known(sandbox: Sandbox) -> None:
    sandbox.control("PUT", "people", {"people": [ASHA]})
    for provider in ("sendgrid", "twilio", "whatsapp"):
        fate(sandbox, provider, silent=True)


def page(sandbox: Sandbox, path: str = "/inbox/customer-1") -> str:
    answer = requests.get(sandbox.url + path, timeout=5)
    assert answer.status_code == 200
    return answer.text


def showing(sandbox: Sandbox, words: str) -> str:
    """Asha's page as soon as it holds these words."""
    until(lambda: words in page(sandbox), f"{words} on the page")
    return page(sandbox)


def press(sandbox: Sandbox, status: int = 200, key: str = "customer-1", **form: Any) -> str:
    """A button of the page; it leads back to the page."""
    answer = requests.post(f"{sandbox.url}/inbox/{key}", data=form, timeout=5)
    assert answer.status_code == status, answer.text
    return answer.text


def push(sandbox: Sandbox, token: str = "phone-of-asha") -> requests.Response:
    """As firebase-admin does, with a token got the same way."""
    import google.auth.transport.requests
    from google.oauth2 import service_account

    account = service_account.Credentials.from_service_account_file(
        sandbox.env["FIREBASE_CREDENTIALS"], scopes=["https://www.googleapis.com/auth/firebase.messaging"]
    )
    account._is_regional_access_boundary_lookup_required = lambda: False  # it would ask Google itself
    account.refresh(google.auth.transport.requests.Request())
    return requests.post(
        f"{sandbox.env['FCM_API_BASE']}/v1/projects/handoff-sandbox/messages:send",
        json={"message": {"token": token, "notification": {"title": "On the way", "body": "12 minutes"}}},
        headers={"Authorization": f"Bearer {account.token}"},
        timeout=5,
    )


def number_of(html: str) -> str:
    """The newest message that can be played with."""
    found = re.search(r'name="message" value="(\d+)"', html)
    assert found, html
    return found[1]


# ── what is seen ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_one_timeline_of_all_channels(sandbox: Sandbox):
    assert push(sandbox).status_code == 200
    post_sms(sandbox, body=f"On the way: {LINK}")
    post_whatsapp(sandbox, TEMPLATE)
    post_mail(sandbox, body="<b>Bon</b> appétit")
    html = page(sandbox)
    kinds = re.findall(r'<li id="m\d+" class="(\w+) arrived">', html)
    assert kinds == ["email", "whatsapp", "sms", "push"]
    assert f'<a href="{LINK}" rel="nofollow">' in html
    assert "sms from +15005550006" in html
    assert "mail from shop@example.com" in html
    assert "&lt;b&gt;Bon" in html
    assert "<b>Bon" not in html


def test_a_mail_opens_without_javascript(sandbox: Sandbox):
    post_mail(sandbox, body="First line\nSecond line " + "x" * 80)
    html = page(sandbox)
    assert "xxxxxxxxxx<" not in html
    opened = re.search(r'href="\?(open=\d+)#', html)
    assert opened
    assert "First line<br>Second line " + "x" * 80 in page(sandbox, f"/inbox/customer-1?{opened[1]}")


def test_what_became_of_each_is_told(sandbox: Sandbox, handoff: Receiver):
    fate(sandbox, "whatsapp", outcome="read")
    post_whatsapp(sandbox, TEMPLATE)
    statuses(handoff, 3)
    html = showing(sandbox, "is-read")
    assert re.findall(r"(sent|delivered|read) \d\d:", html) == ["sent", "delivered", "read"]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("bounced", "bounced: 550 5.1.1 no such user"),
        ("blocked", "blocked for now: 554 5.7.1"),
        ("dropped", "dropped: Bounced Address"),
    ],
)
def test_a_mail_that_never_arrived_is_shown_as_such(sandbox: Sandbox, outcome: str, words: str):
    fate(sandbox, "sendgrid", to=MAIL, outcome=outcome)
    post_mail(sandbox)
    assert "never arrived" in showing(sandbox, words)


def test_a_refused_one_says_why(sandbox: Sandbox):
    fate(sandbox, "twilio", outcome="too_many")
    post_sms(sandbox)
    html = page(sandbox)
    assert "never arrived" in html
    assert "refused: 20429: Too Many Requests" in html


def test_people_are_found_by_name_number_and_address_the_latest_first(sandbox: Sandbox):
    post_mail(sandbox)
    post_sms(sandbox, to="+14155550199")
    everybody = page(sandbox, "/inbox")
    assert everybody.index("+14155550199") < everybody.index("Asha Gupta")
    for query in ("q=asha", "q=5550100", "q=ADA@", "role=customer", "role=customer&q=gupta"):
        found = page(sandbox, f"/inbox?{query}")
        assert "Asha Gupta" in found, query
        assert "+14155550199" not in found, query
    assert "Nobody got anything" in page(sandbox, "/inbox?role=rider")


def test_an_address_that_nobody_is_known_by_has_an_inbox_too(sandbox: Sandbox):
    post_sms(sandbox, to="+14155550199")
    assert "hello" in page(sandbox, "/inbox/+14155550199")
    assert 'href="/inbox/%2B14155550199"' in page(sandbox, "/")


def test_an_address_leads_to_whose_it_is(sandbox: Sandbox):
    for address in ("%2B14155550100", "ada@example.com", "phone-of-asha"):
        assert "<h1>Asha Gupta</h1>" in page(sandbox, f"/inbox/{address}")


def test_the_desk_and_the_pages_lead_to_each_other(sandbox: Sandbox):
    assert 'href="/inbox"' in page(sandbox, "/")
    assert 'href="/"' in page(sandbox, "/inbox")
    style = requests.get(f"{sandbox.url}/inbox.css", timeout=5)
    assert style.headers["Content-Type"] == "text/css"


# ── what is played ───────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("word", "event"),
    [
        ("delivered", "delivered"),
        ("open", "open"),
        ("bounced", "bounce"),
        ("unsubscribe", "unsubscribe"),
        ("group_resubscribe", "group_resubscribe"),
        ("spamreport", "spamreport"),
    ],
)
def test_a_mails_buttons_tell_handoff(sandbox: Sandbox, handoff: Receiver, word: str, event: str):
    post_mail(sandbox)
    press(sandbox, message=number_of(page(sandbox)), word=word)
    (told,) = events(handoff, 1)
    assert (told["event"], told["message"], told["email"]) == (event, "m-1", MAIL)


@pytest.mark.parametrize(("word", "code"), [("delivered", ""), ("unreachable", "30003"), ("unknown", "30005")])
def test_an_sms_buttons_tell_handoff(sandbox: Sandbox, handoff: Receiver, word: str, code: str):
    post_sms(sandbox)
    press(sandbox, message=number_of(page(sandbox)), word=word)
    form = dict(parse_qsl(callbacks(handoff, 1)[0].body.decode()))
    assert (form["MessageStatus"], form.get("ErrorCode", "")) == ("undelivered" if code else "delivered", code)


@pytest.mark.parametrize(("word", "status"), [("delivered", "delivered"), ("read", "read"), ("undelivered", "failed")])
def test_whatsapps_buttons_tell_handoff(sandbox: Sandbox, handoff: Receiver, word: str, status: str):
    post_whatsapp(sandbox, TEMPLATE)
    press(sandbox, message=number_of(page(sandbox)), word=word)
    (told,) = statuses(handoff, 1)
    assert (told["status"], told["biz_opaque_callback_data"]) == (status, "m-1")


def test_an_app_can_be_uninstalled_and_installed_again(sandbox: Sandbox):
    push(sandbox)
    press(sandbox, message=number_of(page(sandbox)), word="unregistered")
    assert push(sandbox).json()["error"]["details"][0]["errorCode"] == "UNREGISTERED"
    html = page(sandbox)
    assert "refused: UNREGISTERED" in html
    press(sandbox, message=number_of(html), word="ok")
    assert push(sandbox).status_code == 200


def test_stop_on_whatsapp_reaches_handoff(sandbox: Sandbox, handoff: Receiver):
    html = press(sandbox, channel="whatsapp", to=PHONE, text="STOP")
    said = json.loads(handoff.at("/webhooks/whatsapp")[0].body)["entry"][0]["changes"][0]["value"]
    assert (said["messages"][0]["from"], said["messages"][0]["text"]["body"]) == (PHONE[1:], "STOP")
    assert "answered by whatsapp" in html
    assert sandbox.control("GET", "messages")["messages"] == []


def test_stop_on_sms_is_obeyed_by_twilio_itself_until_start(sandbox: Sandbox, handoff: Receiver):
    press(sandbox, channel="sms", to=PHONE, text=" stop ")
    assert post_sms(sandbox).json()["code"] == 21610
    press(sandbox, channel="sms", to=PHONE, text="START")
    assert post_sms(sandbox).status_code == 201
    assert handoff.received == []


def test_what_becomes_of_the_next_ones_is_chosen_for_one_address_or_on_the_desk_for_all(
    sandbox: Sandbox, handoff: Receiver
):
    press(sandbox, channel="email", to=MAIL, outcome="bounced", delay_s="0.02")
    post_mail(sandbox)
    assert topics(sandbox, "sendgrid", 2) == ["processed", "bounce"]
    wish = {"what": "email read", "to": "", "delay_s": "0.1", "out_of_order": "on"}
    assert requests.post(f"{sandbox.url}/fates", data=wish, timeout=5).status_code == 200
    post_mail(sandbox, to="ben@example.com")
    assert topics(sandbox, "sendgrid", 6)[2:] == ["click", "open", "delivered", "processed"]


def test_every_outcome_that_is_offered_can_be_set(sandbox: Sandbox):
    html = page(sandbox, "/")
    offered = re.findall(r'<option value="((?:push|sms|email|whatsapp) \w+)">', html)
    for wanted in ("email bounced", "sms unreachable", "whatsapp read", "push unregistered", "sms too_many"):
        assert wanted in offered
    for what in offered:
        answer = requests.post(f"{sandbox.url}/fates", data={"what": what, "to": "phone-of-asha"}, timeout=5)
        assert answer.status_code == 200, (what, answer.text)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"message": "999999", "word": "delivered"},
        {"message": "x", "word": "delivered"},
        {"message": "²", "word": "delivered"},
        {"channel": "fax", "to": PHONE, "text": "STOP"},
        {"channel": "sms", "to": "+14155550777", "text": "STOP"},
        {"channel": "email", "to": MAIL, "text": "STOP"},
        {"channel": "sms", "to": PHONE, "text": "  "},
        {"channel": "sms", "to": PHONE, "outcome": "eaten"},
        {"channel": "sms", "to": PHONE, "outcome": "sent", "delay_s": "nan"},
        {"channel": "sms", "to": PHONE, "outcome": "sent", "delay_s": "soon"},
    ],
)
def test_what_cannot_be_played_is_refused(sandbox: Sandbox, form: dict[str, str]):
    press(sandbox, 400, **form)


def test_a_button_of_another_message_is_refused(sandbox: Sandbox):
    post_sms(sandbox)
    number = number_of(page(sandbox))
    press(sandbox, 400, message=number, word="read")
    press(sandbox, 400, key="+14155550199", message=number, word="delivered")
    assert requests.post(f"{sandbox.url}/fates", data={"what": "push ok"}, timeout=5).status_code == 400
    assert requests.get(f"{sandbox.url}/fates", timeout=5).status_code == 405


def test_free_text_that_came_too_late_never_arrived(sandbox: Sandbox):
    post_whatsapp(sandbox, TEXT)
    assert "never arrived" in page(sandbox)


@pytest.mark.parametrize(
    "people",
    [5, [5], [{"key": "a"}], [{**ASHA, "role": "king"}], [{**ASHA, "addresses": [""]}], [{**ASHA, "name": 1}]],
)
def test_people_that_make_no_sense_are_refused(sandbox: Sandbox, people: Any):
    assert requests.put(f"{sandbox.url}/_control/people", json={"people": people}, timeout=5).status_code == 400


# ── an order on its way ──────────────────────────────────────────────────────────────────────────────────────────
def test_live_leads_to_the_order_that_is_on_its_way(sandbox: Sandbox):
    assert "No order is on its way" in page(sandbox, "/live")
    sandbox.control("PUT", "live", {"url": LINK})
    answer = requests.get(f"{sandbox.url}/live", timeout=5, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, LINK)
    sandbox.control("PUT", "live", {"url": ""})
    assert f'href="{LINK}"' in page(sandbox, "/live")
    for odd in ({}, {"url": "javascript:alert(1)"}, {"url": 5}):
        assert requests.put(f"{sandbox.url}/_control/live", json=odd, timeout=5).status_code == 400


# ── yesterday's file ─────────────────────────────────────────────────────────────────────────────────────────────
def test_a_file_from_before_there_were_kinds_of_messages_still_opens(tmp_path: Path):
    from sandbox.engine import inbox
    from sandbox.engine.store import Store

    store = Store(tmp_path / "sandbox.sqlite3")
    with store.transaction() as tx:
        inbox.Inbox(store).deliver_message(tx, "sms", PHONE, body="old", data={})
        tx.sql.execute("ALTER TABLE messages DROP COLUMN kind")
    store.close()
    again = Store(tmp_path / "sandbox.sqlite3")
    assert [message["body"] for message in inbox.Inbox(again).newest_messages("sms", 9)] == ["old"]
    again.close()
