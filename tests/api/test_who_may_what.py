"""The whole matrix: role × endpoint × own and other's order, and nobody at all (SPEC S1, T1, R5)."""

import pytest
from django.db import transaction

from foundation.models import Role
from tests.api.conftest import Party
from tests.api.endpoints import ENDPOINTS, Endpoint, path_of, served
from tests.phone_calls import Reply, call

GUARDED = {key: endpoint for key, endpoint in ENDPOINTS.items() if endpoint.open_to_all is None}
OPEN = {key: endpoint for key, endpoint in ENDPOINTS.items() if endpoint.open_to_all is not None}


def test_every_endpoint_says_who_may_call_it():
    assert served() == set(ENDPOINTS)


# spec: S1, T1, R5
@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_the_table_says_and_nothing_else(role: Role, parties: tuple[Party, Party]):
    wrong = {}
    for (method, route), endpoint in GUARDED.items():
        expected = endpoint.may.get(role, (403, 403))
        for whose, party, status in zip(("own", "other"), parties, expected, strict=True):
            reply = asked(role, parties[0], party, method, route, endpoint)
            if reply.status != status:
                wrong[f"{method} {route} ({whose})"] = (status, reply)
    assert wrong == {}


def asked(role: Role, actor: Party, about: Party, method: str, route: str, endpoint: Endpoint) -> Reply:
    """The answer, after which nothing has happened."""
    with transaction.atomic():
        reply = call(actor.people[role], method, path_of(route, about.ref, about.store), endpoint.body)
        transaction.set_rollback(True)
    return reply


# spec: S1
@pytest.mark.django_db
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer x.y.z"}], ids=["no token", "a bad token"])
def test_without_a_good_token_nothing_opens(headers: dict[str, str]):
    for method, route in GUARDED:
        reply = call(None, method, path_of(route, "o_x"), ENDPOINTS[method, route].body, **headers)
        assert (reply.status, reply.code) == (401, "NOT_AUTHENTICATED"), (method, route)
        assert reply.headers["WWW-Authenticate"] == "Bearer"


# spec: S1, S6, S7
@pytest.mark.django_db
@pytest.mark.parametrize(("method", "route"), OPEN)
def test_what_is_open_has_credentials_of_its_own_or_shows_nothing_secret(method: str, route: str):
    endpoint = ENDPOINTS[method, route]
    assert call(None, method, path_of(route, "o_x"), endpoint.body).status == endpoint.open_to_all


# spec: R5
def test_somebody_elses_order_is_said_in_the_contracts_words(parties: tuple[Party, Party]):
    mine, theirs = parties
    for (method, route), endpoint in GUARDED.items():
        if endpoint.family == "rider" and "<str:order_id>" in route:
            reply = call(mine.people[Role.RIDER], method, path_of(route, theirs.ref), endpoint.body)
            assert (reply.status, reply.message) == (403, "This order is not assigned to you")
