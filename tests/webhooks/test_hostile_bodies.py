"""Bad input gets a clear 4xx and a log line, never a 500 (SPEC W7): the same table for every door."""

import json
from typing import Any

import pytest

from tests.webhooks.conftest import Door, refusals
from tests.webhooks.stripe_events import event, raw, sign
from webhooks.models import WebhookAttempt, WebhookEvent

PATH = "/webhooks/stripe"
JSON = "application/json"
pytestmark = pytest.mark.usefixtures("stripe_secrets")


def within(value: str) -> bytes:
    """A Stripe event whose description is this JSON text."""
    body = raw(event("payment_intent.succeeded", obj={"description": "@"}))
    return body.replace(b'"@"', value.encode("utf-8", "surrogatepass"))


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


# Bodies that are signed, and still must not get in: (body, status)
SIGNED = {
    "empty": (b"", 400),
    "blank": (b"   ", 400),
    "not JSON": (b"<xml/>", 400),
    "half": (raw(event("payment_intent.succeeded"))[:-1], 400),
    "twice": (raw(event("payment_intent.succeeded")) * 2, 400),
    "not UTF-8": (within('"@"').replace(b"@", b"\xff\xfe"), 400),
    "UTF-16": (raw(event("payment_intent.succeeded")).decode().encode("utf-16"), 400),
    "byte order mark": (b"\xef\xbb\xbf" + raw(event("payment_intent.succeeded")), 400),
    "NUL escaped": (within('"a\\u0000b"'), 400),
    "NUL bare": (within('"a\x00b"'), 400),
    "half a surrogate pair": (within('"\\ud83d"'), 400),
    "NaN": (within("NaN"), 400),
    "Infinity": (within("-Infinity"), 400),
    "a number beyond all numbers": (within("1e999"), 400),
    "a number too small for PostgreSQL": (within("1e-99999"), 400),
    "an integer of 5,000 digits": (within("9" * 5_000), 400),
    "65 levels": (within(nested(65)), 400),
    "5,000 levels": (within(nested(5_000)), 400),
    "100,000 levels, unclosed": (b"[" * 100_000, 400),
    "1 MB": (within(json.dumps("x" * 1_000_000)), 413),
    "an id of 300 characters": (raw(event("payment_intent.succeeded", event_id="e" * 300)), 400),
    "an id that is a number": (raw(event("payment_intent.succeeded") | {"id": 5}), 400),
    "a type that is a list": (raw(event("payment_intent.succeeded") | {"type": ["a"]}), 400),
    "an account that is an object": (raw(event("payment_intent.succeeded") | {"account": {"id": 1}}), 400),
}


# spec: W7
@pytest.mark.parametrize("name", SIGNED)
def test_a_signed_body_that_cannot_be_kept_is_refused(name: str, door: Door):
    body, status = SIGNED[name]
    answer = door(PATH, body, {"Stripe-Signature": sign(body)})
    assert answer.status == status, (answer.status, answer.body)
    assert answer.headers["Content-Type"] == JSON
    assert answer.json["detail"]
    assert not WebhookEvent.objects.exists()
    assert [status for _, status, _ in refusals()] == [status]


@pytest.mark.parametrize(
    "value",
    ['"\\\\u0000"', '"\\ud83d\\ude00"', '"�"', "1e15", "0.1", nested(50), '"' + "x" * 900_000 + '"', '"\\u001f"'],
)
def test_a_strange_but_sound_body_is_kept_as_it_came(value: str, door: Door):
    body = within(value)
    assert door(PATH, body, {"Stripe-Signature": sign(body)}).status == 200
    kept = WebhookEvent.objects.get()
    assert bytes(kept.body) == body
    assert kept.payload == json.loads(body)


def test_unsigned_nonsense_is_refused_before_anything_reads_it(door: Door):
    answer = door(PATH, b"[" * 500_000, {"Stripe-Signature": "t=1,v1=00"})
    assert answer.status == 400
    assert answer.json["code"] == "WRONG_SIGNATURE"


WRONG_REQUESTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "form": ({"headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415, "wrong_content_type"),
    "text": ({"headers": {"Content-Type": "text/plain"}}, 415, "wrong_content_type"),
    "no content type": ({"headers": {"Content-Type": ""}}, 415, "wrong_content_type"),
    "GET": ({"method": "GET"}, 405, "wrong_method"),
    "PUT": ({"method": "PUT"}, 405, "wrong_method"),
    "DELETE": ({"method": "DELETE"}, 405, "wrong_method"),
    "length is no number": ({"CONTENT_LENGTH": "many"}, 400, "bad_length"),
    "length below zero": ({"CONTENT_LENGTH": "-1"}, 400, "bad_length"),
    "length says 1 MB": ({"CONTENT_LENGTH": "1000000"}, 413, "too_large"),
    "length of 5,000 digits": ({"CONTENT_LENGTH": "9" * 5_000}, 413, "too_large"),
}


@pytest.mark.parametrize("name", WRONG_REQUESTS)
def test_a_wrong_request_is_refused_with_its_reason(name: str, door: Door):
    changes, status, reason = WRONG_REQUESTS[name]
    body = raw(event("payment_intent.succeeded"))
    headers = {"Stripe-Signature": sign(body), **changes.get("headers", {})}
    answer = door(PATH, body, headers, **{name: value for name, value in changes.items() if name != "headers"})
    assert (answer.status, answer.json["code"]) == (status, reason.upper())
    assert ("Allow" in answer.headers) == (status == 405)
    assert refusals() == [("stripe", status, reason)]
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=1"]
)
def test_content_type_is_read_as_the_standard_says(content_type: str, door: Door):
    body = raw(event("payment_intent.succeeded"))
    headers = {"Stripe-Signature": sign(body), "Content-Type": content_type}
    assert door(PATH, body, headers).status == 200


def test_chunks_are_read_to_their_end_and_never_beyond_the_cap(door: Door):
    body = raw(event("payment_intent.succeeded"))
    headers = {"Stripe-Signature": sign(body)}
    assert door(PATH, body, headers, CONTENT_LENGTH="").status == 200
    assert door(PATH, b"x" * 3_000_000, headers, CONTENT_LENGTH="").status == 413
    unterminated = door(PATH, body, headers, CONTENT_LENGTH="", **{"wsgi.input_terminated": False})
    assert unterminated.status == 400  # nothing is read, so the signature does not match


@pytest.mark.parametrize(
    "path",
    ["/webhooks/paypal", "/webhooks/", "/webhooks/stripe/", "/webhooks/Stripe", "/webhooks/../stripe", "/webhooks/é"],
)
def test_an_unknown_provider_is_404_and_names_no_row_of_ours(path: str, lane: Door):
    answer = lane(path, b"{}")
    assert (answer.status, answer.json["code"]) == (404, "UNKNOWN_PROVIDER")
    assert refusals() == [("unknown", 404, "unknown_provider")]


def test_django_alone_knows_no_other_provider_either(door: Door):
    assert door("/webhooks/paypal", b"{}").status == 404
    assert door("/webhooks/stripe/", b"{}").status == 404


# spec: S6
def test_a_refusal_carries_the_id_of_its_request(door: Door):
    assert door(PATH, b"{}", {"X-Request-ID": "proxy-4711-abc"}).headers["X-Request-ID"] == "proxy-4711-abc"
    for odd in ("short", "x" * 65, "with\ttab-in-it", "émigré-request"):
        assert len(door(PATH, b"{}", {"X-Request-ID": odd}).headers["X-Request-ID"]) == 32


# spec: W2
def test_of_a_refused_body_only_size_and_digest_are_kept(door: Door):
    body = b'{"card": "4242"}'
    door(PATH, body, {"Stripe-Signature": "t=1,v1=00"}, REMOTE_ADDR="203.0.113.9")
    refusals()
    attempt = WebhookAttempt.objects.get()
    assert (attempt.body_bytes, len(attempt.body_sha256), attempt.remote_addr) == (len(body), 64, "203.0.113.9")
    assert "4242" not in str(WebhookAttempt.objects.values().get())
