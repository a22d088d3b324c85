"""Placing an order (SPEC O4): three steps, each of which may be the last before a crash, and be taken up again.

1. One transaction: the Idempotency-Key and the order with its items. From here on the order exists.
2. Outside any transaction: the PaymentIntent at Stripe, with our public id in its metadata.
3. One transaction: the intent's id and client secret on the order, and the key's answer.

The same request again finds the order and goes on where it ended. A webhook about the intent may come between 2 and 3:
it finds the order by the metadata.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from foundation import clock, geo, idempotency, money, stripe
from foundation.errors import Conflict, Invalid, Permanent, Unknown
from foundation.events import Cause
from foundation.models import User
from notifications.contacts import recipients
from orders import locks, payment_intents, payments, serviceability, transitions
from orders.evidence import PaymentSucceeded
from orders.lifecycle import SubstitutionPreference
from orders.models import Customer, Order, OrderItem, Store

log = structlog.get_logger(__name__)

MAX_LENGTHS = {"name": 200, "external_id": 64, "instructions": 300}
MAX_PROVIDER_LENGTH = 12
MAX_ITEMS = 200
MAX_QUANTITY = 10_000
MAX_MINOR = 99_999_999  # Stripe's own limit


@dataclass(frozen=True, kw_only=True)
class RequestedItem:
    name: str
    quantity: int
    price_minor: int
    external_id: str = ""
    instructions: str = ""


@dataclass(frozen=True, kw_only=True)
class OrderCustomer:
    """The storefront's customer; `external_id` is the storefront's."""

    external_id: str
    name: str = ""
    email: str = ""
    phone: str = ""
    language: str = "en"


@dataclass(frozen=True, kw_only=True)
class OrderRequest:
    """What a storefront orders. `store` is a slug; `address`: label, address, latitude, longitude, landmark.

    `total_minor` is checked against the parts when it is given. `payment_intent_id`: one that the storefront has made
    itself; None: we make one.
    """

    order_id: str
    store: str
    buyer: OrderCustomer
    items: tuple[RequestedItem, ...]
    address: Mapping[str, Any]
    currency: str
    tax_minor: int = 0
    tip_minor: int = 0
    delivery_fee_minor: int = 0
    total_minor: int | None = None
    instructions: str = ""
    delivery_preferences: Mapping[str, Any] = field(default_factory=dict)
    provider_preference: str = ""
    substitution_preference: str = SubstitutionPreference.REFUSE
    metadata: Mapping[str, Any] = field(default_factory=dict)
    promised_at: datetime | None = None
    payment_intent_id: str | None = None

    @property
    def items_minor(self) -> int:
        return sum(item.quantity * item.price_minor for item in self.items)

    @property
    def whole_minor(self) -> int:
        return self.items_minor + self.tax_minor + self.tip_minor + self.delivery_fee_minor

    def content_hash(self) -> str:
        """SHA-256 of everything: the same id with another content is another order. A preference that is not given
        does not count, so that orders of before there was one keep their hash."""
        fields = asdict(self)
        if self.substitution_preference == SubstitutionPreference.REFUSE:
            del fields["substitution_preference"]
        content = json.dumps(fields, sort_keys=True, default=str, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def point(self) -> geo.Point | None:
        """None: without coordinates. Raises Invalid when they are not a place on earth."""
        lat, lng = self.address.get("latitude"), self.address.get("longitude")
        if lat is None or lng is None:
            return None
        if not isinstance(lat, int | float) or not isinstance(lng, int | float) or not geo.is_valid(lat, lng):
            raise Invalid("must be degrees: -90 to 90, -180 to 180", field="address")
        return geo.Point(float(lat), float(lng))


@dataclass(frozen=True)
class PlacedOrder:
    """`created`: this request (or an earlier one with its Idempotency-Key) made the order. `client_secret` is what the
    customer's browser pays with."""

    order: Order
    client_secret: str
    created: bool


def place_order(storefront: User, data: OrderRequest, idempotency_key: str = "", fingerprint: str = "") -> PlacedOrder:
    """Call outside a transaction. Raises Invalid (naming the field), Conflict (ORDER_ID_REUSED, INTENT_IN_USE,
    IDEMPOTENCY_KEY_REUSED), NotEnabled (no Stripe), CallFailed (Stripe did not answer: send the same again)."""
    answered = idempotency.find_remembered(storefront, idempotency_key, fingerprint)
    store = _require_valid(data)
    stripe.get_client()  # raises NotEnabled before anything is written
    order = _find_existing(storefront, data)
    intent = None
    if order is None:
        _require_serviceable(store, data)
        intent = _adopt_intent(data)
        order, created = _commit_order(storefront, store, data, intent, idempotency_key, fingerprint)
    else:
        with transaction.atomic():
            _claim_key(storefront, idempotency_key, fingerprint)
        created = answered is not None
    if not order.client_secret:
        order = _commit_intent(order, intent or _adopt_intent(data) or _create_intent(order))
    idempotency.store_answer(storefront, idempotency_key, 201 if created else 200, {"order": order.public_id})
    return PlacedOrder(order, order.client_secret, created)


# ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────────
def _require_valid(data: OrderRequest) -> Store:
    locks.require_id(data.order_id, field="order_id")
    locks.require_id(data.buyer.external_id, field="customer_id")
    store = Store.objects.select_related("recipient").filter(slug=data.store).first()
    if store is None:
        raise Invalid("no such store", field="store_id")
    if data.currency.upper() != store.currency.upper():
        raise Invalid(f"this store sells in {store.currency}", field="currency")
    if not 0 < len(data.items) <= MAX_ITEMS:
        raise Invalid(f"must be 1 to {MAX_ITEMS} items", field="items")
    for number, item in enumerate(data.items):
        require_item(item, f"items[{number}]")
    for name in ("tax_minor", "tip_minor", "delivery_fee_minor"):
        if getattr(data, name) < 0:
            raise Invalid("must not be negative", field=name)
    if len(data.provider_preference) > MAX_PROVIDER_LENGTH:
        raise Invalid("is not the name of a provider", field="provider_preference")
    if data.substitution_preference not in SubstitutionPreference.values:
        raise Invalid(f"must be one of {', '.join(SubstitutionPreference.values)}", field="substitution_preference")
    if data.total_minor not in (None, data.whole_minor):
        raise Invalid(f"is {data.total_minor}, but the parts make {data.whole_minor}", field="total_minor")
    if not 0 < data.whole_minor <= MAX_MINOR:
        raise Invalid(f"must be 1 to {MAX_MINOR}", field="total_minor")
    return store


def require_item(item: RequestedItem, where: str) -> None:
    """Raises Invalid naming the field below `where` that is wrong."""
    if not item.name:
        raise Invalid("is missing", field=f"{where}.name")
    if not 0 < item.quantity <= MAX_QUANTITY:
        raise Invalid(f"must be 1 to {MAX_QUANTITY}", field=f"{where}.quantity")
    if not 0 <= item.price_minor <= MAX_MINOR:
        raise Invalid(f"must be 0 to {MAX_MINOR}", field=f"{where}.price_minor")
    for name, longest in MAX_LENGTHS.items():
        if len(getattr(item, name)) > longest:
            raise Invalid(f"is longer than {longest} characters", field=f"{where}.{name}")


def _require_serviceable(store: Store, data: OrderRequest) -> None:
    refusal = serviceability.check_serviceable(store, data.point, clock.now())
    if refusal is not None:
        log.info("order_refused", store=store.slug, order_id=data.order_id, code=refusal.code, reason=refusal.reason)
        raise Invalid(refusal.message, code=refusal.code.upper(), status=422)


def _find_existing(storefront: User, data: OrderRequest) -> Order | None:
    order = (
        Order.objects.select_related("store", "customer").filter(storefront=storefront, order_id=data.order_id).first()
    )
    if order is not None:
        _require_same(order, data)
    return order


def _require_same(order: Order, data: OrderRequest) -> None:
    if order.content_hash != data.content_hash():
        raise Conflict("This order id was used for another order", code="ORDER_ID_REUSED", field="order_id")


# ── step 1 ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _commit_order(
    storefront: User,
    store: Store,
    data: OrderRequest,
    intent: stripe.PaymentIntent | None,
    idempotency_key: str,
    fingerprint: str,
) -> tuple[Order, bool]:
    """The order and its key in one transaction; of racing requests one creates it, the others find it."""
    intent_id = intent.id if intent else ""
    with transaction.atomic():
        if intent_id and Order.objects.filter(stripe_payment_intent=intent_id).exists():
            raise Conflict("Another order is paid with it", code="INTENT_IN_USE", field="payment_intent_id")
        _claim_key(storefront, idempotency_key, fingerprint)
        customer = _get_or_create_customer(storefront, data.buyer, store.time_zone)
        order, created = Order.objects.select_related("store", "customer").get_or_create(
            storefront=storefront,
            order_id=data.order_id,
            defaults=_order_columns(store, customer, data) | {"stripe_payment_intent": intent_id},
        )
        if not created:
            _require_same(order, data)
            return order, False
        OrderItem.objects.bulk_create(
            OrderItem(order=order, position=position, **asdict(item)) for position, item in enumerate(data.items)
        )
        locks.record_event(order, "order.placed", by=Cause(f"user:{storefront.pk}", "api"))
        order.save(update_fields=["version"])
    log.info("order_placed", order=order.public_id, store=store.slug, total_minor=order.total_minor)
    return order, True


def _claim_key(storefront: User, idempotency_key: str, fingerprint: str) -> None:
    """Raises Conflict also for another request that took the key since we looked."""
    idempotency.claim_key(storefront, idempotency_key, fingerprint)
    idempotency.find_remembered(storefront, idempotency_key, fingerprint)


def _get_or_create_customer(storefront: User, buyer: OrderCustomer, time_zone: str) -> Customer:
    """Who orders; their day is that of the store they order from."""
    known = Customer.objects.filter(storefront=storefront, external_id=buyer.external_id).select_related("recipient")
    if customer := known.first():
        if customer.recipient.time_zone != time_zone:
            recipients.move_to(customer.recipient, time_zone)
        return customer
    recipient = recipients.create_recipient(
        name=buyer.name, email=buyer.email, phone=buyer.phone, language=buyer.language, time_zone=time_zone
    )
    customer, created = Customer.objects.get_or_create(
        storefront=storefront, external_id=buyer.external_id, defaults={"recipient": recipient}
    )
    if not created:  # another request of the same customer was faster: nobody refers to ours
        recipient.delete()
    return customer


def _order_columns(store: Store, customer: Customer, data: OrderRequest) -> dict[str, Any]:
    point = data.point
    commission_minor = money.share_of(data.items_minor, store.commission_bps, 10_000)
    return {
        "content_hash": data.content_hash(),
        "store": store,
        "customer": customer,
        "currency": store.currency,
        "items_minor": data.items_minor,
        "tax_minor": data.tax_minor,
        "tip_minor": data.tip_minor,
        "delivery_fee_minor": data.delivery_fee_minor,
        "total_minor": data.whole_minor,
        "authorised_minor": data.whole_minor,
        # The store keeps its prices but for our commission, and pays the tax that it has charged.
        "store_share_minor": data.items_minor - commission_minor + data.tax_minor,
        "address_snapshot": dict(data.address),
        "latitude": point.lat if point else None,
        "longitude": point.lng if point else None,
        "customer_name": data.buyer.name[:120],
        "customer_phone": recipients.dialable_number(data.buyer.phone),
        "instructions": data.instructions[:500],
        "delivery_preferences": dict(data.delivery_preferences),
        "provider_preference": data.provider_preference,
        "substitution_preference": data.substitution_preference,
        "metadata": dict(data.metadata),
        "promised_at": data.promised_at,
    }


# ── steps 2 and 3 ────────────────────────────────────────────────────────────────────────────────────────────────
def _adopt_intent(data: OrderRequest) -> stripe.PaymentIntent | None:
    """The storefront's own PaymentIntent, if it names one. Raises Invalid when it does not fit the order."""
    if not data.payment_intent_id:
        return None
    field_name = "payment_intent_id"
    if not data.payment_intent_id.startswith("pi_") or len(data.payment_intent_id) > 80:
        raise Invalid("is not the id of a PaymentIntent", field=field_name)
    try:
        intent = stripe.retrieve_payment_intent(data.payment_intent_id)
    except Permanent as error:
        raise Invalid(f"Stripe does not know it ({error.code})", field=field_name) from error
    if (intent.amount_minor, intent.currency) != (data.whole_minor, data.currency.upper()):
        raise Invalid("is about another amount or currency", field=field_name)
    if intent.status == "canceled":
        raise Invalid("was cancelled", field=field_name)
    return intent


def _create_intent(order: Order) -> stripe.PaymentIntent:
    """By a key of the order's own, so that a lost answer is fetched instead of made again. A 500 is kept under its key
    and replayed for a day; then a fresh key is safe: nobody was shown that intent, so nobody can pay it."""
    try:
        return _request_intent(order, f"pi-{order.public_id}")
    except Unknown as error:
        if error.answer is None:
            raise
        log.warning("intent_key_spoilt", order=order.public_id)
        return _request_intent(order, f"pi-{order.public_id}-{secrets.token_hex(6)}")


def _request_intent(order: Order, key: str) -> stripe.PaymentIntent:
    return stripe.create_payment_intent(
        amount_minor=order.authorised_minor,
        currency=order.currency,
        metadata={"order": order.public_id},
        reference=f"order:{order.pk}",
        idempotency_key=key,
    )


def _commit_intent(order: Order, intent: stripe.PaymentIntent) -> Order:
    with transaction.atomic():
        order = locks.lock_order(order.pk)
        if not order.client_secret:
            order.stripe_payment_intent = order.stripe_payment_intent or intent.id
            order.client_secret = intent.client_secret
            order.save(update_fields=["stripe_payment_intent", "client_secret"])
        if order.preparation in transitions.CALLED_OFF:  # it was cancelled before it had an intent that could be
            payment_intents.request_cancellation(order)
    if intent.status == "succeeded":  # an adopted one, paid before we knew the order: its webhook found nobody
        payments.apply_payment_event(
            PaymentSucceeded(
                intent_id=intent.id,
                order_ref=order.public_id,
                amount_minor=intent.received_minor,
                currency=intent.currency,
                charge_id=intent.charge_id,
                occurred_at=clock.now(),
            )
        )
        order.refresh_from_db()
    return order
