"""What SendGrid, Twilio and WhatsApp tell of messages, held against the vendors' own verifiers and Handoff's doors."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from python_http_client.exceptions import HTTPError
from sendgrid.helpers.eventwebhook import EventWebhook
from twilio.request_validator import RequestValidator

from tests.sandbox.message_words import (
    CALLBACK,
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


# ── signatures ───────────────────────────────────────────────────────────────────────────────────────────────────
def test_twilios_own_verifier_accepts_its_callbacks(sandbox: Sandbox, handoff: Receiver):
    post_sms(sandbox)
    told = callbacks(handoff, 2)
    forms = [dict(parse_qsl(one.body.decode())) for one in told]
    assert [form["MessageStatus"] for form in forms] == ["sent", "delivered"]
    validator = RequestValidator(sandbox.env["TWILIO_AUTH_TOKEN"])
    for one, form in zip(told, forms, strict=True):
        assert validator.validate(CALLBACK, form, one.headers["X-Twilio-Signature"])
        assert one.headers["Content-Type"].startswith("application/x-www-form-urlencoded")


def test_sendgrids_own_verifier_accepts_its_events(sandbox: Sandbox, handoff: Receiver):
    post_mail(sandbox)
    told = handoff.at("/webhooks/sendgrid", 2)
    verifier = EventWebhook(sandbox.env["SENDGRID_WEBHOOK_PUBLIC_KEY"])
    for one in told:
        assert one.body.endswith(b"\r\n")
        proof = (
            one.headers["X-Twilio-Email-Event-Webhook-Signature"],
            one.headers["X-Twilio-Email-Event-Webhook-Timestamp"],
        )
        assert verifier.verify_signature(one.body.decode(), *proof)
        assert not verifier.verify_signature(one.body.decode().strip(), *proof)
    assert topics(sandbox, "sendgrid", 2) == ["processed", "delivered"]
    assert {event["message"] for event in events(handoff, 2)} == {"m-1"}


@pytest.mark.parametrize("provider", ["sendgrid", "twilio", "whatsapp"])
def test_a_wrong_signature_on_request_and_the_right_one_after(sandbox: Sandbox, handoff: Receiver, provider: str):
    sandbox.fault(provider, "webhook", "wrong_signature", times=1)
    fate(sandbox, provider, outcome="dropped" if provider == "sendgrid" else "sent")
    handoff.answers.append(401)
    {"sendgrid": post_mail, "twilio": post_sms, "whatsapp": lambda s: post_whatsapp(s, TEMPLATE)}[provider](sandbox)

    def tried() -> list[dict[str, Any]]:
        rows = sandbox.control("GET", f"webhooks?provider={provider}&state=pending")["webhooks"]
        return [row for row in rows if row["tries"]]

    (row,) = until(tried, "a retry")
    assert (row["tries"], row["last_status"]) == (1, 401)


# ── fates ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("read", ["processed", "delivered", "open", "click"]),
        ("bounced", ["processed", "bounce"]),
        ("dropped", ["dropped"]),
        ("unsubscribe", ["processed", "delivered", "unsubscribe"]),
    ],
)
def test_mails_have_the_fate_that_is_asked_for(sandbox: Sandbox, handoff: Receiver, outcome: str, told: list[str]):
    fate(sandbox, "sendgrid", to=MAIL, outcome=outcome)
    post_mail(sandbox)
    assert topics(sandbox, "sendgrid", len(told)) == told
    assert sorted(event["event"] for event in events(handoff, len(told))) == sorted(told)
    arrived = sandbox.control("GET", "messages?channel=email")["messages"]
    assert bool(arrived) is (outcome not in ("bounced", "dropped"))


def test_an_sms_that_is_not_delivered_says_why(sandbox: Sandbox, handoff: Receiver):
    fate(sandbox, "twilio", to=PHONE, outcome="unknown")
    post_sms(sandbox)
    form = dict(parse_qsl(callbacks(handoff, 2)[1].body.decode()))
    assert (form["MessageStatus"], form["ErrorCode"]) == ("undelivered", "30005")


def test_backwards_and_more_than_once(sandbox: Sandbox, handoff: Receiver):
    fate(sandbox, "whatsapp", outcome="read", out_of_order=True, repeats=1)
    post_whatsapp(sandbox, TEMPLATE)
    told = [one["status"] for one in statuses(handoff, 6)]
    assert sorted(told) == sorted(["read", "delivered", "sent"] * 2)
    assert told.index("read") < told.index("sent")


@pytest.mark.parametrize("provider", ["sendgrid", "twilio", "whatsapp"])
@pytest.mark.parametrize("by", ["fate", "fault"])
def test_too_many_are_answered_429_with_a_time_to_wait(sandbox: Sandbox, provider: str, by: str):
    if by == "fate":
        fate(sandbox, provider, outcome="too_many")
    else:
        sandbox.fault(provider, "answer", "too_many", seconds=1)
    if provider == "sendgrid":
        with pytest.raises(HTTPError) as refused:
            post_mail(sandbox)
        assert (refused.value.status_code, refused.value.headers["Retry-After"]) == (429, "1")
    else:
        answer = post_sms(sandbox) if provider == "twilio" else post_whatsapp(sandbox, TEMPLATE)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert sandbox.control("GET", "messages")["messages"] == []


@pytest.mark.parametrize(("provider", "outcome"), [("twilio", "unreachable"), ("whatsapp", "undelivered")])
def test_what_is_not_delivered_is_not_seen(sandbox: Sandbox, handoff: Receiver, provider: str, outcome: str):
    fate(sandbox, provider, outcome=outcome)
    post_sms(sandbox) if provider == "twilio" else post_whatsapp(sandbox, TEMPLATE)
    callbacks(handoff, 2) if provider == "twilio" else statuses(handoff, 1)
    assert sandbox.control("GET", "messages")["messages"] == []


@pytest.mark.parametrize("provider", ["sendgrid", "twilio", "whatsapp"])
def test_receipts_are_late_on_request(sandbox: Sandbox, handoff: Receiver, provider: str):
    fate(sandbox, provider, outcome="delivered", delay_s=0.5)
    sent = time.time()
    {"sendgrid": post_mail, "twilio": post_sms, "whatsapp": lambda s: post_whatsapp(s, TEMPLATE)}[provider](sandbox)
    path = "/webhooks/twilio?message=m-1" if provider == "twilio" else f"/webhooks/{provider}"
    first, second = handoff.at(path, 2)[:2]
    assert first.at - sent > 0.4
    assert second.at - sent > 0.9


def test_a_silent_one_tells_nothing(sandbox: Sandbox):
    fate(sandbox, "twilio", silent=True)
    assert post_sms(sandbox).status_code == 201
    assert sandbox.control("GET", "webhooks?provider=twilio")["webhooks"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [({"outcome": "eaten"}, "outcome"), ({"to": 5}, "to"), ({"delay_s": -1}, "delay_s"), ({"repeats": "x"}, "repeats")],
)
def test_a_fate_that_makes_no_sense_is_refused(sandbox: Sandbox, body: dict[str, Any], field: str):
    answer = requests.put(f"{sandbox.url}/_control/twilio/fates", json=body, timeout=5)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


# ── WhatsApp's window and words ──────────────────────────────────────────────────────────────────────────────────
def test_free_text_outside_the_window_fails_afterwards(sandbox: Sandbox, handoff: Receiver):
    assert post_whatsapp(sandbox, TEXT).status_code == 200
    (status,) = statuses(handoff, 1)
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131047)
    assert sandbox.control("GET", "messages?channel=whatsapp")["messages"] == []


def test_what_a_person_writes_opens_their_window(sandbox: Sandbox, handoff: Receiver):
    sandbox.control("POST", "whatsapp/say", {"from": PHONE, "text": "hi"})
    said = json.loads(handoff.at("/webhooks/whatsapp")[0].body)["entry"][0]["changes"][0]["value"]
    assert (said["messages"][0]["from"], said["messages"][0]["text"]) == (PHONE[1:], {"body": "hi"})
    post_whatsapp(sandbox, TEXT)
    assert [one["body"] for one in sandbox.messages("whatsapp")] == ["hello"]


def test_a_template_is_shown_as_the_person_reads_it(sandbox: Sandbox):
    post_whatsapp(sandbox, TEMPLATE)
    words = {"name": "delivery_on_the_way", "language": "en", "body": "Your order is {{1}} minutes away."}
    sandbox.control("PUT", "whatsapp/templates", words)
    post_whatsapp(sandbox, TEMPLATE)
    assert [one["body"] for one in sandbox.messages("whatsapp", 2)] == ["12", "Your order is 12 minutes away."]


@pytest.mark.parametrize(
    "odd",
    [
        {"to": "12"},
        {"messaging_product": "x"},
        {"type": "fax"},
        {"text": {"body": ""}},
        {"biz_opaque_callback_data": "x" * 513},
        {"type": "template", "template": {"name": "Not A Name", "language": {"code": "en"}}},
    ],
)
def test_a_body_that_meta_would_refuse_is_refused(sandbox: Sandbox, odd: dict[str, Any]):
    answer = post_whatsapp(sandbox, {**TEXT, **odd})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)


def test_a_wrong_token_is_refused(sandbox: Sandbox):
    answer = post_whatsapp(sandbox, TEXT, token="wrong")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, 190)
