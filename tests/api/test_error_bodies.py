"""The error body of each family, whatever goes wrong and wherever: `{detail, code, timestamp, path}`, or the riders'
envelope (SPEC T1, W7). What is wrong with a body or an id is in test_hostile_bodies.py."""

from datetime import datetime

import pytest
from django.db import OperationalError, transaction
from rest_framework.views import APIView

from foundation.models import User
from tests.api.conftest import Party
from tests.api.endpoints import ENDPOINTS, path_of
from tests.phone_calls import Reply, call

Key = tuple[str, str]
# Probes, doors of providers and the schema's pages have no family.
OTHERS = ("health", "ready", "api/schema", "api/docs", "webhooks/", "pp_callback/")
VIEWS = [key for key in ENDPOINTS if not key[1].startswith(OTHERS)]


def anybody(party: Party, key: Key) -> User | None:
    role = next(iter(ENDPOINTS[key].may), None)
    return party.people[role] if role else None


def asked(party: Party, key: Key, suffix: str = "", **headers: str) -> Reply:
    with transaction.atomic():
        path = path_of(key[1], party.ref) + suffix
        reply = call(anybody(party, key), key[0], path, ENDPOINTS[key].body, **headers)
        transaction.set_rollback(True)
    return reply


def is_error(reply: Reply, key: Key, party: Party, suffix: str = "") -> bool:
    """The family's body, and nothing in it but what the family has."""
    body = reply.body
    if not isinstance(body, dict):
        return False
    if ENDPOINTS[key].family == "rider":
        return set(body) == {"success", "message", "errorCode"} and body["success"] is False and bool(body["message"])
    return (
        set(body) == {"detail", "code", "timestamp", "path"}
        and isinstance(body["detail"], str)
        and body["code"].isupper()
        and datetime.fromisoformat(body["timestamp"]).tzinfo is not None
        and body["timestamp"].endswith("Z")
        and body["path"] == path_of(key[1], party.ref) + suffix
    )


# spec: T1 W7
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ZeroDivisionError("secret detail"), 500, "INTERNAL_ERROR"),
        (OperationalError("server closed the connection"), 503, "UNAVAILABLE"),
    ],
    ids=["a mistake of ours", "no database"],
)
def test_whatever_breaks_inside_is_said_in_the_family_and_keeps_its_secrets(
    party: Party, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
):
    def breaks(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(APIView, "check_permissions", breaks)
    for key in VIEWS:
        reply = asked(party, key)
        assert (reply.status, reply.code) == (status, code), (key, reply)
        assert is_error(reply, key, party), (key, reply)
        assert str(error) not in str(reply.body)


def said(reply: Reply, key: Key, party: Party, suffix: str = "") -> tuple[int, str, bool]:
    return reply.status, reply.code, is_error(reply, key, party, suffix)


# spec: T1 W7
def test_what_cannot_be_rendered_as_asked_for_is_406(party: Party):
    for key in VIEWS:
        for accept in ("text/html", "application/xml", "garbage"):
            reply = asked(party, key, accept=accept)
            assert said(reply, key, party) == (406, "NOT_ACCEPTABLE", True), (key, reply)


# spec: T1 W7
def test_a_trailing_slash_is_another_address_and_nothing_is_there(party: Party):
    for key in VIEWS:
        for suffix in ("/", "//", "/more/still"):
            reply = asked(party, key, suffix)
            assert said(reply, key, party, suffix) == (404, "NOT_FOUND", True), (key, suffix, reply)


# spec: T1 W7
def test_a_wrong_method_is_told_the_right_ones(party: Party):
    for key in VIEWS:
        allowed = {method for method, route in ENDPOINTS if route == key[1]}
        reply = call(anybody(party, key), "TRACE", path_of(key[1], party.ref))
        assert said(reply, key, party) == (405, "METHOD_NOT_ALLOWED", True), (key, reply)
        assert allowed <= {method.strip() for method in reply.headers["Allow"].split(",")}, key


# spec: T1 S1
def test_who_has_no_token_or_another_role_is_told_so_in_the_family(party: Party):
    for key in VIEWS:
        if ENDPOINTS[key].open_to_all is not None:
            continue
        nobody = call(None, key[0], path_of(key[1], party.ref), ENDPOINTS[key].body)
        assert said(nobody, key, party) == (401, "NOT_AUTHENTICATED", True), (key, nobody)
        for stranger in [person for role, person in party.people.items() if role not in ENDPOINTS[key].may][:1]:
            reply = call(stranger, key[0], path_of(key[1], party.ref), ENDPOINTS[key].body)
            assert said(reply, key, party) == (403, "FORBIDDEN", True), (key, reply)
