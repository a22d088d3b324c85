"""How often the customer's page may be asked for (SPEC S2, T3): honest pages never meet a limit, others do."""

import re
from typing import Any

import pytest
from django.test import Client

from deliveries.models import TrackingLink
from deliveries.tracking import links
from foundation.models import Event
from orders.models import Order
from tests.builders import TEST, paid_order
from tests.phone_calls import call

pytestmark = pytest.mark.django_db
FAMILY, POLLS_A_MINUTE = 8, 6


def address(placed: Order) -> str:
    url = links.url_of(placed, by=TEST)
    assert url is not None
    return "/" + url.split("/", 3)[3]


def statuses(path: str, times: int, **headers: str) -> list[int]:
    return [call(None, "get", path, **headers).status for _ in range(times)]


# spec: S2, T3
def test_looking_is_limited_by_link_and_says_when_it_goes_on(settings):
    settings.TRACKING_LOOKS_PER_MINUTE = 5
    mine, other = address(paid_order()), address(paid_order())
    assert statuses(mine + "/state", 5) == [200] * 5
    refused = call(None, "get", mine + "/state")
    assert (refused.status, refused.code) == (429, "TOO_MANY_REQUESTS")
    assert 0 < int(refused.headers["Retry-After"]) <= 12
    assert refused.headers["Cache-Control"] == "private, no-store"
    assert call(None, "get", mine + "/ticket").status == 429
    page = Client().get(mine)
    assert (page.status_code, "wait a moment" in page.content.decode()) == (429, True)
    assert "does not work" not in page.content.decode()
    assert call(None, "get", other + "/state").status == 200


# spec: S2, T3
def test_a_family_with_open_pages_never_meets_the_limit():
    """Everybody opens the page at the same moment and then asks for a minute, all on one link and one address."""
    mine = address(paid_order())
    assert statuses(mine, FAMILY) == [200] * FAMILY
    assert statuses(mine + "/ticket", FAMILY) == [200] * FAMILY
    assert statuses(mine + "/state", FAMILY * POLLS_A_MINUTE) == [200] * FAMILY * POLLS_A_MINUTE


# spec: S2
def test_guessing_is_limited_by_address(settings):
    settings.USELESS_LINKS_PER_MINUTE, settings.TRUSTED_PROXIES = 3, 1
    there, here = {"x_forwarded_for": "198.51.100.1"}, {"x_forwarded_for": "203.0.113.9"}
    mine = address(paid_order())
    assert statuses("/track/guessed/state", 5, **there) == [404, 404, 404, 429, 429]
    assert statuses(mine + "/state", 1, **there) == [429]  # it could be a good guess
    assert statuses(mine + "/state", 1, **here) == [200]
    links.revoke_link(TrackingLink.objects.get().pk, "leaked", by=TEST)
    assert statuses(mine + "/state", 4, **here) == [410, 410, 410, 429]


# spec: S2
def test_the_forms_are_limited_and_say_so_on_the_page(settings):
    settings.TRACKING_FORMS_PER_HOUR = 2
    mine = address(paid_order())
    token = re.search(r'name="form_token" value="(\w+)"', Client().get(mine).content.decode())
    assert token is not None

    def send(entrance: str) -> Any:
        return Client().post(f"{mine}/preferences", {"form_token": token[1], "entrance": entrance})

    assert [send(gate).status_code for gate in ("A", "B")] == [303, 303]
    refused = send("C")
    assert (refused.status_code, "try again in" in refused.content.decode()) == (429, True)
    assert int(refused.headers["Retry-After"]) > 0
    assert "<form" in refused.content.decode()  # it is the page, and what was typed can be sent later
    assert Event.objects.filter(name="order.preferences_changed").count() == 2
