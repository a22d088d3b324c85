"""WhatsApp's door (SPEC W1-W4, N3): the contract of every door, and what is special about WhatsApp."""

import copy
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from foundation.errors import Permanent
from notifications.webhooks import whatsapp
from tests.webhooks.conftest import Door, refusals
from tests.webhooks.provider_contract import ProviderContract
from webhooks.models import WebhookEvent

PATH = "/webhooks/whatsapp"
GREETING = f"{PATH}?hub.mode=subscribe&hub.verify_token=ours&hub.challenge="


def signed(body: bytes, secret: str) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def value_of(payload: dict[str, Any]) -> dict[str, Any]:
    return payload["entry"][0]["changes"][0]["value"]


class TestWhatsAppDoor(ProviderContract):
    provider = "whatsapp"
    mapped = frozenset({"status.sent", "status.delivered", "status.read", "status.failed", "message.text"})
    misshapen = (
        *ProviderContract.misshapen,
        b'{"object": "page", "entry": []}',
        b'{"object": "whatsapp_business_account", "entry": []}',
    )

    def use_secrets(self, settings: Any, *secrets: str) -> None:
        settings.WHATSAPP_APP_SECRETS = list(secrets)

    def headers(self, body: bytes, *, secret: str, age_s: float = 0) -> dict[str, str]:
        return signed(body, secret)

    def fresh(self, event_type: str) -> dict[str, Any]:
        payload = copy.deepcopy(self.payloads[event_type])
        for one in (*value_of(payload).get("statuses", []), *value_of(payload).get("messages", [])):
            one["id"] = f"wamid.{uuid.uuid4().hex}"
        return payload

    def unknown(self) -> dict[str, Any]:
        return self.fresh("account_update")

    def altered(self, headers: Mapping[str, str]) -> list[dict[str, str]]:
        (good,) = headers.values()
        wrong = (good[:-1], good + "0", good.upper(), good.removeprefix("sha256="), good.replace("256", "1"), "sha256=")
        return [{"X-Hub-Signature-256": one} for one in wrong]


# spec: W1
def test_the_greeting_is_answered_with_its_own_challenge(door: Door, settings: Any):
    settings.WHATSAPP_VERIFY_TOKEN = "ours"
    answer = door(f"{GREETING}1158201444", method="GET")
    assert (answer.status, answer.body) == (200, b"1158201444")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not WebhookEvent.objects.exists()


# spec: W1 W7
@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        (GREETING.replace("ours", "theirs") + "1", "ours", 403),
        (GREETING.replace("hub.verify_token", "token") + "1", "ours", 403),
        (GREETING.replace("subscribe", "other") + "1", "ours", 400),
        (GREETING, "ours", 400),
        (GREETING + "x" * 300, "ours", 400),
        (PATH, "ours", 403),
        (GREETING + "1", "", 503),
        (GREETING.replace("ours", "") + "1", "", 503),
        (PATH + "?" + "a=1&" * 50, "ours", 400),
    ],
)
def test_a_greeting_that_proves_nothing_is_refused(door: Door, settings: Any, path: str, token: str, status: int):
    settings.WHATSAPP_VERIFY_TOKEN = token
    answer = door(path, method="GET")
    assert answer.status == status
    assert [(provider, refused) for provider, refused, _ in refusals()] == [("whatsapp", status)]


def test_only_who_greets_is_answered_on_get(door: Door):
    assert door("/webhooks/sendgrid", method="GET").status == 405
    assert door(PATH, method="PUT").status == 405


# spec: W2
def test_several_entries_changes_and_statuses_are_a_row_each(door: Door, settings: Any):
    settings.WHATSAPP_APP_SECRETS = ["s"]

    def status(wamid: str, word: str) -> dict[str, Any]:
        return {"id": wamid, "status": word, "timestamp": "1795300101", "recipient_id": "91801"}

    def change(**value: Any) -> dict[str, Any]:
        return {"field": "messages", "value": {"messaging_product": "whatsapp", **value}}

    heard = {"id": "wamid.in", "from": "91801", "timestamp": "1795300101", "type": "text", "text": {"body": "hi"}}
    entries = [
        {"changes": [change(statuses=[status("w1", "sent"), status("w1", "read"), status("w1", "sent")])]},
        {"changes": [change(statuses=[status("w2", "sent")]), change(messages=[heard])]},
        {"changes": [{"field": "account_update", "value": {"event": "VERIFIED"}}]},
    ]
    body = json.dumps({"object": whatsapp.OBJECT, "entry": entries}).encode()
    for _ in range(2):
        assert door(PATH, body, signed(body, "s")).status == 200
    kinds = sorted(WebhookEvent.objects.values_list("event_type", flat=True))
    assert kinds == ["account_update", "message.text", "status.read", "status.sent", "status.sent"]
    for event in WebhookEvent.objects.all():
        assert len(list(whatsapp._list_parts(event.payload))) == 1


# spec: W7
@pytest.mark.parametrize(
    "change",
    [{"timestamp": "x"}, {"timestamp": None}, {"timestamp": "9" * 40}, {"errors": [1]}, {"errors": 5}, {"status": []}],
)
def test_an_odd_status_is_a_dead_letter_with_a_reason(change):
    payload = copy.deepcopy(TestWhatsAppDoor().payloads["status.sent"])
    value_of(payload)["statuses"][0] |= change
    with pytest.raises(Permanent, match="not shaped as documented"):
        whatsapp.WhatsAppWebhooks().handle("status.sent", "x", payload)


# spec: W2, W7
def test_one_odd_part_does_not_cost_the_others(door: Door, settings: Any):
    settings.WHATSAPP_APP_SECRETS = ["s"]
    good = {"id": "w1", "status": "read", "timestamp": "1795300101", "recipient_id": "91801"}
    numeric = {**good, "id": "w2", "timestamp": 1795300101}
    statuses = [good, numeric, 1, None, {"status": "sent"}, {"id": 1, "status": "sent"}]
    changes = [{"field": "messages", "value": {"statuses": statuses}}, {"field": "messages", "value": 1}, 7]
    body = json.dumps({"object": whatsapp.OBJECT, "entry": [{"changes": changes}, 3, {"changes": None}]}).encode()
    for _ in range(2):
        assert door(PATH, body, signed(body, "s")).status == 200
    kinds = sorted(WebhookEvent.objects.values_list("event_type", flat=True))
    assert kinds == [
        *["malformed"] * 2,
        *["status.malformed"] * 2,
        *["status.read"] * 2,
        *["status.sent"] * 2,
    ]
    for event in WebhookEvent.objects.all():
        if event.event_type == "status.read":
            whatsapp.WhatsAppWebhooks().handle(event.event_type, event.event_id, event.payload)
        else:
            with pytest.raises(Permanent, match="not shaped as documented"):
                whatsapp.WhatsAppWebhooks().handle(event.event_type, event.event_id, event.payload)
