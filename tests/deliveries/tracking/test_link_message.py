"""Customers are told where to follow their order, as soon as it is paid (SPEC T3, N4)."""

from urllib.parse import urlsplit

import pytest
from django.db import transaction
from django.test import Client

from deliveries.tracking import link_message
from foundation import jobs
from notifications.content.catalogue import CATALOGUE
from notifications.models import Message
from orders import cancellation, locks
from orders.models import Order
from tests.builders import TEST, order, paid, paid_order
from tests.queues import drain_queues

pytestmark = pytest.mark.django_db(transaction=True)


def invitations_of(placed: Order) -> list[Message]:
    return list(Message.objects.filter(event=link_message.EVENT, order_ref=placed.public_id))


# spec: T3, N4
def test_a_paid_order_is_followed_by_the_message_that_leads_to_its_page():
    placed = order()
    assert invitations_of(placed) == []
    paid(placed)
    drain_queues(jobs.QUEUE)
    (message,) = invitations_of(placed)
    assert message.recipient == placed.customer.recipient
    said = CATALOGUE[message.event].render_text("en", message.params)
    assert said.body.startswith(f"{placed.store.name} has your order {placed.order_id}. Follow it at http")
    page = Client().get(urlsplit(message.params["link"]).path)
    assert (page.status_code, placed.order_id in page.content.decode()) == (200, True)


def test_it_is_said_once():
    placed = paid_order()
    for _ in range(3):
        link_message.send_tracking_link(placed.pk)
    assert len(invitations_of(placed)) == 1


def test_of_an_order_that_is_over_nobody_is_invited_to_anything():
    placed = paid_order()
    with transaction.atomic():
        cancellation.cancel_order(locks.lock_order(placed.pk), by=TEST, reason="the customer called")
    link_message.send_tracking_link(placed.pk)
    assert invitations_of(placed) == []
