"""Twilio's door (SPEC W1-W4, N3): the contract of every door, and what is special about Twilio."""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from django.conf import settings as configured

from foundation.webhook import WebhookRejected, WebhookRequest
from notifications.models import ReceiptOutcome
from notifications.webhooks import twilio
from tests.webhooks.conftest import Door
from tests.webhooks.provider_contract import ProviderContract
from webhooks.models import WebhookEvent

FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
MESSAGE = "6f1c0b9e-4f0e-4b07-9f39-0f1a34a4d111"
PATH = f"/webhooks/twilio?message={MESSAGE}"


def signature(url: str, form: Mapping[str, str], token: str) -> str:
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


class TestTwilioDoor(ProviderContract):
    provider = "twilio"
    mapped = frozenset({"sent", "delivered", "undelivered", "failed", "read", "queued", "sending"})
    plain = FORM
    misshapen = (b"", b"a=b", b"MessageSid=&MessageStatus=sent", b"MessageSid=SM1", b"MessageStatus=sent", b"{}")

    @property
    def path(self) -> str:
        return PATH

    def use_secrets(self, settings: Any, *secrets: str) -> None:
        settings.TWILIO_AUTH_TOKEN = secrets[0] if secrets else ""
        settings.TWILIO_OLD_AUTH_TOKENS = list(secrets[1:])

    def headers(self, body: bytes, *, secret: str, age_s: float = 0) -> dict[str, str]:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return {"X-Twilio-Signature": signature(f"{configured.PUBLIC_URL}{PATH}", form, secret)}

    def fresh(self, event_type: str) -> dict[str, Any]:
        return {**self.payloads[event_type], "MessageSid": f"SM1{uuid.uuid4().hex[1:]}"}

    def unknown(self) -> dict[str, Any]:
        return {**self.fresh("sent"), "MessageStatus": "something-new"}

    def encode(self, payload: Any) -> bytes:
        return urlencode(payload).encode()

    def kept(self, body: bytes) -> Any:
        return {**dict(parse_qsl(body.decode(), keep_blank_values=True)), "message": MESSAGE}

    def altered(self, headers: Mapping[str, str]) -> list[dict[str, str]]:
        (good,) = headers.values()
        return [
            {"X-Twilio-Signature": one} for one in (good[:-1], f"{good} ", good.swapcase(), f"x{good}", "=", "e30=")
        ]


def verify(form: Mapping[str, str], said: str, url: str) -> Any:
    return twilio.TwilioWebhooks().verify_signature(
        WebhookRequest(urlencode(form).encode(), {twilio.SIGNATURE: said}, url)
    )


# spec: W1
def test_the_published_vector(settings: Any):
    settings.TWILIO_AUTH_TOKEN = "12345"
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
        "Caller": "+14158675309",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert verify(form, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", url)
    assert verify(form, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "https://mycompany.com:443/myapp.php?foo=1&bar=2")
    for wrong in (f"{url}3", url.replace("https", "http")):
        with pytest.raises(WebhookRejected):
            verify(form, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", wrong)


# spec: W1
def test_what_twilio_adds_without_notice_verifies_and_nothing_is_trimmed(settings: Any):
    settings.TWILIO_AUTH_TOKEN = "token"
    url = f"https://handoff.example{PATH}"
    form = {"MessageSid": "SM1", "MessageStatus": "sent", "Body": "  two blanks  ", "Empty": "", "New": "ü&=+"}
    seal = verify(form, signature(url, form, "token"), url)
    assert seal.message == MESSAGE
    with pytest.raises(WebhookRejected):
        verify(form | {"Body": "two blanks"}, signature(url, form, "token"), url)


# spec: W1
def test_the_public_url_is_what_is_signed_whatever_the_proxy_shows(door: Door, settings: Any):
    settings.PUBLIC_URL, settings.TWILIO_AUTH_TOKEN = "https://handoff.example", "token"
    form = {"MessageSid": "SM1", "MessageStatus": "sent"}
    body = urlencode(form).encode()
    public = signature(f"https://handoff.example{PATH}", form, "token")
    inside = signature(f"http://testserver{PATH}", form, "token")
    assert door(PATH, body, {**FORM, "X-Twilio-Signature": inside}).status == 401
    assert door(PATH, body, {**FORM, "X-Twilio-Signature": public}).status == 200


# spec: W2
def test_another_status_of_a_message_is_another_event(door: Door, settings: Any):
    settings.TWILIO_AUTH_TOKEN = "token"
    for status in ("sent", "delivered", "sent", "sent"):
        form = {"MessageSid": "SM1", "MessageStatus": status}
        said = signature(f"{configured.PUBLIC_URL}{PATH}", form, "token")
        assert door(PATH, urlencode(form).encode(), {**FORM, "X-Twilio-Signature": said}).status == 200
    assert set(WebhookEvent.objects.values_list("event_id", flat=True)) == {"SM1:sent", "SM1:delivered"}


# spec: W7
@pytest.mark.parametrize(
    "body",
    [
        b"MessageSid=SM1&MessageStatus=%FF%FE",
        b"\xff\xfe",
        b"&".join(b"a%d=1" % n for n in range(1_000)),
        b"MessageSid=SM1&MessageStatus=sent&Body=%00",
        b"MessageSid=SM1&MessageStatus=" + b"x" * 300,
    ],
)
def test_hostile_forms_are_refused(door: Door, settings: Any, body: bytes):
    settings.TWILIO_AUTH_TOKEN = "token"
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    said = signature(f"{configured.PUBLIC_URL}{PATH}", form, "token")
    assert door(PATH, body, {**FORM, "X-Twilio-Signature": said}).status in (400, 401)
    assert not WebhookEvent.objects.exists()


# spec: W7
def test_json_is_the_wrong_content_type(door: Door):
    assert door(PATH, b"{}", {"Content-Type": "application/json"}).status == 415


# spec: N3
@pytest.mark.parametrize(
    ("status", "code", "word", "retires"),
    [
        ("sent", "", ReceiptOutcome.SENT, ""),
        ("undelivered", "30003", ReceiptOutcome.UNDELIVERED, ""),
        ("undelivered", "30004", ReceiptOutcome.UNDELIVERED, "blocked"),
        ("undelivered", "30005", ReceiptOutcome.UNDELIVERED, "unknown number"),
        ("undelivered", "30006", ReceiptOutcome.UNDELIVERED, "landline or unreachable carrier"),
        ("failed", "21610", ReceiptOutcome.FAILED, "unsubscribed"),
        ("canceled", "", ReceiptOutcome.FAILED, ""),
    ],
)
def test_callbacks_are_read_as_twilio_documents_them(status, code, word, retires):
    receipt = twilio.read_receipt(status, {"MessageSid": "SM1", "ErrorCode": code, "To": "+1", "message": MESSAGE})
    assert (receipt.outcome, receipt.retires, receipt.error) == (word, retires, code)
    assert (receipt.message, receipt.provider_id, receipt.address) == (MESSAGE, "SM1", "+1")
