"""Placing an order: one order per id, resumable after a crash between any two of its three steps (SPEC O4)."""

from contextlib import suppress
from dataclasses import replace

import pytest

from foundation import idempotency, stripe
from foundation.errors import CallFailed, Conflict, Invalid, NotEnabled, Transient, Unknown
from foundation.models import Event, IdempotencyKey, Role
from notifications.models import Recipient
from orders import cancellation, locks, payment_intents, payments, place_order
from orders.lifecycle import OrderStatus
from orders.models import Customer, IntentCancellation, Order, OrderItem, Store
from orders.place_order import OrderCustomer, OrderRequest, RequestedItem
from tests import builders
from tests.orders.stripe_side import all_intents
from tests.sandbox.process import until

pytestmark = pytest.mark.django_db


def intents_at_stripe(sandbox) -> list[dict]:
    calls = sandbox.control("GET", "calls?provider=stripe&limit=1000")["calls"]
    return [call for call in calls if call["path"].endswith("/v1/payment_intents") and call["method"] == "POST"]


# spec: O4
def test_a_placed_order_has_its_rows_its_money_and_a_client_secret(sandbox, storefront, wish) -> None:
    placed = place_order.place_order(storefront, wish)
    order = Order.objects.get()
    assert placed.created
    assert placed.order.pk == order.pk
    assert order.status == OrderStatus.PENDING
    assert (order.items_minor, order.total_minor) == (40_333, 48_333)
    assert order.store_share_minor == 40_333 - 6_050 + 2_000  # 15 % of 40,333 is 6,049.95
    assert (order.customer_name, order.customer_phone) == ("Asha Rao", "+918047102233")
    assert (order.latitude, order.address_snapshot["landmark"]) == (wish.address["latitude"], "the bank")
    assert [str(item) for item in OrderItem.objects.filter(order=order)] == ["2 × Thali", "1 × Lassi"]
    assert Event.objects.get(order_ref=order.public_id).name == "order.placed"
    intent = stripe.retrieve_payment_intent(order.stripe_payment_intent)
    assert (intent.amount_minor, intent.currency, intent.metadata) == (48_333, "INR", {"order": order.public_id})
    assert placed.client_secret == order.client_secret == intent.client_secret


# spec: O4
def test_the_same_order_twice_is_the_same_order(sandbox, storefront, wish) -> None:
    first, second = place_order.place_order(storefront, wish), place_order.place_order(storefront, wish)
    assert (first.created, second.created) == (True, False)
    assert first.order.pk == second.order.pk
    assert first.client_secret == second.client_secret
    assert OrderItem.objects.count() == 2
    assert len(intents_at_stripe(sandbox)) == 1


# spec: O4
@pytest.mark.parametrize(
    "change",
    [
        {"tip_minor": 1_001},
        {"instructions": "with onions"},
        {"items": (RequestedItem(name="Thali", quantity=2, price_minor=20_166),)},
        {"metadata": {"basket": 8}},
        {"substitution_preference": "accept"},
    ],
)
def test_the_same_id_with_another_content_is_a_conflict(sandbox, storefront, wish, change) -> None:
    place_order.place_order(storefront, wish)
    with pytest.raises(Conflict) as refused:
        place_order.place_order(storefront, replace(wish, **change))
    assert (refused.value.status, refused.value.code) == (409, "ORDER_ID_REUSED")
    assert Order.objects.count() == 1


# spec: O4, O6
def test_a_preference_is_kept_and_one_that_is_not_given_leaves_the_hash_as_it_was(sandbox, storefront, wish) -> None:
    """Orders of before there was one are found again by their content."""
    plain = OrderRequest(
        order_id="1", store="s", buyer=OrderCustomer(external_id="c"), items=(), address={}, currency="INR"
    )
    assert plain.content_hash() == "417082172d63fa45c7e8752862d00c6351dd36e6d03e72160310d0f4e10b2b9d"
    placed = place_order.place_order(storefront, replace(wish, substitution_preference="accept"))
    assert placed.order.substitution_preference == "accept"
    assert placed.order.authorised_minor == placed.order.total_minor


def test_two_storefronts_may_use_the_same_id_and_each_finds_its_own(sandbox, storefront, wish) -> None:
    other = builders.user(Role.STOREFRONT)
    mine, theirs = place_order.place_order(storefront, wish).order, place_order.place_order(other, wish).order
    assert locks.find_order(storefront, "A-1").pk == mine.pk
    assert locks.find_order(other, "A-1").pk == theirs.pk
    assert locks.find_order(None, mine.public_id).pk == mine.pk
    with pytest.raises(Conflict):
        locks.find_order(None, "A-1")
    assert Customer.objects.count() == 2


def test_a_customer_is_known_by_the_storefront_s_id(sandbox, storefront, wish) -> None:
    place_order.place_order(storefront, wish)
    place_order.place_order(storefront, replace(wish, order_id="A-2"))
    assert Customer.objects.count() == 1
    assert Recipient.objects.filter(email="asha@example.test").count() == 1


# spec: N2
def test_a_customers_day_is_that_of_the_store_they_order_from(sandbox, storefront, wish, store) -> None:
    for number, zone in enumerate(("Asia/Kolkata", "America/New_York", "America/New_York")):
        Store.objects.filter(pk=store.pk).update(time_zone=zone)
        place_order.place_order(storefront, replace(wish, order_id=f"A-{number}"))
        assert Customer.objects.get().recipient.time_zone == zone


# ── Idempotency-Key ──────────────────────────────────────────────────────────────────────────────────────────────
# spec: O4
def test_a_repeated_key_is_the_same_request_and_says_created_again(sandbox, storefront, wish) -> None:
    first = place_order.place_order(storefront, wish, "key-1", "print-1")
    again = place_order.place_order(storefront, wish, "key-1", "print-1")
    assert first.created
    assert again.created
    assert again.order.pk == first.order.pk
    row = IdempotencyKey.objects.get()
    assert (row.status, row.answer) == (201, {"order": first.order.public_id})


# spec: O4
def test_a_key_of_another_request_is_a_conflict(sandbox, storefront, wish) -> None:
    place_order.place_order(storefront, wish, "key-1", "print-1")
    with pytest.raises(Conflict) as refused:
        place_order.place_order(storefront, replace(wish, order_id="A-2"), "key-1", "print-2")
    assert refused.value.code == "IDEMPOTENCY_KEY_REUSED"
    assert Order.objects.count() == 1


# ── crashes between the steps ────────────────────────────────────────────────────────────────────────────────────
# spec: O4
@pytest.mark.parametrize("step", ["before step 2", "after step 2", "in step 3"])
def test_a_crash_between_two_steps_is_taken_up_by_the_same_request(
    sandbox, storefront, wish, monkeypatch, step
) -> None:
    class Crash(BaseException):
        pass

    real = stripe.create_payment_intent

    def crash(*args, **facts):
        raise Crash

    with monkeypatch.context() as patch:
        if step == "before step 2":
            patch.setattr(stripe, "create_payment_intent", crash)
        elif step == "after step 2":
            patch.setattr(stripe, "create_payment_intent", lambda **facts: (real(**facts), crash()))
        else:
            patch.setattr(place_order.locks, "lock_order", crash)
        with pytest.raises(Crash):
            place_order.place_order(storefront, wish, "key-1", "print-1")
    crashed = Order.objects.get()
    assert crashed.client_secret == ""
    assert IdempotencyKey.objects.get().status == 0

    placed = place_order.place_order(storefront, wish, "key-1", "print-1")
    assert placed.order.pk == crashed.pk
    assert placed.client_secret
    summary = stripe.retrieve_payment_intent(placed.order.stripe_payment_intent)
    assert summary.client_secret == placed.client_secret
    assert IdempotencyKey.objects.get().status == 201


# spec: O4
def test_a_webhook_between_steps_2_and_3_is_not_lost(sandbox, storefront, wish, monkeypatch) -> None:
    """The customer cannot pay before we answer, but an event about the intent may be that fast."""
    real = stripe.create_payment_intent

    def pay_at_once(**facts):
        intent = real(**facts)
        order = Order.objects.get()
        payments.apply_payment_event(
            builders.payment_of(order, intent_id=intent.id, order_ref=facts["metadata"]["order"])
        )
        return intent

    monkeypatch.setattr(stripe, "create_payment_intent", pay_at_once)
    placed = place_order.place_order(storefront, wish)
    assert placed.order.status == OrderStatus.STORE_NOTIFIED
    assert placed.client_secret


# spec: O4
def test_an_answer_that_was_lost_is_fetched_by_the_same_key(sandbox, storefront, wish) -> None:
    sandbox.fault("stripe", "answer", "lost_answer", path="/v1/payment_intents", times=1)
    with pytest.raises(Unknown):
        place_order.place_order(storefront, wish)
    placed = place_order.place_order(storefront, wish)
    (only,) = all_intents()
    assert placed.client_secret == only["client_secret"]


# spec: O4
def test_an_answer_that_takes_too_long_is_fetched_later(sandbox, storefront, wish, monkeypatch) -> None:
    monkeypatch.setattr(stripe, "TIMEOUT_S", 0.3)
    stripe._build_client.cache_clear()
    sandbox.fault("stripe", "answer", "timeout", path="/v1/payment_intents", times=1, seconds=1)
    with pytest.raises(Unknown):
        place_order.place_order(storefront, wish)
    with pytest.raises(Transient):  # the first request with this key is still under way
        place_order.place_order(storefront, wish)

    def answered() -> place_order.PlacedOrder | None:
        with suppress(Transient):
            return place_order.place_order(storefront, wish)
        return None

    placed = until(answered, "the first request's end")
    (only,) = all_intents()
    assert placed.client_secret == only["client_secret"]
    stripe._build_client.cache_clear()


def test_a_500_that_stripe_would_replay_for_a_day_does_not_spoil_the_order(sandbox, storefront, wish) -> None:
    sandbox.fault("stripe", "answer", "error_500", path="/v1/payment_intents", times=1)
    assert place_order.place_order(storefront, wish).client_secret


def test_a_stripe_that_stays_down_is_said_clearly_and_the_order_waits(sandbox, storefront, wish) -> None:
    sandbox.fault("stripe", "answer", "error_500", path="/v1/payment_intents", times=9)
    with pytest.raises(CallFailed):
        place_order.place_order(storefront, wish)
    assert Order.objects.get().status == OrderStatus.PENDING
    sandbox.control("DELETE", "faults")
    assert place_order.place_order(storefront, wish).client_secret


def test_an_order_cancelled_before_it_had_an_intent_gets_it_cancelled(
    sandbox, storefront, wish, monkeypatch, work_off
) -> None:
    real = stripe.create_payment_intent

    def cancel_meanwhile(**facts):
        cancellation.cancel_by_person(Order.objects.get().pk, by=builders.TEST, reason="at once")
        return real(**facts)

    monkeypatch.setattr(stripe, "create_payment_intent", cancel_meanwhile)
    order = place_order.place_order(storefront, wish).order
    assert IntentCancellation.objects.filter(order=order).exists()
    work_off(payment_intents.QUEUE)
    assert stripe.retrieve_payment_intent(order.stripe_payment_intent).status == "canceled"


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────
# spec: O4
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"order_id": "a b"}, "order_id"),
        ({"order_id": ""}, "order_id"),
        ({"order_id": "x" * 65}, "order_id"),
        ({"order_id": "x\n"}, "order_id"),
        ({"store": "nowhere"}, "store_id"),
        ({"currency": "USD"}, "currency"),
        ({"items": ()}, "items"),
        ({"items": (RequestedItem(name="", quantity=1, price_minor=1),)}, "items[0].name"),
        ({"items": (RequestedItem(name="x" * 201, quantity=1, price_minor=1),)}, "items[0].name"),
        ({"items": (RequestedItem(name="x", quantity=0, price_minor=1),)}, "items[0].quantity"),
        ({"items": (RequestedItem(name="x", quantity=10**12, price_minor=0),)}, "items[0].quantity"),
        ({"items": (RequestedItem(name="x", quantity=1, price_minor=-1),)}, "items[0].price_minor"),
        ({"items": (RequestedItem(name="x", quantity=1, price_minor=10**12),)}, "items[0].price_minor"),
        ({"items": (RequestedItem(name="x", quantity=10_000, price_minor=99_999_999),)}, "total_minor"),
        ({"tax_minor": -1}, "tax_minor"),
        ({"tip_minor": -1}, "tip_minor"),
        ({"delivery_fee_minor": -1}, "delivery_fee_minor"),
        ({"total_minor": 48_332}, "total_minor"),
        ({"provider_preference": "x" * 13}, "provider_preference"),
        ({"substitution_preference": "perhaps"}, "substitution_preference"),
        ({"buyer": OrderCustomer(external_id="no spaces")}, "customer_id"),
        ({"address": {"latitude": 91, "longitude": 0}}, "address"),
        ({"address": {"latitude": "here", "longitude": 0}}, "address"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(sandbox, storefront, wish, change, field) -> None:
    with pytest.raises(Invalid) as refused:
        place_order.place_order(storefront, replace(wish, **change))
    assert refused.value.field == field
    assert not Order.objects.exists()
    assert intents_at_stripe(sandbox) == []


# spec: D3
@pytest.mark.parametrize(
    ("address", "code"),
    [
        ({"latitude": builders.CENTRE.lat + 0.2, "longitude": builders.CENTRE.lng}, "TOO_FAR"),
        ({"address": "somewhere"}, "NO_COORDINATES"),
    ],
)
def test_what_cannot_be_delivered_is_not_taken(sandbox, storefront, wish, address, code) -> None:
    with pytest.raises(Invalid, match=r"^Order auto-rejected, reason: ") as refused:
        place_order.place_order(storefront, replace(wish, address=address))
    assert (refused.value.status, refused.value.code) == (422, code)
    assert not Order.objects.exists()


def test_an_order_that_exists_is_answered_after_its_store_has_closed(sandbox, storefront, wish, store) -> None:
    first = place_order.place_order(storefront, wish)
    Store.objects.update(is_available=False)
    assert place_order.place_order(storefront, wish).order.pk == first.order.pk
    with pytest.raises(Invalid, match="no orders at the moment"):
        place_order.place_order(storefront, replace(wish, order_id="A-2"))


# spec: S5
def test_without_stripe_nothing_is_written(settings, storefront, wish) -> None:
    settings.STRIPE_SECRET_KEY = ""
    with pytest.raises(NotEnabled):
        place_order.place_order(storefront, wish)
    assert not Order.objects.exists()


def test_a_fingerprint_tells_requests_apart() -> None:
    prints = {idempotency.request_fingerprint("POST", "/a", body) for body in (b"1", b"2", b"1")}
    assert len(prints) == 2


# spec: O4
def test_a_key_that_is_used_for_an_order_that_exists_is_kept_too(sandbox, storefront, wish) -> None:
    place_order.place_order(storefront, wish)
    again = place_order.place_order(storefront, wish, "key-1", "print-1")
    assert not again.created
    assert IdempotencyKey.objects.get().status == 200
    with pytest.raises(Conflict):
        place_order.place_order(storefront, replace(wish, order_id="A-2"), "key-1", "print-2")


# spec: O4
def test_two_requests_that_take_one_key_at_the_same_moment(sandbox, storefront, wish, monkeypatch) -> None:
    """The other one took the key after we looked and before we claimed it."""
    real, looked = idempotency.claim_key, []

    def claimed_by_another(user, key, print_) -> None:
        if not looked:
            looked.append(key)
            real(user, key, "print-of-another")
        real(user, key, print_)

    monkeypatch.setattr(idempotency, "claim_key", claimed_by_another)
    with pytest.raises(Conflict):
        place_order.place_order(storefront, wish, "key-1", "print-1")
    assert not Order.objects.exists()
