"""Push, SMS and e-mail through the vendors' own SDKs; read back as the person sees them."""

from __future__ import annotations

import threading
import time

import firebase_admin
import pytest
import requests
from firebase_admin import credentials, exceptions, messaging
from python_http_client.exceptions import BadRequestsError, UnauthorizedError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import CustomArg, Mail
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from tests.sandbox.process import Sandbox

TOKEN = "device-token-1"


@pytest.fixture
def app(sandbox: Sandbox, monkeypatch):
    """firebase-admin with the generated service account; only Google's address is swapped."""
    monkeypatch.setattr(
        messaging._MessagingService, "FCM_URL", sandbox.env["FCM_API_BASE"] + "/v1/projects/{0}/messages:send"
    )
    app = firebase_admin.initialize_app(credentials.Certificate(sandbox.env["FIREBASE_CREDENTIALS"]), name="sandbox")
    yield app
    firebase_admin.delete_app(app)


class Redirected(TwilioHttpClient):
    """Twilio's SDK has no base address: this client swaps scheme and host."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base

    def request(self, method, url, *args, **kwargs):
        return super().request(method, url.replace("https://api.twilio.com", self.base), *args, **kwargs)


@pytest.fixture
def sms(sandbox: Sandbox) -> Client:
    env = sandbox.env
    return Client(env["TWILIO_ACCOUNT_SID"], env["TWILIO_AUTH_TOKEN"], http_client=Redirected(env["TWILIO_API_BASE"]))


@pytest.fixture
def mailer(sandbox: Sandbox) -> SendGridAPIClient:
    return SendGridAPIClient(sandbox.env["SENDGRID_API_KEY"], host=sandbox.env["SENDGRID_API_BASE"])


def push(token: str = TOKEN, **more) -> messaging.Message:
    return messaging.Message(
        token=token, notification=messaging.Notification(title="On the way", body="12 minutes"), **more
    )


def test_push_arrives(sandbox: Sandbox, app):
    name = messaging.send(push(data={"order_id": "o-1"}), app=app)
    assert name.startswith("projects/handoff-sandbox/messages/")
    [message] = sandbox.messages("push")
    assert {key: message[key] for key in ("to", "title", "body", "data")} == {
        "to": TOKEN,
        "title": "On the way",
        "body": "12 minutes",
        "data": {"order_id": "o-1"},
    }


def test_each_token_has_its_own_answer(sandbox: Sandbox, app):
    sandbox.control("PUT", "fcm/tokens", {"token": "gone-token", "state": "unregistered"})
    answers = messaging.send_each([push(), push("gone-token"), push("unregistered-by-name")], app=app).responses
    assert answers[0].success
    assert all(isinstance(one.exception, messaging.UnregisteredError) for one in answers[1:])
    assert answers[1].exception.http_response.status_code == 404
    assert len(sandbox.messages("push")) == 1


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("invalid", exceptions.InvalidArgumentError),
        ("sender_mismatch", messaging.SenderIdMismatchError),
        ("quota", messaging.QuotaExceededError),
    ],
)
def test_other_fates_of_a_token(sandbox: Sandbox, app, state, error):
    sandbox.control("PUT", "fcm/tokens", {"token": TOKEN, "state": state})
    [answer] = messaging.send_each([push()], app=app).responses
    assert isinstance(answer.exception, error)


def test_dry_run_delivers_nothing(sandbox: Sandbox, app):
    messaging.send(push(), dry_run=True, app=app)
    assert sandbox.control("GET", "messages")["messages"] == []


def test_push_without_a_google_token_is_refused(sandbox: Sandbox):
    url = f"{sandbox.env['FCM_API_BASE']}/v1/projects/handoff-sandbox/messages:send"
    for headers in ({}, {"Authorization": "Bearer ya29.9999999999.forged"}):
        response = requests.post(url, json={"message": {"token": TOKEN}}, headers=headers, timeout=5)
        assert (response.status_code, response.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    forged = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"}
    assert requests.post(f"{sandbox.env['FCM_API_BASE']}/token", data=forged, timeout=5).status_code == 400


def test_email_arrives(sandbox: Sandbox, mailer):
    mail = Mail("shop@example.com", "ada@example.com", "Delivered", plain_text_content="Bon appétit")
    mail.add_custom_arg(CustomArg("message_id", "m-1"))
    response = mailer.send(mail)
    assert (response.status_code, response.body) == (202, b"")
    [message] = sandbox.messages("email")
    assert (message["to"], message["title"], message["body"]) == ("ada@example.com", "Delivered", "Bon appétit")
    assert message["data"]["custom_args"] == {"message_id": "m-1"}
    assert message["data"]["message_id"] == response.headers["X-Message-Id"]


def test_bad_email_and_bad_key(sandbox: Sandbox, mailer):
    with pytest.raises(BadRequestsError) as refused:
        mailer.send({"from": {"email": "nobody"}, "personalizations": [{"to": [{"email": "x"}]}]})
    assert [problem["field"] for problem in refused.value.to_dict["errors"]] == [
        "from.email",
        "personalizations.0.to.email",
        "subject",
        "content",
    ]
    with pytest.raises(UnauthorizedError):
        SendGridAPIClient("SG.nobody", host=sandbox.env["SENDGRID_API_BASE"]).send({})


def test_sms_arrives(sandbox: Sandbox, sms: Client):
    sent = sms.messages.create(to="+14155550100", from_=sandbox.env["TWILIO_FROM_NUMBER"], body="Your code is 4711")
    assert (sent.status, sent.sid[:2], sent.error_code) == ("queued", "SM", None)
    assert sms.messages(sent.sid).fetch().status == "delivered"
    [message] = sandbox.messages("sms")
    assert (message["to"], message["body"], message["data"]["sid"]) == ("+14155550100", "Your code is 4711", sent.sid)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"to": "12"}, 21211),
        ({"to": "+15005550004"}, 21610),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"from_": "+15005550007"}, 21606),
    ],
)
def test_bad_sms(sandbox: Sandbox, sms: Client, changes, code):
    good = {"to": "+14155550100", "from_": sandbox.env["TWILIO_FROM_NUMBER"], "body": "hello"}
    with pytest.raises(TwilioRestException) as refused:
        sms.messages.create(**{**good, **changes})
    assert (refused.value.status, refused.value.code) == (400, code)


def test_sms_with_a_wrong_token(sandbox: Sandbox):
    stranger = Client(
        sandbox.env["TWILIO_ACCOUNT_SID"], "wrong", http_client=Redirected(sandbox.env["TWILIO_API_BASE"])
    )
    with pytest.raises(TwilioRestException) as refused:
        stranger.messages.create(to="+14155550100", from_="+15005550006", body="hello")
    assert (refused.value.status, refused.value.code) == (401, 20003)


def test_long_poll_wakes_up(sandbox: Sandbox, sms: Client):
    last_id = sandbox.control("GET", "messages")["last_id"]
    timer = threading.Timer(0.3, lambda: sms.messages.create(to="+14155550100", from_="+15005550006", body="late"))
    timer.start()
    started = time.monotonic()
    answer = sandbox.control("GET", f"messages?channel=sms&after={last_id}&wait_s=5")
    assert [message["body"] for message in answer["messages"]] == ["late"]
    assert 0.2 < time.monotonic() - started < 3
    again = sandbox.control("GET", f"messages?after={answer['last_id']}&wait_s=0.1")
    assert again == {"messages": [], "last_id": answer["last_id"]}
