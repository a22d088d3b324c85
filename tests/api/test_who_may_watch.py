"""The whole matrix of the sockets: role × socket × own and other's, by every way to show who one is (SPEC S1, T2)."""

import json
from collections.abc import Callable

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from deliveries.models import TrackingLink
from deliveries.tracking import links
from deliveries.tracking.page import subscription
from foundation.models import Role, User
from orders.models import Order
from tests.api.conftest import Party
from tests.api.endpoints import AT_STORES, SEEN_BY, Answers
from tests.builders import TEST
from tests.deliveries.realtime.sockets_process import Sockets, hearing, read, sockets
from tests.phone_calls import call, token_of

__all__ = ["hearing", "sockets"]
pytestmark = pytest.mark.django_db(transaction=True)

SOCKETS: dict[str, Answers] = {"orders": SEEN_BY, "stores": AT_STORES}
Way = Callable[[Sockets, User, str], ClientConnection]


def by_token_in_the_address(hearing: Sockets, somebody: User, path: str) -> ClientConnection:
    return hearing.open(f"/ws/{path}", token_of(somebody))


def by_header(hearing: Sockets, somebody: User, path: str) -> ClientConnection:
    return hearing.open(f"/ws/{path}", additional_headers={"Authorization": f"Bearer {token_of(somebody)}"})


def outcome(way: Way, hearing: Sockets, somebody: User, path: str) -> int:
    """200 for a socket that begins with a snapshot, else how it was refused."""
    try:
        with way(hearing, somebody, path) as socket:
            assert read(socket)["name"] == "snapshot"
    except InvalidStatus as refused:
        return refused.response.status_code
    return 200


# spec: S1, T2
@pytest.mark.parametrize("way", [by_token_in_the_address, by_header])
@pytest.mark.parametrize("role", Role)
def test_a_role_may_watch_what_the_table_says_and_nothing_else(
    role: Role, way: Way, parties: tuple[Party, Party], hearing: Sockets
):
    wrong = {}
    for kind, answers in SOCKETS.items():
        for whose, party, status in zip(("own", "other"), parties, answers.get(role, (403, 403)), strict=True):
            path = f"{kind}/{party.ref if kind == 'orders' else party.store}"
            found = outcome(way, hearing, parties[0].people[role], path)
            if found != status:
                wrong[f"{kind} ({whose})"] = (status, found)
    assert wrong == {}


# spec: S1, T2
@pytest.mark.parametrize("role", Role)
def test_who_is_given_a_ticket_may_watch_by_it(role: Role, parties: tuple[Party, Party], hearing: Sockets):
    """Who is given none is in the table of the endpoints."""
    for kind, answers in SOCKETS.items():
        for party, status in zip(parties, answers.get(role, (403, 403)), strict=True):
            path = f"{kind}/{party.ref if kind == 'orders' else party.store}"
            made = call(parties[0].people[role], "post", f"/api/v1/live/{path}/ticket")
            assert made.status == status, path
            if status == 200:
                with hearing.at(made.body["url"]) as socket:
                    assert read(socket)["name"] == "snapshot"


# spec: S1, T3
def test_a_pages_ticket_opens_the_pages_own_socket_alone(parties: tuple[Party, Party], hearing: Sockets):
    url = {}
    for party in parties:
        placed = Order.objects.get(public_id=party.ref)
        links.url_of(placed, by=TEST)
        url[party.ref] = subscription.socket_url(TrackingLink.objects.get(order=placed))
    for party in parties:
        with hearing.at(url[party.ref]) as socket:
            assert read(socket)["topic"] == f"order:{party.ref}"
    ticket, mine = url[parties[0].ref].partition("?ticket=")[2], parties[0]
    for path in (f"orders/{mine.ref}", f"stores/{mine.store}", f"orders/{parties[1].ref}"):
        for name in ("ticket", "token"):
            assert refusal(hearing, f"/ws/{path}?{name}={ticket}") == 401
    for somebody in mine.people.values():
        assert refusal(hearing, f"/ws/track?token={token_of(somebody)}") == 401
        assert refusal(hearing, f"/ws/track?ticket={token_of(somebody)}") == 401


def refusal(hearing: Sockets, address: str) -> int:
    with pytest.raises(InvalidStatus) as refused, hearing.open(address):
        pass
    assert json.loads(refused.value.response.body or b"{}")["code"]
    return refused.value.response.status_code


# spec: S1, T2
def test_nobody_may_watch_anything(parties: tuple[Party, Party], hearing: Sockets):
    for path in (f"orders/{parties[0].ref}", f"stores/{parties[0].store}", "track"):
        for query in ("", "?token=", "?token=x.y.z", "?ticket=", "?ticket=x:y:z", "?ticket=%00"):
            assert refusal(hearing, f"/ws/{path}{query}") == 401, (path, query)


# spec: W7
@pytest.mark.parametrize(
    "path", ["stores/nowhere", "stores/%00", "stores/a%20b", "stores/" + "x" * 61, "stores/", "stores/a/b"]
)
def test_a_store_that_is_not_there_is_refused(path: str, parties: tuple[Party, Party], hearing: Sockets):
    assert outcome(by_header, hearing, parties[0].people[Role.OPS_LEAD], path) in (400, 404)
