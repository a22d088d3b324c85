"""What SendGrid, Twilio and WhatsApp tell of messages, held against the vendors' own verifiers and Handoff's doors."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.mail import CustomArg, Mail
from twilio.request_validator import RequestValidator

from tests.sandbox.process import Received, Receiver, Sandbox, until

PHONE, MAIL = "+14155550100", "ada@example.com"
CALLBACK = "https://handoff.example/webhooks/twilio?message=m-1"
FAST = {"delay_s": 0.02}


def post_sms(sandbox: Sandbox, to: str = PHONE) -> requests.Response:
    env = sandbox.env
    url = f"{env['TWILIO_API_BASE']}/2010-04-01/Accounts/{env['TWILIO_ACCOUNT_SID']}/Messages.json"
    form = {"To": to, "From": env["TWILIO_FROM_NUMBER"], "Body": "hello", "StatusCallback": CALLBACK}
    return requests.post(url, data=form, auth=(env["TWILIO_ACCOUNT_SID"], env["TWILIO_AUTH_TOKEN"]), timeout=5)


def post_mail(sandbox: Sandbox, to: str = MAIL) -> Any:
    mail = Mail("shop@example.com", to, "Delivered", plain_text_content="Bon appétit")
    mail.add_custom_arg(CustomArg("message", "m-1"))
    return SendGridAPIClient(sandbox.env["SENDGRID_API_KEY"], host=sandbox.env["SENDGRID_API_BASE"]).send(mail)


def post_whatsapp(sandbox: Sandbox, body: dict[str, Any], *, token: str = "") -> requests.Response:
    env = sandbox.env
    url = f"{env['WHATSAPP_API_BASE']}/v23.0/{env['WHATSAPP_PHONE_NUMBER_ID']}/messages"
    headers = {"Authorization": f"Bearer {token or env['WHATSAPP_ACCESS_TOKEN']}"}
    known = {"messaging_product": "whatsapp", "to": PHONE, "biz_opaque_callback_data": "m-1"}
    return requests.post(url, json={**known, **body}, headers=headers, timeout=5)


TEXT = {"type": "text", "text": {"body": "hello"}}
TEMPLATE = {
    "type": "template",
    "template": {
        "name": "delivery_on_the_way",
        "language": {"code": "en"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "12"}]}],
    },
}


def fate(sandbox: Sandbox, provider: str, **how: Any) -> None:
    sandbox.control("PUT", f"{provider}/fates", {**FAST, **how})


def statuses(handoff: Receiver, count: int) -> list[dict[str, Any]]:
    found = [json.loads(one.body) for one in handoff.at("/webhooks/whatsapp", count)]
    return [one["entry"][0]["changes"][0]["value"]["statuses"][0] for one in found]


def events(handoff: Receiver, count: int) -> list[dict[str, Any]]:
    return [json.loads(one.body)[0] for one in handoff.at("/webhooks/sendgrid", count)]


def callbacks(handoff: Receiver, count: int) -> list[Received]:
    return handoff.at("/webhooks/twilio?message=m-1", count)


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
    assert [event["event"] for event in events(handoff, 2)] == ["processed", "delivered"]
    assert {event["message"] for event in events(handoff, 2)} == {"m-1"}


@pytest.mark.parametrize("provider", ["sendgrid", "twilio", "whatsapp"])
def test_a_wrong_signature_on_request_and_the_right_one_after(sandbox: Sandbox, handoff: Receiver, provider: str):
    sandbox.fault(provider, "webhook", "wrong_signature", times=1)
    fate(sandbox, provider, outcome="dropped" if provider == "sendgrid" else "sent")
    handoff.answers.append(401)
    {"sendgrid": post_mail, "twilio": post_sms, "whatsapp": lambda s: post_whatsapp(s, TEMPLATE)}[provider](sandbox)
    until(lambda: sandbox.control("GET", f"webhooks?provider={provider}&state=pending")["webhooks"], "a retry")
    (row,) = sandbox.control("GET", f"webhooks?provider={provider}")["webhooks"]
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
    assert [event["event"] for event in events(handoff, len(told))] == told
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
def test_too_many_are_answered_429(sandbox: Sandbox, provider: str):
    fate(sandbox, provider, outcome="too_many")
    if provider == "sendgrid":
        with pytest.raises(Exception, match="429"):
            post_mail(sandbox)
    else:
        answer = post_sms(sandbox) if provider == "twilio" else post_whatsapp(sandbox, TEMPLATE)
        assert answer.status_code == 429
    assert sandbox.control("GET", "messages")["messages"] == []


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
