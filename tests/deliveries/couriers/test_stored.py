"""Courier webhooks through the whole door: verified, stored once, and answered (SPEC W2, W3)."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from foundation.webhook import WebhookRejected, WebhookRequest
from foundation.work import WorkState
from tests.deliveries.couriers.webhook_cases import PAYLOADS
from webhooks import intake, processing, registry, storage
from webhooks.models import WebhookEvent

SECRET = "the-secret-of-the-tests"
PASSWORD = "Basic aGFuZG9mZjpzZWNyZXQ="
FIRST = {"cooco": "delivery.assigned", "uber": "pickup", "doordash": "DASHER_CONFIRMED"}


@pytest.fixture(autouse=True)
def live(settings: Any, db: None) -> Iterator[None]:
    settings.COOCO_WEBHOOK_SECRETS = settings.UBER_WEBHOOK_SIGNING_KEYS = [SECRET]
    settings.DOORDASH_WEBHOOK_AUTHORIZATIONS = [PASSWORD]
    storage.close_connection()
    yield
    storage.close_connection()


def body_of(name: str) -> bytes:
    return (PAYLOADS / name / "webhooks" / f"{FIRST[name]}.json").read_bytes()


def headers(name: str, body: bytes) -> dict[str, str]:
    if name == "doordash":
        return {"authorization": PASSWORD}
    if name == "uber":
        return {"x-uber-signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}
    now = str(int(time.time()))
    digest = hmac.new(SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return {"x-cooco-signature": f"sha256={digest}", "x-cooco-timestamp": now}


def knock(name: str, body: bytes) -> intake.WebhookResponse:
    url = f"https://handoff.example/webhooks/{name}"
    return intake.receive_events(registry.webhook_providers()[name], WebhookRequest(body, headers(name, body), url))


# spec: W2 W3
@pytest.mark.parametrize("name", FIRST)
def test_it_is_kept_once_and_answered_each_time(name: str):
    body = body_of(name)
    replies = [knock(name, body) for _ in range(3)]
    assert {(reply.status, reply.body) for reply in replies} == {(200, b'{"received": true}')}
    event = WebhookEvent.objects.get()
    assert (event.provider, event.payload, bytes(event.body)) == (name, json.loads(body), body)
    assert event.state == WorkState.PENDING
    assert bool(event.signature) is (name != "doordash")  # there it is a password
    assert PASSWORD not in event.signature


# spec: W1
@pytest.mark.parametrize("name", FIRST)
def test_nothing_is_kept_of_one_that_is_not_signed(name: str):
    with pytest.raises(WebhookRejected):
        intake.receive_events(registry.webhook_providers()[name], WebhookRequest(body_of(name), {}, ""))
    assert not WebhookEvent.objects.exists()


# spec: W4
@pytest.mark.parametrize("name", FIRST)
def test_a_type_that_nobody_handles_ends_as_ignored(name: str):
    field = {"cooco": "event", "uber": "kind", "doordash": "event_name"}[name]
    body = json.dumps({**json.loads(body_of(name)), field: "something.new"}).encode()
    assert knock(name, body).status == 200
    assert processing.apply_event(WebhookEvent.objects.get()) == WorkState.IGNORED
