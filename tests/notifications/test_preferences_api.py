"""The contract's notification endpoints: preferences, devices, WhatsApp (SPEC N1, N4)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from foundation.models import Role, User
from notifications.contacts import suppressions
from notifications.models import Message, PushToken, Recipient
from notifications.outbox import enqueue
from orders.models import Customer
from tests import builders
from tests.phone_calls import Reply, call

PHONE, MAIL = "+918012345678", "asha@customers.example"
PREFERENCES = "/notifications/preferences"
pytestmark = pytest.mark.django_db


@pytest.fixture
def customer(db) -> Customer:
    customer = builders.customer()
    Recipient.objects.filter(pk=customer.recipient_id).update(phone=PHONE, email=MAIL)
    builders.signed_in(customer)
    return Customer.objects.select_related("recipient", "user", "storefront").get(pk=customer.pk)


def shown(user: User, **query: str) -> dict:
    reply = call(user, "GET", PREFERENCES + ("?customer_id=" + query["of"] if query else ""))
    assert reply.status == 200, reply
    return reply.body


def put(user: User, **body) -> Reply:
    return call(user, "PUT", PREFERENCES, body)


# spec: N1
def test_the_contracts_shape(customer):
    assert shown(customer.user) == {
        "customer_id": customer.external_id,
        "channels": ["push", "whatsapp", "sms", "email"],
        "email": MAIL,
        "phone": PHONE,
        "push_tokens": [],
        "whatsapp_opted_in": False,
    }


# spec: N1
def test_what_is_sent_back_as_it_was_shown_changes_nothing(customer):
    suppressions.suppress_address("email", MAIL, "unsubscribed")
    seen = shown(customer.user)
    assert seen["channels"] == ["push", "whatsapp", "sms"]
    assert put(customer.user, **seen).body == seen
    customer.recipient.refresh_from_db()
    assert customer.recipient.channels == []
    assert suppressions.deliverable_addresses("email", [MAIL]) == []


# spec: N1 N3
def test_a_channel_that_is_listed_again_brings_its_address_back(customer):
    suppressions.suppress_address("email", MAIL, "unsubscribed")
    assert put(customer.user, channels=["email", "push"]).body["channels"] == ["email", "push"]
    assert suppressions.deliverable_addresses("email", [MAIL]) == [MAIL]


# spec: N1 N2
def test_no_channel_is_to_opt_out_and_any_is_to_come_back(customer):
    assert put(customer.user, channels=[]).body["channels"] == []
    customer.recipient.refresh_from_db()
    assert customer.recipient.opted_out_at
    assert put(customer.user, channels=["sms"]).body["channels"] == ["sms"]
    customer.recipient.refresh_from_db()
    assert customer.recipient.opted_out_at is None


def test_addresses_change_are_forgotten_and_must_be_good(customer):
    call(customer.user, "POST", "/notifications/whatsapp/opt-in")
    changed = put(customer.user, phone="+1 415 867 5309", email=None).body
    assert (changed["phone"], changed["email"]) == ("+14158675309", None)
    assert changed["whatsapp_opted_in"] is False  # it was said of the old number
    for body in ({"phone": "12"}, {"email": "nobody"}, {"channels": ["pigeon"]}, {"channels": "push"}):
        refused = put(customer.user, **body)
        assert (refused.status, set(refused.body)) == (400, {"detail", "code", "timestamp", "path"})
    assert shown(customer.user) == changed


# spec: N4
def test_a_device_belongs_to_its_latest_registrant(customer):
    other = builders.rider().user
    for user in (customer.user, other):
        assert call(user, "POST", "/notifications/push/register-token", {"token": "phone-1"}).status == 200
    assert shown(customer.user)["push_tokens"] == []
    assert shown(other)["push_tokens"] == ["phone-1"]

    gone = call(customer.user, "DELETE", "/notifications/push/unregister-token", {"token": "phone-1"})
    assert gone.status == 200
    assert shown(other)["push_tokens"] == ["phone-1"]
    call(other, "DELETE", "/notifications/push/unregister-token", {"token": "phone-1"})
    assert shown(other)["push_tokens"] == []


# spec: N1
def test_whatsapp_is_opted_in_to_and_out_of(customer):
    assert call(customer.user, "POST", "/notifications/whatsapp/opt-in").body["whatsapp_opted_in"] is True
    assert call(customer.user, "POST", "/notifications/whatsapp/opt-out").body["whatsapp_opted_in"] is False
    assert call(customer.user, "POST", "/notifications/whatsapp/opt-in").body["whatsapp_opted_in"] is True
    put(customer.user, phone="")
    refused = call(customer.user, "POST", "/notifications/whatsapp/opt-in")
    assert (refused.status, refused.code) == (400, "VALIDATION_ERROR")


# spec: N1 S1
def test_a_storefront_speaks_for_its_own_customers_only(customer):
    theirs = builders.customer()
    front = customer.storefront
    assert shown(front, of=customer.external_id)["email"] == MAIL
    changed = call(front, "PUT", PREFERENCES, {"customer_id": customer.external_id, "channels": ["email"]})
    assert changed.body["channels"] == ["email"]
    for query in (theirs.external_id, "nobody"):
        assert call(front, "GET", f"{PREFERENCES}?customer_id={query}").status == 404
    for query in ("", "?customer_id=", "?customer_id=%00", "?customer_id=a%20b"):
        assert call(front, "GET", PREFERENCES + query).status == 400
    both = {"customer_id": theirs.external_id, "channels": []}
    assert call(front, "PUT", f"{PREFERENCES}?customer_id={customer.external_id}", both).status == 400
    twice = f"{PREFERENCES}?customer_id={customer.external_id}&customer_id={theirs.external_id}"
    assert call(front, "GET", twice).status == 400


# spec: S1
def test_nobody_else_speaks_for_a_customer(customer):
    other = builders.signed_in(builders.customer())
    assert call(other, "GET", f"{PREFERENCES}?customer_id={customer.external_id}").status == 404
    assert call(builders.user(Role.CUSTOMER), "GET", PREFERENCES).status == 403
    assert call(builders.user(Role.OPS_LEAD), "GET", PREFERENCES).status == 403


# spec: N3
def test_an_app_acknowledges_its_own_pushes_only(customer):
    enqueue.enqueue_message(
        customer.recipient_id, "delivery.completed", {"orderId": "o", "totalPaise": 1}, dedupe="d:1"
    )
    message = Message.objects.get()
    path = f"/api/v1/notifications/{message.public_id}/ack"
    other = builders.signed_in(builders.customer())
    for user, of in ((other, path), (customer.user, "/api/v1/notifications/nothing/ack")):
        assert call(user, "POST", of).status == 404
    for _ in range(2):
        assert call(customer.user, "POST", path).body == {"acknowledged": True}
    front = customer.storefront
    assert call(front, "POST", f"{path}?customer_id={customer.external_id}").body == {"acknowledged": True}
    theirs = builders.customer(front)
    assert call(front, "POST", f"{path}?customer_id={theirs.external_id}").status == 404
    assert call(builders.customer().storefront, "POST", f"{path}?customer_id={customer.external_id}").status == 404
    message.refresh_from_db()
    assert message.receipt == "read"


def test_store_staff_speak_for_their_store():
    store = builders.store()
    assert shown(builders.staff_of(store))["customer_id"] == store.slug


# spec: N4
@pytest.mark.django_db(transaction=True)
def test_a_device_that_many_register_at_once_is_one_persons():
    people = [builders.signed_in(builders.customer()) for _ in range(4)]

    def register(user: User) -> int:
        try:
            return call(user, "POST", "/notifications/push/register-token", {"token": "phone-1"}).status
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as hands:
        assert set(hands.map(register, people * 4)) == {200}
    assert PushToken.objects.count() == 1
