"""Races on the customer's page: one link for all who ask at once, one rating of all that are sent."""

import pytest

from deliveries.models import Rating, TrackingLink
from deliveries.tracking import links, ratings
from foundation.errors import Conflict
from orders.models import Order
from tests.builders import TEST, assigned, moved, paid_order, rider, searching
from tests.races.riders_and_orders import together

pytestmark = pytest.mark.django_db(transaction=True)
RACERS = 8


# spec: T3
def test_all_who_ask_at_once_are_given_one_link():
    placed = paid_order()
    urls = together([lambda: links.url_of(Order.objects.get(pk=placed.pk), by=TEST)] * RACERS)
    assert len(set(urls)) == 1
    assert TrackingLink.objects.count() == 1


# spec: R6, T1
def test_of_many_ratings_at_once_one_counts():
    delivery = moved(assigned(rider(), searching()), "delivered")
    said = together([lambda: ratings.rate_delivery(delivery.order_id, 5, by=TEST)] * RACERS)
    assert sum(isinstance(one, Conflict) for one in said) == RACERS - 1
    assert Rating.objects.count() == 1
