"""Every endpoint of this room against the table of hostile bodies (SPEC W7): a clear 4xx in its family, never a 5xx."""

from typing import Any

import pytest

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery
from foundation.models import Event, User
from orders.models import Order
from tests.builders import assigned, offered, rider, searching, staff_of, user
from tests.hostile import BODIES, VALUES
from tests.phone_calls import Reply, call

pytestmark = pytest.mark.django_db
RIDER_BODY, TRACKING_BODY = {"success", "message", "errorCode"}, {"detail", "code", "timestamp", "path"}
# name -> (who, method, path, fields that it reads)
ENDPOINTS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "reject": ("rider", "patch", "/api/v1/rider/orders/{offered}/reject", ("reason",)),
    "rider status": ("rider", "patch", "/api/v1/rider/orders/{assigned}/status", ("status", "lat", "lng")),
    "rider location": ("rider", "post", "/api/v1/rider/location", ("lat", "lng", "accuracy", "recordedAt", "points")),
    "init": ("storefront", "post", "/orders/tracking/init", (
        "order_id", "store_id", "customer", "items", "address", "currency", "tax_minor", "delivery_preferences",
        "delivery_provider", "promised_at", "metadata",
    )),
    "status": ("store", "put", "/orders/tracking/{assigned}/status", ("status", "lat", "reason")),
    "acknowledge": ("store", "post", "/orders/tracking/{assigned}/acknowledge", ("prep_minutes",)),
    "substitutions": ("storefront", "put", "/orders/tracking/{assigned}/substitutions", ("proposals", "decisions")),
    "driver": ("ops", "put", "/orders/tracking/{assigned}/driver", ("driver_id", "phone", "vehicle")),
    "location": ("rider", "put", "/orders/tracking/{assigned}/location", ("lat", "lng", "accuracy", "recorded_at")),
    "delivered": ("ops", "put", "/orders/tracking/{assigned}/delivered", ("lat", "lng", "reason")),
}  # fmt: skip
IGNORES_ITS_BODY = {
    "accept": ("rider", "patch", "/api/v1/rider/orders/{assigned}/accept"),
    "detail": ("rider", "get", "/api/v1/rider/orders/{assigned}"),
    "get": ("store", "get", "/orders/tracking/{assigned}"),
}


class Scene:
    """One order that is assigned to a rider, and one that is offered to the same rider."""

    def __init__(self) -> None:
        one = rider()
        self.delivery: Delivery = assigned(one, searching())
        self.offer = offered(one, searching())
        order = self.delivery.order
        self.people: dict[str, User] = {
            "rider": one.user,
            "store": staff_of(order.store),
            "storefront": order.storefront,
            "ops": user(),
        }
        self.refs = {"assigned": order.public_id, "offered": self.offer.delivery.order.public_id}

    def send(self, who: str, method: str, path: str, **what: Any) -> Reply:
        return call(self.people[who], method, path.format(**self.refs), **what)

    def unchanged(self) -> tuple[Any, ...]:
        self.delivery.refresh_from_db()
        self.offer.refresh_from_db()
        return self.delivery.status, self.offer.status, Event.objects.count(), Order.objects.count()


def refused_in_its_family(path: str, reply: Reply) -> bool:
    wanted = RIDER_BODY if path.startswith("/api/v1/rider") else TRACKING_BODY
    return 400 <= reply.status < 500 and isinstance(reply.body, dict) and set(reply.body) == wanted


# spec: W7
@pytest.mark.parametrize("name", ENDPOINTS)
def test_a_body_that_cannot_be_read_is_refused_and_changes_nothing(name: str):
    scene = Scene()
    who, method, path, _ = ENDPOINTS[name]
    before, stumbled = scene.unchanged(), {}
    for title, hostile in BODIES.items():
        if name == "rider location" and title == "a list of lists":
            continue  # a list of points, none of which is one: answered point by point
        reply = scene.send(who, method, path, raw=hostile.raw, content_type=hostile.content_type)
        if not refused_in_its_family(path, reply):
            stumbled[title] = reply
    assert stumbled == {}
    assert scene.unchanged() == before


# spec: W7
@pytest.mark.parametrize("name", ENDPOINTS)
def test_a_field_of_another_kind_never_makes_it_stumble(name: str):
    scene = Scene()
    who, method, path, fields = ENDPOINTS[name]
    stumbled = {}
    for field in fields:
        for title, value in VALUES.items():
            reply = scene.send(who, method, path, body={"status": "PICKED_UP", "reason": "x"} | {field: value})
            if reply.status >= 500:
                stumbled[f"{field}: {title}"] = reply
    assert stumbled == {}
    scene.delivery.refresh_from_db()
    assert scene.delivery.status in (DeliveryStatus.ASSIGNED, DeliveryStatus.PICKED_UP)


# spec: W7
@pytest.mark.parametrize("name", IGNORES_ITS_BODY)
def test_an_endpoint_that_reads_no_body_does_not_care_for_one(name: str):
    scene = Scene()
    who, method, path = IGNORES_ITS_BODY[name]
    for title, hostile in BODIES.items():
        reply = scene.send(who, method, path, raw=hostile.raw, content_type=hostile.content_type)
        assert reply.status < 500, (title, reply)


# spec: W7
@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer x.y.z", "Bearer \u00e9", "Basic dTpw", "bearer null", "x" * 9_000]
)
@pytest.mark.parametrize("path", ["/api/v1/rider/orders", "/orders/tracking/o_x"])
def test_a_token_that_is_none_is_refused(path: str, header: str):
    reply = call(None, "get", path, authorization=header)
    assert (reply.status, reply.code) == (401, "NOT_AUTHENTICATED")
