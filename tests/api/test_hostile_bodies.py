"""Every endpoint of the house against the table of hostile bodies, addresses and queries: a clear 4xx that can be
parsed, in the endpoint's own family, and never a 500 (SPEC W7)."""

from typing import Any
from urllib.parse import quote

import pytest
from django.db import transaction

from foundation.models import Role, User
from tests.api.conftest import Party
from tests.api.endpoints import ENDPOINTS, path_of
from tests.hostile import BODIES, VALUES
from tests.phone_calls import Reply, call

FAMILIES = {
    "rider": {"success", "message", "errorCode"},
    "tracking": {"detail", "code", "timestamp", "path"},
    "petpooja": {"success", "message", "order_id"},
}
READING = [key for key, endpoint in ENDPOINTS.items() if endpoint.reads]
NAMED = [key for key in ENDPOINTS if "<" in key[1]]
SCHEMA = ("GET", "api/schema")  # reads nothing, and takes a while
POINT_BY_POINT = ("POST", "api/v1/rider/location")  # a list is a batch there, answered 200 with a result per point
NAMES = ["a b", "\x00", "x" * 65, "💥", "..", "a/b", "%", "'; --", "\u202e", "o_" + "x" * 5_000]
QUERIES = ["status=%00", "cursor=%FF%FE", "cursor=" + "9" * 5_000, "status=PICKED_UP&status=x", "%00=1", "cursor=e30"]


def somebody(party: Party, key: tuple[str, str]) -> User | None:
    """Whoever may call it."""
    role = next(iter(ENDPOINTS[key].may), None)
    return party.people[role] if role else None


def sane(reply: Reply, family: str, *, refused: bool) -> bool:
    """Not a 5xx (but a plain "not configured here"), and an error body that a client of this family can read."""
    if reply.status >= 500:
        return reply.status == 503 and reply.code == "NOT_ENABLED"
    if reply.status < 400:
        return not refused
    return isinstance(reply.body, dict) and set(reply.body) == FAMILIES[family]


# spec: W7
@pytest.mark.parametrize("key", READING, ids=" ".join)
def test_a_body_that_cannot_be_read_is_refused(key: tuple[str, str], party: Party):
    method, route = key
    stumbled = {}
    for title, hostile in BODIES.items():
        if key == POINT_BY_POINT and title == "a list of lists":
            continue
        reply = send(party, key, raw=hostile.raw, content_type=hostile.content_type)
        if not sane(reply, ENDPOINTS[key].family, refused=True):
            stumbled[title] = reply
    assert stumbled == {}, f"{method} {route}"


# spec: W7
@pytest.mark.parametrize("key", READING, ids=" ".join)
def test_a_field_of_another_kind_is_refused_or_done_without(key: tuple[str, str], party: Party):
    """Every field of a good body in turn holds what it must not."""
    body = ENDPOINTS[key].body or {}
    stumbled = {}
    for field in body:
        for title, value in VALUES.items():
            reply = send(party, key, body={**body, field: value})
            if not sane(reply, ENDPOINTS[key].family, refused=False):
                stumbled[f"{field}: {title}"] = reply
    assert stumbled == {}


# spec: W7
def test_who_reads_no_body_does_not_stumble_over_one(party: Party):
    chosen = ("not JSON", "not UTF-8", "100,000 levels, unclosed", "a multipart form", "no content type at all")
    for key in ENDPOINTS.keys() - {*READING, SCHEMA}:
        for title in chosen:
            reply = send(party, key, raw=BODIES[title].raw, content_type=BODIES[title].content_type)
            assert reply.status < 500, (key, title, reply)


# spec: W7
def test_an_address_that_names_nothing_is_refused(party: Party):
    stumbled = {}
    for key in NAMED:
        method, route = key
        start, _, rest = route.partition("<")
        for name in NAMES:
            path = f"/{start}{quote(name, safe='')}{rest.partition('>')[2]}"
            reply = call(somebody(party, key), method, path, ENDPOINTS[key].body)
            if not (400 <= reply.status < 500 and isinstance(reply.body, dict)):
                stumbled[f"{method} {route}", name] = reply
    assert stumbled == {}


# spec: W7
def test_a_query_that_makes_no_sense_does_not_make_it_stumble(party: Party):
    for key in {key for key in ENDPOINTS if key[0] == "GET"} - {SCHEMA}:
        for query in QUERIES:
            path = f"{path_of(key[1], party.ref, party.store)}?{query}"
            assert call(somebody(party, key), "get", path).status < 500, (key, query)


# spec: W7
@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v1/rider/nothing", "/orders/tracking", "/orders/tracking/a/b"])
def test_an_address_where_nothing_is_says_so_in_its_family(path: str):
    reply = call(None, "post", path, {})
    family = "rider" if path.startswith("/api/v1/rider") else "tracking"
    assert (reply.status, set(reply.body)) == (404, FAMILIES[family])


# spec: W7
def test_another_method_is_405_in_its_family(party: Party):
    for key, endpoint in ENDPOINTS.items():
        known = {method for method, route in ENDPOINTS if route == key[1]}
        method = next(method for method in ("TRACE", "DELETE", "POST") if method not in known)
        reply = call(somebody(party, key), method, path_of(key[1], party.ref))
        assert reply.status == 405, key
        if isinstance(reply.body, dict):  # the probes say it with the status alone
            assert set(reply.body) == FAMILIES[endpoint.family]


def send(party: Party, key: tuple[str, str], **what: Any) -> Reply:
    """One request by whoever may call it, after which nothing has happened."""
    method, route = key
    with transaction.atomic():
        reply = call(somebody(party, key), method, path_of(route, party.ref), **what)
        transaction.set_rollback(True)
    return reply


def test_the_table_of_people_covers_all_roles(party: Party):
    assert set(party.people) == set(Role)
