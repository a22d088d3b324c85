"""SendGrid's door (SPEC W1-W4, N3): the contract of every door, and what is special about SendGrid."""

import base64
import json
import time
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from foundation.errors import Permanent
from foundation.webhook import WebhookRejected, WebhookRequest
from notifications.models import ReceiptOutcome
from notifications.webhooks import sendgrid
from tests.webhooks.conftest import Door
from tests.webhooks.provider_contract import ProviderContract
from webhooks.models import WebhookEvent

PATH = "/webhooks/sendgrid"
VECTOR_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eN"
    "Ec6wEA3F+g=="
)


@cache
def _key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public(name: str) -> str:
    """As SendGrid shows the key of that name."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(_key(name).public_key().public_bytes(serialization.Encoding.DER, form)).decode()


def signed(body: bytes, *, secret: str, age_s: float = 0) -> dict[str, str]:
    timestamp = str(int(time.time() - age_s))
    signature = _key(secret).sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }


class TestSendGridDoor(ProviderContract):
    provider = "sendgrid"
    mapped = frozenset(sendgrid.WORDS)
    misshapen = (b"[]", b"{}", b'"text"', b"null", b"1")

    def use_secrets(self, settings: Any, *secrets: str) -> None:
        settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = [public(secret) for secret in secrets]

    def headers(self, body: bytes, *, secret: str, age_s: float = 0) -> dict[str, str]:
        return signed(body, secret=secret, age_s=age_s)

    def fresh(self, event_type: str) -> dict[str, Any]:
        return {**self.payloads[event_type], "sg_event_id": uuid.uuid4().hex}

    def unknown(self) -> dict[str, Any]:
        return {**self.fresh("open"), "event": "something_new"}

    def encode(self, payload: Any) -> bytes:
        return json.dumps([payload]).encode() + b"\r\n"

    def altered(self, headers: Mapping[str, str]) -> list[dict[str, str]]:
        signature, timestamp = headers.values()
        raw = bytearray(base64.b64decode(signature))
        raw[-1] ^= 1
        return [
            dict(zip(headers, changed, strict=True))
            for changed in (
                (base64.b64encode(bytes(raw)).decode(), timestamp),
                (signature, str(int(timestamp) + 1)),
                (signature, f"{timestamp} "),
                (signature, f"0{timestamp}"),
                (signature[:-1], timestamp),
                (f"{signature}!", timestamp),
                (timestamp, signature),
                ("", timestamp),
                (signature, ""),
            )
        ]


# spec: W1
@pytest.mark.parametrize(("ending", "good"), [(b"\r\n", True), (b"", False), (b"\n", False), (b"\r\n\r\n", False)])
def test_the_line_break_at_the_end_belongs_to_what_is_signed(settings: Any, ending: bytes, good: bool):
    """The published vector of SendGrid's own SDK."""
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = [VECTOR_KEY]
    event = {
        "email": "hello@world.com",
        "event": "dropped",
        "reason": "Bounced Address",
        "sg_event_id": "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
        "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        "smtp-id": "<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",
        "timestamp": 1600112492,
    }
    raw = json.dumps([event], sort_keys=True, separators=(",", ":")).encode() + ending
    headers = {
        sendgrid.SIGNATURE: (
            "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
        ),
        sendgrid.TIMESTAMP: "1600112502",
    }
    knock = WebhookRequest(raw, headers, "https://handoff.example/webhooks/sendgrid")
    if good:
        assert sendgrid.SendGridWebhooks().verify_signature(knock).signature
    else:
        with pytest.raises(WebhookRejected):
            sendgrid.SendGridWebhooks().verify_signature(knock)


# spec: W2
def test_each_event_of_a_request_is_a_row_and_comes_once(door: Door, settings: Any):
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = [public("a")]
    events = [{"event": "open", "sg_event_id": f"e{n % 5}", "email": "a@b.example", "timestamp": n} for n in range(7)]
    body = json.dumps(events).encode() + b"\r\n"
    for _ in range(3):
        assert door(PATH, body, signed(body, secret="a")).status == 200
    assert sorted(WebhookEvent.objects.values_list("event_id", flat=True)) == [f"e{n}" for n in range(5)]
    assert all(len(payload) == 1 for payload in WebhookEvent.objects.values_list("payload", flat=True))


# spec: W1
def test_an_old_signature_is_taken_for_a_day_of_retries(door: Door, settings: Any):
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = [public("a")]
    body = b'[{"event": "open", "sg_event_id": "e"}]\r\n'
    assert door(PATH, body, signed(body, secret="a", age_s=86_000)).status == 200


# spec: W1
def test_a_key_that_is_none_lets_nobody_in(settings: Any):
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = ["not a key"]
    body = b"[]"
    with pytest.raises(WebhookRejected) as refusal:
        sendgrid.SendGridWebhooks().verify_signature(
            WebhookRequest(body, {k.lower(): v for k, v in signed(body, secret="a").items()}, "")
        )
    assert refusal.value.status == 401


# spec: N3
@pytest.mark.parametrize(
    ("event_type", "more", "word", "retires"),
    [
        ("processed", {}, ReceiptOutcome.QUEUED, ""),
        ("delivered", {}, ReceiptOutcome.DELIVERED, ""),
        ("click", {}, ReceiptOutcome.READ, ""),
        ("bounce", {}, ReceiptOutcome.BOUNCED, "hard bounce"),
        ("bounce", {"type": "blocked"}, ReceiptOutcome.FAILED, ""),
        ("dropped", {}, ReceiptOutcome.FAILED, "hard bounce"),
        ("dropped", {"reason": "Unsubscribed Address"}, ReceiptOutcome.FAILED, "unsubscribed"),
        ("dropped", {"reason": "Spam Content"}, ReceiptOutcome.FAILED, ""),
        ("spamreport", {}, None, "spam report"),
        ("unsubscribe", {}, None, "unsubscribed"),
        ("group_unsubscribe", {}, None, "unsubscribed"),
        ("group_resubscribe", {}, None, ""),
    ],
)
def test_events_are_read_as_sendgrid_documents_them(event_type, more, word, retires):
    receipt = sendgrid.read_receipt(event_type, TestSendGridDoor().payloads[event_type] | more)
    assert (receipt.outcome, receipt.retires, receipt.channel) == (word, retires, "email")
    assert (receipt.message, receipt.at.timestamp()) == ("6f1c0b9e-4f0e-4b07-9f39-0f1a34a4d111", 1795300101)


# spec: W7
@pytest.mark.parametrize(
    "odd",
    [
        [],
        [1],
        [{}],
        {},
        None,
        [{"event": "open"}],
        [{"email": 1, "timestamp": "x"}],
        [{"email": 1, "timestamp": 10**30}],
    ],
)
def test_an_odd_event_is_a_dead_letter_with_a_reason(odd):
    with pytest.raises(Permanent, match="not shaped as documented"):
        sendgrid.SendGridWebhooks().handle("open", "e", odd)


# spec: W2, W7
def test_one_odd_event_does_not_cost_the_others(door: Door, settings: Any):
    """What is odd is kept by its content, once, and ends as a dead letter; SendGrid need not send it all again."""
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = [public("s")]
    good = {"email": "a@example.test", "event": "delivered", "timestamp": 1795300101, "sg_event_id": "g1"}
    unsubscribed = {"email": "a@example.test", "event": "unsubscribe", "timestamp": 1795300102}
    body = json.dumps([good, unsubscribed, 1, None, [], {"event": 5}, {"event": "open", "sg_event_id": 7}]).encode()
    for _ in range(2):
        assert door(PATH, body, signed(body, secret="s")).status == 200
    kinds = sorted(WebhookEvent.objects.values_list("event_type", flat=True))
    assert kinds == ["delivered", *["malformed"] * 4, "open", "unsubscribe"]
    for odd in WebhookEvent.objects.filter(event_type="malformed"):
        with pytest.raises(Permanent, match="not shaped as documented"):
            sendgrid.SendGridWebhooks().handle(odd.event_type, odd.event_id, odd.payload)


# spec: W7
@pytest.mark.parametrize("timestamp", [0, -62135596800, 253402300799, 10**30, -(10**30)])
def test_a_time_that_cannot_be_meant_is_a_dead_letter(timestamp: int):
    event = {"email": "a@example.test", "event": "delivered", "timestamp": timestamp}
    with pytest.raises(Permanent, match="timestamp"):
        sendgrid.SendGridWebhooks().handle("delivered", "e", [event])
