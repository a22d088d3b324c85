"""The call button of the customer's page: put through, numbers unseen (SPEC T3)."""

from typing import Any

import pytest
from django.test import Client

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery
from foundation.models import Event
from notifications.channels import twilio_client
from notifications.models import PhoneCall
from tests.builders import assigned, moved, paid_order, ready, rider, searching
from tests.deliveries.tracking.test_page import address, send, shown, state

pytestmark = pytest.mark.django_db
ASHA, RAVI = "+918012345678", "+919812345610"


@pytest.fixture(autouse=True)
def telephone(settings) -> None:
    settings.PLAUSIBLE_SPEED_M_PER_S = 1e9
    for name in twilio_client.CREDENTIALS:
        setattr(settings, name, "+15005550006")


def carried(**facts: Any) -> Delivery:
    placed = ready(paid_order(**{"customer_phone": ASHA, **facts}))
    return assigned(rider("Ravi Kumar", phone=RAVI), searching(placed))


# spec: T3, T4
def test_the_page_has_a_button_and_no_number():
    delivery = carried()
    page, told = shown(delivery.order), state(delivery.order)
    assert told["driver"] == {"name": "Ravi", "vehicle": "", "call": "Call Ravi"}
    assert "Call Ravi" in page
    for number in (RAVI, ASHA):
        assert number[3:] not in page + str(told)


# spec: T3
def test_the_button_has_the_customer_put_through_to_who_carries_it_now():
    delivery = carried()
    assert send(delivery.order, "call").status_code == 303
    call = PhoneCall.objects.get()
    assert (call.caller, call.callee, call.order_ref) == (ASHA, RAVI, delivery.order.public_id)
    assert call.language == "en-US"
    assert state(delivery.order)["calling"].startswith("Your phone rings")
    assert "Your phone rings in a moment" in shown(delivery.order)
    delivery.order.refresh_from_db()
    event = Event.objects.get(name="order.driver_called")
    assert (event.version, event.data) == (delivery.order.version, {})
    again = send(delivery.order, "call")
    assert (again.status_code, "Your phone rings in a moment" in again.content.decode()) == (409, True)
    assert PhoneCall.objects.count() == 1


def test_people_are_greeted_in_their_language():
    delivery = carried()
    recipient = delivery.order.customer.recipient
    recipient.language = "hi-IN"
    recipient.save()
    send(delivery.order, "call")
    call = PhoneCall.objects.get()
    assert (call.language, "जोड़" in call.greeting) == ("hi-IN", True)


def test_before_and_after_there_is_nobody_to_call():
    placed = paid_order(customer_phone=ASHA)
    assert send(placed, "call").status_code == 409
    delivery = carried()
    moved(delivery, DeliveryStatus.DELIVERED)
    assert "Call Ravi" not in shown(delivery.order)
    assert send(delivery.order, "call").status_code == 409
    assert not PhoneCall.objects.exists()


@pytest.mark.parametrize("off", ["customer", "account"])
def test_without_a_number_or_an_account_there_is_no_button(settings, off: str):
    if off == "account":
        settings.TWILIO_AUTH_TOKEN = ""
    delivery = carried(customer_phone="" if off == "customer" else ASHA)
    assert state(delivery.order)["driver"]["call"] == ""
    assert send(delivery.order, "call").status_code == 409
    assert not PhoneCall.objects.exists()


def test_only_the_page_may_ask():
    delivery = carried()
    assert Client().post(address(delivery.order) + "/call").status_code == 403
    assert not PhoneCall.objects.exists()
