"""A socket that loses its right is closed and says why (SPEC T2, S1), and so is no other."""

from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from rest_framework_simplejwt.tokens import AccessToken
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from deliveries import permissions
from deliveries.fulfilment import offer_responses, ops_actions
from deliveries.models import TrackingLink
from deliveries.permissions import AccessState
from deliveries.realtime import authentication, subscriptions, tickets
from deliveries.realtime.subscriptions import OrderSubscription, StoreSubscription
from deliveries.tracking import links
from deliveries.tracking.page import subscription
from foundation import clock
from foundation.errors import APIError
from foundation.models import Role, User
from orders.models import Customer, Order
from orders.stores import stores
from riders.models import Rider
from tests.api.conftest import Party
from tests.builders import TEST, acknowledged, assigned, offered, paid_order, rider, signed_in, staff_of, store, user
from tests.deliveries.realtime.sockets_process import Sockets, announce, closed_with, read, read_until
from tests.phone_calls import call, token_of

pytestmark = pytest.mark.django_db(transaction=True)
GONE = (4403, "no longer yours to see")
SIGNED_OUT = (4401, "user is not active")
LINK_OVER = (4403, "link is over")
SOON_S = 4.0  # sooner than by looking again every few seconds


def deactivate(somebody: User) -> None:
    User.objects.filter(pk=somebody.pk).update(is_active=False)


def page_of(sockets: Sockets, placed: Order) -> ClientConnection:
    links.url_of(placed, by=TEST)
    return sockets.at(subscription.socket_url(TrackingLink.objects.get(order=placed)))


# spec: T2, S1
def test_whoever_loses_the_right_is_closed_and_nobody_else(hearing: Sockets):
    """All of them at once: what is not said by an event is found by looking again."""
    placed = paid_order()
    here, moves, leaves, demoted = placed.store, staff_of(placed.store), user(), user()
    buyer, paged = signed_in(placed.customer), paid_order()
    stays = [staff_of(here), placed.storefront, user(Role.READ_ONLY)]
    shop = placed.storefront
    offer = offered(rider("Asked"))
    with ExitStack() as open_:
        watching_order = {
            one: open_.enter_context(hearing.watch(one, placed)) for one in (moves, leaves, demoted, buyer)
        }
        watching_store = {one: open_.enter_context(hearing.watch_store(one, here)) for one in (moves, leaves, demoted)}
        asked = open_.enter_context(hearing.watch(offer.rider.user, offer.delivery.order))
        page = open_.enter_context(page_of(hearing, paged))
        staying = [open_.enter_context(hearing.watch(one, placed)) for one in stays]
        staying += [open_.enter_context(hearing.watch_store(one, here)) for one in (*stays, shop)]
        for socket in (*watching_order.values(), *watching_store.values(), asked, page, *staying):
            assert read(socket)["name"] == "snapshot"

        stores.assign_staff(moves, store())
        deactivate(leaves)
        User.objects.filter(pk=demoted.pk).update(role=Role.RIDER)
        Customer.objects.filter(user=buyer).update(user=None)
        offer_responses.reject_offer(offer.pk, offer.rider, "too far", by=TEST)
        TrackingLink.objects.filter(order=paged).update(expires_at=clock.now() - timedelta(seconds=1))

        for sockets in (watching_order, watching_store):
            assert closed_with(sockets[moves]) == GONE
            assert closed_with(sockets[leaves]) == SIGNED_OUT
            assert closed_with(sockets[demoted]) == GONE
        assert closed_with(watching_order[buyer]) == GONE
        assert closed_with(asked) == GONE
        assert closed_with(page) == LINK_OVER

        acknowledged(placed)
        announce()
        assert all(read_until(socket, "order:status") for socket in staying)


# spec: T2, S1, R5
def test_who_lost_the_order_to_another_does_not_even_hear_of_it(hearing: Sockets):
    delivery = assigned(rider("First"))
    first, second = delivery.rider, rider("Second")
    assert isinstance(first, Rider)
    announce()
    with hearing.watch(first.user, delivery.order) as loser, hearing.watch(user(), delivery.order) as ops:
        read(loser), read(ops)
        ops_actions.give_to(delivery.order_id, second.public_id, by=TEST)
        announce()
        assert heard(loser, within_s=SOON_S) == []
        assert closed_with(loser) == GONE
        assert read_until(ops, "delivery:driver")


# spec: T3, S1
def test_a_page_whose_link_is_taken_back_is_closed_at_once(hearing: Sockets):
    placed = paid_order()
    with page_of(hearing, placed) as page:
        read(page)
        announce()
        links.revoke_link(TrackingLink.objects.get(order=placed).pk, "sent to the wrong person", by=TEST)
        announce()
        assert heard(page, within_s=SOON_S) == []
        assert closed_with(page) == LINK_OVER


def heard(socket: ClientConnection, within_s: float) -> list[Any]:
    """What was said before it was closed, which must be soon."""
    messages: list[Any] = []
    try:
        while True:
            messages.append(socket.recv(timeout=within_s))
    except ConnectionClosed:
        return messages


# ── the rules, asked of many at once ─────────────────────────────────────────────────────────────────────────────
# spec: S1, T1
@pytest.mark.parametrize("role", Role)
def test_asked_of_many_the_rules_are_the_same(role: Role):
    """access.visible_order and visible_store against the statements that look again, on own and on others'."""
    mine, other = Party(), Party()
    somebody = mine.people[role]
    placed = [Order.objects.select_related("store").get(public_id=party.ref) for party in (mine, other)]
    found = permissions.still_sees_orders([(somebody.pk, one.pk) for one in placed])
    for one in placed:
        assert (found[somebody.pk, one.pk] == AccessState.ALLOWED) is let_in(
            permissions.visible_order, somebody, one.public_id
        )
    own_only = permissions.own_orders_only(somebody) is not None
    found = permissions.still_sees_stores([(somebody.pk, one.store_id) for one in placed], [own_only] * 2)
    for one in placed:
        assert (found[somebody.pk, one.store_id] == AccessState.ALLOWED) is let_in(
            permissions.visible_store, somebody, one.store.slug
        )
    User.objects.filter(pk=somebody.pk).update(is_active=False)
    found = permissions.still_sees_orders([(somebody.pk, placed[0].pk)])
    assert found == {(somebody.pk, placed[0].pk): AccessState.SIGNED_OUT}


def let_in(look: Any, *who: Any) -> bool:
    try:
        look(*who)
    except APIError:
        return False
    return True


# spec: T2, S1
def test_a_storefront_that_once_was_staff_does_not_go_on_hearing_of_others():
    placed, somebody = paid_order(), user()
    watcher = StoreSubscription(
        topic="store:x", expires_at=0.0, user_id=somebody.pk, store_id=placed.store_id, only_of=None
    )
    assert subscriptions.find_refused([watcher]) == {}
    User.objects.filter(pk=somebody.pk).update(role=Role.STOREFRONT)
    assert subscriptions.find_refused([watcher]) == {watcher: subscriptions.LOST}


# spec: T2
def test_however_many_watch_each_kind_is_one_statement(django_assert_num_queries):
    placed, everybody = paid_order(), [user() for _ in range(5)]
    links.url_of(placed, by=TEST)
    link = TrackingLink.objects.get(order=placed)
    crowd: list[subscriptions.Subscription] = [
        subscription.LinkSubscription(topic="order:x", expires_at=float(number), link_id=link.pk)
        for number in range(10)
    ]
    for one in everybody:
        crowd.append(OrderSubscription(topic="order:x", expires_at=0.0, user_id=one.pk, order_id=placed.pk))
        known = {"user_id": one.pk, "store_id": placed.store_id, "only_of": None}
        crowd.append(StoreSubscription(topic="store:x", expires_at=0.0, **known))
    with django_assert_num_queries(3):
        assert subscriptions.find_refused(crowd) == {}
    links.revoke_link(link.pk, "leaked", by=TEST)
    assert set(subscriptions.find_refused(crowd)) == set(crowd[:10])


# ── tickets ──────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: T2, S1, S2
def test_a_ticket_opens_one_socket_for_a_minute_and_stays_out_of_the_log(hearing: Sockets):
    placed, other = paid_order(), paid_order()
    somebody = user(Role.READ_ONLY)
    for what, topic in (
        (f"orders/{placed.public_id}", f"order:{placed.public_id}"),
        (f"orders/{placed.order_id}", f"order:{placed.public_id}"),
        (f"stores/{placed.store.slug}", f"store:{placed.store.slug}"),
    ):
        made = call(somebody, "post", f"/api/v1/live/{what}/ticket")
        assert (made.status, made.body["expires_in"]) == (200, tickets.TICKET_S)
        with hearing.at(made.body["url"]) as socket:
            assert read(socket)["topic"] == topic
        path, _, ticket = made.body["url"].partition("/ws/")[2].partition("?ticket=")
        assert ticket not in hearing.log
        for wrong_path, wrong in (
            (f"/ws/orders/{other.public_id}", ticket),
            (f"/ws/stores/{other.store.slug}", ticket),
            (f"/ws/{path}", ticket[:-1]),
            (f"/ws/{path}", ""),
            (f"/ws/{path}", token_of(somebody)),
        ):
            with pytest.raises(InvalidStatus) as refused:
                hearing.at(f"ws://x{wrong_path}?ticket={wrong}")
            assert refused.value.response.status_code == 401
        with time_machine.travel(clock.now() + timedelta(seconds=tickets.TICKET_S + 1)), pytest.raises(APIError):
            authentication.admit_socket(f"/ws/{path}", f"ticket={ticket}", {})


# spec: T2, S1
def test_a_socket_by_ticket_ends_with_the_token_and_the_user(hearing: Sockets):
    placed = paid_order()
    token = AccessToken.for_user(placed.storefront)
    token.set_exp(lifetime=timedelta(seconds=6))
    path = f"/api/v1/live/orders/{placed.public_id}/ticket"
    url = call(None, "post", path, authorization=f"Bearer {token}").body["url"]
    with hearing.at(url) as socket:
        assert closed_with(socket) == (4401, "token expired")
    url = call(placed.storefront, "post", path).body["url"]
    deactivate(placed.storefront)
    with pytest.raises(InvalidStatus):
        hearing.at(url)


# spec: T2, S1
def test_a_storefronts_page_may_open_sockets_where_its_origin_is_known(settings):
    settings.SOCKETS_ORIGINS = ["https://shop.example"]
    authentication.require_known_origin("https://shop.example")
    authentication.require_known_origin(None)
    for origin in ("https://evil.example", "null", "https://shop.example.evil.example"):
        with pytest.raises(APIError):
            authentication.require_known_origin(origin)
