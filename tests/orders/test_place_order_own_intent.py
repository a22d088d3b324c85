"""Placing an order that the storefront's own PaymentIntent pays (SPEC O4)."""

from dataclasses import replace

import pytest

from foundation import stripe
from foundation.errors import Conflict, Invalid
from orders import place_order
from orders.lifecycle import OrderStatus
from orders.models import Order, Payment
from tests.orders.stripe_side import all_intents, pay

pytestmark = pytest.mark.django_db


def own_intent(amount: int = 48_333, currency: str = "inr") -> stripe.PaymentIntent:
    return stripe.create_payment_intent(
        amount_minor=amount, currency=currency, metadata={"order": ""}, reference="", idempotency_key=f"own-{amount}"
    )


# spec: O4
def test_an_existing_intent_is_adopted(sandbox, storefront, wish) -> None:
    intent = own_intent()
    placed = place_order.place_order(storefront, replace(wish, payment_intent_id=intent.id))
    assert placed.order.stripe_payment_intent == intent.id
    assert placed.client_secret == intent.client_secret
    assert [intent["id"] for intent in all_intents()] == [placed.order.stripe_payment_intent]


# spec: O4, P1
def test_an_adopted_intent_that_is_paid_already_confirms_the_order(sandbox, storefront, wish) -> None:
    intent = own_intent()
    pay(intent.id).raise_for_status()
    placed = place_order.place_order(storefront, replace(wish, payment_intent_id=intent.id))
    assert placed.order.status == OrderStatus.STORE_NOTIFIED
    assert Payment.objects.get().stripe_payment_intent == intent.id


# spec: O4
@pytest.mark.parametrize("amount", [48_332, 48_334])
def test_an_intent_about_another_amount_is_refused_and_nothing_is_written(sandbox, storefront, wish, amount) -> None:
    intent = own_intent(amount)
    with pytest.raises(Invalid) as refused:
        place_order.place_order(storefront, replace(wish, payment_intent_id=intent.id))
    assert refused.value.field == "payment_intent_id"
    assert not Order.objects.exists()


@pytest.mark.parametrize("intent_id", ["pi_unknown", "ch_1", "pi_" + "x" * 80])
def test_an_intent_that_is_none_is_refused(sandbox, storefront, wish, intent_id) -> None:
    with pytest.raises(Invalid) as refused:
        place_order.place_order(storefront, replace(wish, payment_intent_id=intent_id))
    assert refused.value.field == "payment_intent_id"


def test_a_cancelled_intent_is_refused(sandbox, storefront, wish) -> None:
    intent = own_intent()
    stripe.cancel_payment_intent(intent.id, reference="", idempotency_key="c")
    with pytest.raises(Invalid, match="cancelled"):
        place_order.place_order(storefront, replace(wish, payment_intent_id=intent.id))


def test_one_intent_pays_one_order(sandbox, storefront, wish) -> None:
    intent = own_intent()
    place_order.place_order(storefront, replace(wish, payment_intent_id=intent.id))
    with pytest.raises(Conflict) as refused:
        place_order.place_order(storefront, replace(wish, order_id="A-2", payment_intent_id=intent.id))
    assert refused.value.code == "INTENT_IN_USE"
    assert Order.objects.count() == 1
