"""Small functions that make the rows a test is about, with sensible answers to everything the test does not care for.

They go through the rooms' own verbs wherever there is one, so that what they build could exist.
"""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.db import transaction

from deliveries.fulfilment import offer_responses
from deliveries.fulfilment import transitions as fulfilment_transitions
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import CourierJob, Delivery, Offer
from foundation import clock, money
from foundation.events import Cause
from foundation.geo import Point
from foundation.models import Role, User
from notifications.contacts import recipients
from orders import acknowledgement, locks, payments, substitution_decisions, substitutions
from orders import transitions as orders_transitions
from orders.evidence import ChargeRefunded, EventOutcome, PaymentSucceeded, PosStatus
from orders.lifecycle import OrderStatus
from orders.models import Customer, Order, OrderItem, Store, Substitution
from orders.place_order import RequestedItem
from orders.pos import callbacks as pos_status_verbs
from orders.pos import petpooja
from orders.stores import stores
from riders import availability, capacity, riders
from riders.models import Rider
from riders.positions import PositionFix
from tests.queues import drain_queues

TEST = Cause("system", "test")
CENTRE = Point(12.9716, 77.5946)  # Bengaluru
_numbers = count(1)


def near(point: Point = CENTRE, *, north_m: float = 0.0, east_m: float = 0.0) -> Point:
    """The point so many metres to the north and east (good to a metre over a city)."""
    return Point(point.lat + north_m / 111_195, point.lng + east_m / (111_195 * 0.9745))


def says_at(point: Point, *, accuracy_m: float | None = None, ago_s: float = 0.0) -> PositionFix:
    """A phone's word that its rider is (or was, `ago_s` ago) there."""
    return PositionFix(point, clock.now() - timedelta(seconds=ago_s), accuracy_m)


# ── riders ───────────────────────────────────────────────────────────────────────────────────────────────────────
def applicant(name: str = "", **facts: Any) -> Rider:
    """A rider who has applied and is not verified yet."""
    number = next(_numbers)
    return riders.create_rider(name=name or f"Rider {number}", username=f"rider-{number}", **facts)


def rider(name: str = "", *, at: Point | None = CENTRE, online: bool = True, load: int = 0, **facts: Any) -> Rider:
    """A verified rider; online at `at` (None: online, never seen), `load` deliveries under way."""
    made = applicant(name, **facts)
    riders.verify_rider(made.pk, by=TEST)
    if online:
        availability.set_online(made.pk, True, at, by=TEST)
    for _ in range(load):
        capacity.occupy_place(made.pk)
    made.refresh_from_db()
    return made


# ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────────
def user(role: Role = Role.OPS_LEAD, **facts: Any) -> User:
    """Somebody who may sign in with the password "a-good-password"."""
    name = facts.pop("username", f"{role}-{next(_numbers)}")
    return User.objects.create_user(name, f"{name}@example.test", "a-good-password", role=role, **facts)


def store(**facts: Any) -> Store:
    """A store in the centre that is always open and works with a tablet."""
    number = next(_numbers)
    place = {"latitude": CENTRE.lat, "longitude": CENTRE.lng}
    known = {"name": f"Store {number}", "email": f"store-{number}@example.test", "currency": "INR", **place}
    return stores.create_store(**{**known, **facts})


def petpooja_store(**facts: Any) -> Store:
    number = next(_numbers)
    return store(**{"pos_kind": Store.Pos.PETPOOJA, "pos_rest_id": f"rest{number}", **facts})


def customer(storefront: User | None = None, **facts: Any) -> Customer:
    number = next(_numbers)
    return Customer.objects.create(
        storefront=storefront or user(Role.STOREFRONT),
        external_id=f"customer-{number}",
        recipient=recipients.create_recipient(name=f"Customer {number}", email=f"customer-{number}@example.test"),
        **facts,
    )


def order(*, of: Store | None = None, by: Customer | None = None, to: Point | None = None, **facts: Any) -> Order:
    """An order that was placed and is not paid, as placing leaves it, without a call to Stripe: one item of 400.00, a
    delivery fee of 50.00, INR. `to` is where it goes (default: 2 km north of the centre)."""
    number, buyer = next(_numbers), by or customer()
    place, seller = to or near(north_m=2000), of or store()
    known = {
        "order_id": f"order-{number}",
        "content_hash": f"{number:064d}",
        "currency": seller.currency,
        "items_minor": 40_000,
        "delivery_fee_minor": 5_000,
        "total_minor": 45_000,
        "authorised_minor": facts.get("total_minor", 45_000),
        "store_share_minor": 34_000,
        "latitude": place.lat,
        "longitude": place.lng,
        "address_snapshot": {"address": f"{number} Some Street", "latitude": place.lat, "longitude": place.lng},
        "customer_name": buyer.recipient.name,
        "stripe_payment_intent": f"pi_{number}",
        "client_secret": f"pi_{number}_of_{number}",
    }
    made = Order.objects.create(storefront=buyer.storefront, customer=buyer, store=seller, **{**known, **facts})
    OrderItem.objects.create(order=made, position=0, name="Thali", quantity=2, price_minor=made.items_minor // 2)
    made.refresh_from_db()
    return made


def basket(*items: tuple[str, int, int], tax_minor: int = 0, tip_minor: int = 0, **facts: Any) -> Order:
    """A paid order of these items (name, pieces, price of a piece), which its store is picking; the commission is 15 %
    and the delivery fee 50.00."""
    items_minor = sum(pieces * price for _, pieces, price in items)
    amounts = {
        "items_minor": items_minor,
        "tax_minor": tax_minor,
        "tip_minor": tip_minor,
        "total_minor": items_minor + tax_minor + tip_minor + 5_000,
        "store_share_minor": items_minor - money.share_of(items_minor, 15, 100) + tax_minor,
    }
    placed = order(**amounts, **facts)
    OrderItem.objects.filter(order=placed).delete()
    for position, (name, pieces, price) in enumerate(items):
        OrderItem.objects.create(
            order=placed, position=position, external_id=f"i{position}", name=name, quantity=pieces, price_minor=price
        )
    return picking(paid(placed))


def payment_of(placed: Order, **facts: Any) -> PaymentSucceeded:
    """Stripe's word that this order is paid."""
    known = {
        "intent_id": placed.stripe_payment_intent,
        "order_ref": placed.public_id,
        "event_id": f"evt_paid_{placed.pk}",
        "charge_id": f"ch_{placed.pk}",
        "amount_minor": placed.authorised_minor,
        "currency": placed.currency.lower(),
        "occurred_at": clock.now(),
    }
    return PaymentSucceeded(**{**known, **facts})


def refund_of(placed: Order, refunded_minor: int, **facts: Any) -> ChargeRefunded:
    """Stripe's word that so much of the order's charge has been given back by now."""
    known = {
        "intent_id": placed.stripe_payment_intent,
        "order_ref": placed.public_id,
        "event_id": f"evt_refunded_{placed.pk}_{refunded_minor}",
        "charge_id": f"ch_{placed.pk}",
        "amount_minor": placed.authorised_minor,
        "refunded_minor": refunded_minor,
        "currency": placed.currency.lower(),
        "paid_at": clock.now(),
        "occurred_at": clock.now(),
    }
    return ChargeRefunded(**{**known, **facts})


def paid_order(*, paid_at: datetime | None = None, **facts: Any) -> Order:
    """An order whose payment has arrived, and whose store has been told (a tablet: by message)."""
    return paid(order(**facts), **({"occurred_at": paid_at} if paid_at else {}))


def paid(placed: Order, **facts: Any) -> Order:
    payments.apply_payment_event(payment_of(placed, **facts))
    placed.refresh_from_db()
    return placed


def acknowledged(placed: Order, prep_minutes: int | None = None) -> Order:
    with transaction.atomic():
        acknowledgement.acknowledge_order(locks.lock_order(placed.pk), by=TEST, prep_minutes=prep_minutes)
    placed.refresh_from_db()
    return placed


def picking(placed: Order) -> Order:
    acknowledged(placed)
    with transaction.atomic():
        orders_transitions.take_strict_step(locks.lock_order(placed.pk), OrderStatus.PICKING_IN_PROGRESS, by=TEST)
    placed.refresh_from_db()
    return placed


def suggested(placed: Order, *wishes: tuple[int, RequestedItem | None], by: Cause = TEST) -> list[Substitution]:
    """The store proposes for items by their position; what waits for an answer afterwards."""
    said = [substitutions.ProposedSubstitution(item=position, replacement=wanted) for position, wanted in wishes]
    substitutions.propose_substitutions(placed.pk, said, by=by)
    placed.refresh_from_db()
    return substitution_decisions.list_undecided(placed)


def ready(placed: Order) -> Order:
    """The store has acknowledged the paid order and has it ready."""
    if placed.status == OrderStatus.STORE_NOTIFIED:
        acknowledged(placed)
    with transaction.atomic():
        orders_transitions.take_strict_step(locks.lock_order(placed.pk), OrderStatus.READY_FOR_PICKUP, by=TEST)
    placed.refresh_from_db()
    return placed


# ── deliveries ───────────────────────────────────────────────────────────────────────────────────────────────────
def courier_job(delivery: Delivery, **columns: Any) -> CourierJob:
    """The job of a delivery that a courier company carries."""
    return CourierJob.objects.create(delivery=delivery, **{"last_heard_at": clock.now(), **columns})


def searching(placed: Order | None = None, **facts: Any) -> Delivery:
    """A delivery of a ready order that dispatch has not looked at yet; `facts` are the order's."""
    fetched = placed or ready(paid_order(**facts))
    with transaction.atomic():
        fulfilment_transitions.follow_order(locks.lock_order(fetched.pk), by=TEST)
    return Delivery.objects.select_related("order__store").get(order=fetched)


def dispatch() -> None:
    """Dispatch looks at every delivery that is due, until none is."""
    drain_queues("dispatch")


def offered(to: Rider | None = None, delivery: Delivery | None = None) -> Offer:
    """An open offer, made by dispatch to the only rider there is."""
    to, delivery = to or rider(), delivery or searching()
    dispatch()
    return Offer.objects.select_related("delivery__order", "rider").get(delivery=delivery, rider=to)


def assigned(to: Rider | None = None, delivery: Delivery | None = None) -> Delivery:
    """A delivery that a rider has accepted and not fetched yet."""
    offer = offered(to, delivery)
    offer_responses.accept_offer(offer.pk, offer.rider, by=TEST)
    return Delivery.objects.select_related("order__store", "rider").get(pk=offer.delivery_id)


def pos_status(order: Order, status: str, **fields: Any) -> PosStatus:
    """PetPooja's callback about an order of one of its stores, as evidence."""
    payload = {
        "restID": order.store.pos_rest_id,
        "orderID": order.public_id,
        "status": status,
        "cancel_reason": "",
        "minimum_prep_time": "",
        "is_modified": "No",
        **fields,
    }
    return petpooja.read_callback(order.store.slug, payload, token=order.store.pos_callback_token)


def pos_says(order: Order, status: str, **fields: Any) -> EventOutcome:
    with transaction.atomic():
        verdict, _ = pos_status_verbs.apply_callback(pos_status(order, status, **fields))
    order.refresh_from_db()
    return verdict


def moved(delivery: Delivery, to: DeliveryStatus) -> Delivery:
    """The assigned delivery, brought on step by step until it is `to`; nobody looks where the rider is."""
    steps = {
        DeliveryStatus.PICKED_UP: fulfilment_transitions.pick_up,
        DeliveryStatus.IN_TRANSIT: fulfilment_transitions.start_transit,
        DeliveryStatus.DELIVERED: fulfilment_transitions.complete_delivery,
    }
    for status, step in steps.items():
        with transaction.atomic():
            placed = locks.lock_order(delivery.order_id)
            delivery = fulfilment_transitions.lock_of_rider(placed, delivery.rider) or delivery
            if delivery.status != to:
                step(placed, delivery, by=TEST)
        if status == to:
            break
    return delivery


# ── people who look ──────────────────────────────────────────────────────────────────────────────────────────────
def staff_of(seller: Store) -> User:
    """Somebody who works for this store."""
    somebody = user(Role.STORE_STAFF)
    stores.assign_staff(somebody, seller)
    return somebody


def signed_in(buyer: Customer) -> User:
    """The user a customer signs in as."""
    somebody = user(Role.CUSTOMER)
    Customer.objects.filter(pk=buyer.pk).update(user=somebody)
    return somebody
