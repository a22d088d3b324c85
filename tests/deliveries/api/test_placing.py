"""`POST /orders/tracking/init` (SPEC O4, D3): placing through the API, against the sandbox's Stripe."""

from typing import Any

import pytest

from foundation.models import Role, User
from orders.models import Order, OrderItem
from tests.builders import near, signed_in, staff_of, store, user
from tests.phone_calls import Reply, call

pytestmark = pytest.mark.django_db
INIT = "/orders/tracking/init"


@pytest.fixture
def storefront() -> User:
    return user(Role.STOREFRONT)


@pytest.fixture
def body() -> dict[str, Any]:
    seller, door = store(), near(north_m=2000)
    return {
        "order_id": "A-1",
        "store_id": seller.slug,
        "customer": {"id": "c-1", "name": "Asha Rao", "email": "asha@example.test", "phone": "+918047102233"},
        "items": [{"id": "t-1", "name": "Thali", "quantity": 2, "price_minor": 20_000, "instructions": "no onions"}],
        "address": {"label": "Home", "address": "1 MG Road", "latitude": door.lat, "longitude": door.lng},
        "currency": "INR",
        "tax_minor": 2_000,
        "tip_minor": 1_000,
        "delivery_fee_minor": 5_000,
        "total_minor": 48_000,
        "instructions": "Ring bell twice",
        "delivery_preferences": {"contact_free": True, "entrance": "B"},
        "metadata": {"basket": 7},
    }


def place(somebody: User | None, body: Any, **headers: str) -> Reply:
    return call(somebody, "post", INIT, body, **headers)


# spec: O4, T1
def test_placing_answers_the_order_and_what_to_pay_with(sandbox, storefront: User, body: dict[str, Any]):
    reply = place(storefront, body)
    assert reply.status == 201, reply.body
    shown = reply.body
    assert (shown["order_id"], shown["store_id"], shown["customer_id"]) == ("A-1", body["store_id"], "c-1")
    assert (shown["current_status"], shown["payment_status"], shown["total_minor"]) == ("SUBMITTED", "unpaid", 48_000)
    assert [entry["status"] for entry in shown["status_history"]] == ["SUBMITTED"]
    assert shown["client_secret"].startswith("pi_")
    placed = Order.objects.get(public_id=shown["public_id"])
    assert (placed.customer_phone, placed.instructions) == ("+918047102233", "Ring bell twice")
    assert placed.delivery_preferences == {"contact_free": True, "call_before_arriving": False, "entrance": "B"}
    assert (placed.address_snapshot["label"], placed.point) == ("Home", near(north_m=2000))
    assert OrderItem.objects.get(order=placed).instructions == "no onions"
    assert "client_secret" not in call(storefront, "get", f"/orders/tracking/{shown['public_id']}").body


# spec: O4
def test_the_same_order_again_is_the_same_order_and_another_a_conflict(sandbox, storefront: User, body: dict[str, Any]):
    first, again = place(storefront, body), place(storefront, body)
    assert (first.status, again.status) == (201, 200)
    assert again.body["public_id"] == first.body["public_id"]
    assert again.body["client_secret"] == first.body["client_secret"]
    other = place(storefront, body | {"tip_minor": 2_000, "total_minor": 49_000})
    assert (other.status, other.code) == (409, "ORDER_ID_REUSED")
    assert Order.objects.count() == 1


# spec: O4
def test_an_idempotency_key_is_honoured(sandbox, storefront: User, body: dict[str, Any]):
    first = place(storefront, body, idempotency_key="k-1")
    again = place(storefront, dict(reversed(body.items())), idempotency_key="k-1")
    assert (first.status, again.status) == (201, 201)
    assert again.body["public_id"] == first.body["public_id"]
    other = place(storefront, body | {"order_id": "A-2"}, idempotency_key="k-1")
    assert (other.status, other.code) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert place(storefront, body, idempotency_key="k" * 256).status == 400


# spec: D3
@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        ({"latitude": None}, "NO_COORDINATES", "the address has no coordinates"),
        ({"latitude": 13.2}, "TOO_FAR", "25.40 km from the store, more than 15 km"),
    ],
)
def test_what_cannot_be_delivered_is_refused_and_said(
    sandbox, storefront: User, body: dict[str, Any], address: dict[str, Any], code: str, said: str
):
    reply = place(storefront, body | {"address": body["address"] | address})
    assert (reply.status, reply.code) == (422, code)
    assert reply.message == f"Order auto-rejected, reason: {said}"
    assert not Order.objects.exists()


# spec: O4, W7
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"order_id": None}, "order_id"),
        ({"order_id": "a b"}, "order_id"),
        ({"order_id": "x" * 65}, "order_id"),
        ({"order_id": 5}, "order_id"),
        ({"store_id": "nowhere"}, "store_id"),
        ({"customer": {}}, "customer.id"),
        ({"customer": {"id": "c d"}}, "customer_id"),
        ({"customer": {"id": "c-1", "email": "nobody"}}, "customer.email"),
        ({"customer": "c-1"}, "customer"),
        ({"items": []}, "items"),
        ({"items": {}}, "items"),
        ({"items": [{"name": "T", "quantity": 0, "price_minor": 1}]}, "items[0].quantity"),
        ({"items": [{"name": "T", "quantity": 1.0, "price_minor": 1}]}, "items[0].quantity"),
        ({"items": [{"name": "T", "quantity": True, "price_minor": 1}]}, "items[0].quantity"),
        ({"items": [{"name": "T", "quantity": 1, "price_minor": -1}]}, "items[0].price_minor"),
        ({"items": [{"name": "T", "quantity": 1, "price_minor": 10**30}]}, "items[0].price_minor"),
        ({"items": [{"name": "", "quantity": 1, "price_minor": 1}]}, "items[0].name"),
        ({"items": ["T"]}, "items[0]"),
        ({"address": {"address": "x", "latitude": 91, "longitude": 0}}, "address.latitude"),
        ({"address": {"address": "x", "latitude": "1", "longitude": 0}}, "address.latitude"),
        ({"address": {"latitude": 1, "longitude": 0}}, "address.address"),
        ({"currency": "USD"}, "currency"),
        ({"currency": "RUPEE"}, "currency"),
        ({"total_minor": 47_999}, "total_minor"),
        ({"tip_minor": "100"}, "tip_minor"),
        ({"tax_minor": -1}, "tax_minor"),
        ({"delivery_preferences": {"contact_free": "yes"}}, "delivery_preferences.contact_free"),
        ({"delivery_provider": "pigeon"}, "delivery_provider"),
        ({"promised_at": "soon"}, "promised_at"),
        ({"promised_at": "9999-12-31T23:59:00Z"}, "promised_at"),
        ({"promised_at": "0001-01-01T00:00:00Z"}, "promised_at"),
        ({"promised_at": "0001-01-01T00:00:00+14:00"}, "promised_at"),
        ({"payment_intent_id": "ch_1"}, "payment_intent_id"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"x": "y" * 20_000}}, "metadata"),
        ({"instructions": "x" * 501}, "instructions"),
    ],
)
def test_a_bad_order_is_refused_naming_the_field(sandbox, storefront: User, body: Any, change: Any, field: str):
    reply = place(storefront, {name: value for name, value in (body | change).items() if value is not None})
    assert (reply.status, reply.code) in ((400, "VALIDATION_ERROR"), (400, "MALFORMED_ID"))
    assert reply.message.startswith(f"{field}:"), reply.message
    assert not Order.objects.exists()


# spec: T1, S1
@pytest.mark.parametrize("role", [role for role in Role if role != Role.STOREFRONT])
def test_only_storefronts_place_orders(role: Role, body: dict[str, Any]):
    reply = place(user(role), body)
    assert (reply.status, reply.code) == (403, "FORBIDDEN")
    assert place(None, body).status == 401


# spec: S5
def test_without_stripe_it_says_so(settings, storefront: User, body: dict[str, Any]):
    settings.STRIPE_SECRET_KEY = ""
    reply = place(storefront, body)
    assert (reply.status, reply.code) == (503, "NOT_ENABLED")


# spec: O4, T1
def test_whose_order_it_is_decides_who_sees_it(sandbox, storefront: User, body: dict[str, Any]):
    placed = Order.objects.get(public_id=place(storefront, body).body["public_id"])
    for somebody in (staff_of(placed.store), signed_in(placed.customer), user(Role.READ_ONLY)):
        assert call(somebody, "get", f"/orders/tracking/{placed.public_id}").status == 200
    assert call(user(Role.STOREFRONT), "get", "/orders/tracking/A-1").status == 404
