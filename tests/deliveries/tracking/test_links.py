"""Tracking links (SPEC T3): who is given one, what it opens, how it ends; and what stays out of the logs."""

import logging
import re
from datetime import timedelta

import pytest
from django.test import Client

from deliveries.models import TrackingLink
from deliveries.tracking import links
from foundation import clock
from foundation.errors import Conflict, NotFound
from foundation.masking import mask_event
from foundation.models import Event, Role
from orders.models import Order
from tests.admin_client import run_action
from tests.builders import TEST, assigned, moved, order, paid_order, rider, searching, signed_in, staff_of, user
from tests.phone_calls import call

pytestmark = pytest.mark.django_db
LIST = "/admin/deliveries/trackinglink/"


def token_of(placed: Order) -> str:
    url = links.url_of(placed, by=TEST)
    assert url is not None
    return url.rpartition("/")[2]


# spec: T3
def test_an_order_has_one_link_and_keeps_it(settings):
    placed = paid_order()
    url = links.url_of(placed, by=TEST)
    assert url == links.url_of(Order.objects.get(pk=placed.pk), by=TEST)
    assert re.fullmatch(rf"{settings.PUBLIC_URL}/track/[\w-]{{32}}", url)
    link = TrackingLink.objects.get()
    assert url.rpartition("/")[2] not in str(link.__dict__)
    assert links.resolve_token(token_of(placed)).order == placed
    assert token_of(paid_order()) != token_of(placed)


# spec: T3
def test_who_is_given_the_link():
    delivery = assigned(rider(), searching())
    placed = delivery.order
    for who, given in {
        placed.storefront: True,
        user(Role.OPS_AGENT): True,
        user(Role.OPS_LEAD): True,
        user(Role.FINANCE): False,
        user(Role.READ_ONLY): False,
        signed_in(placed.customer): False,
        staff_of(placed.store): False,
        delivery.rider.user: False,
    }.items():
        shown = call(who, "get", f"/orders/tracking/{placed.public_id}").body
        assert bool(shown["tracking_url"]) is given, who
    assert TrackingLink.objects.count() == 1


# spec: T3
def test_a_changed_secret_gives_a_new_link_and_the_old_one_works_on(settings):
    placed = paid_order()
    old = token_of(placed)
    first_secret = settings.SECRET_KEY
    settings.SECRET_KEY = "another-secret-" * 4
    new = token_of(placed)
    assert old != new
    settings.SECRET_KEY = first_secret  # a process that was not started again yet
    assert token_of(placed) == old
    assert TrackingLink.objects.count() == 2
    assert links.resolve_token(old).order == links.resolve_token(new).order == placed


# spec: T3
def test_a_link_ends_days_after_placing_or_hours_after_the_end(settings):
    placed = paid_order()
    token = token_of(placed)
    TrackingLink.objects.update(expires_at=clock.now())
    with pytest.raises(links.LinkExpired):
        links.resolve_token(token)
    done = moved(assigned(rider(), searching()), "delivered").order
    done.refresh_from_db()
    token = token_of(done)
    long_ago = clock.now() - timedelta(hours=settings.TRACKING_LINK_HOURS)
    Order.objects.filter(pk=done.pk).update(delivered_at=long_ago)
    with pytest.raises(links.LinkExpired):
        links.resolve_token(token)
    assert links.url_of(Order.objects.get(pk=done.pk), by=TEST) is None


# spec: T3
def test_ops_revokes_with_a_reason_once_and_the_next_link_is_another(client: Client):
    placed = paid_order()
    token = token_of(placed)
    link = TrackingLink.objects.get()
    client.force_login(user(Role.OPS_AGENT))
    run_action(client, LIST, "revoke_link", link, reason="sent to the wrong person")
    link.refresh_from_db()
    assert (link.revoked_at is None, link.revoke_reason) == (False, "sent to the wrong person")
    assert Event.objects.get(name=links.REVOKED).data["why"] == "sent to the wrong person"
    with pytest.raises(links.LinkExpired):
        links.resolve_token(token)
    with pytest.raises(Conflict):
        links.revoke_link(link.pk, "again", by=TEST)
    assert token_of(Order.objects.get(pk=placed.pk)) != token


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.FINANCE])
def test_who_only_looks_may_not_revoke(client: Client, role: Role):
    token = token_of(paid_order())
    client.force_login(user(role))
    run_action(client, LIST, "revoke_link", TrackingLink.objects.get(), reason="because")
    assert links.resolve_token(token).revoked_at is None


# spec: T3, S2
def test_a_link_that_does_not_work_says_nothing_more():
    gone = paid_order()
    over = token_of(gone)
    links.revoke_link(TrackingLink.objects.get().pk, "leaked", by=TEST)
    pages = {}
    for token, status in {"x": 404, "a" * 32: 404, "💥%00": 404, "o" * 5_000: 404, over: 410}.items():
        reply = call(None, "get", f"/track/{token}")
        assert reply.status == status, token
        assert reply.headers["Cache-Control"] == "private, no-store"
        pages[reply.body] = token
        for what in ("state", "ticket"):
            assert call(None, "get", f"/track/{token}/{what}").status == status
    assert len(pages) == 1
    assert gone.order_id not in next(iter(pages)).decode()
    with pytest.raises(NotFound):
        links.resolve_token("\udcff")


# spec: S2
def test_the_address_of_a_page_is_in_no_log(caplog):
    token = token_of(order())
    for said in (f"Not Found: /track/{token}", f"GET http://h/track/{token}/state 200"):
        line = mask_event(None, "info", {"event": said, "path": f"/track/{token}/ticket", "level": "info"})
        assert token not in str(line)
        assert "/track/•••" in line["event"]
        assert line["path"] == "/track/•••/ticket"
    with caplog.at_level(logging.DEBUG):
        call(None, "get", f"/track/{token}")
    from config.logs import LOGGING

    assert mask_event in LOGGING["formatters"]["json"]["foreign_pre_chain"]
