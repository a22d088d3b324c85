"""The customer calls whoever brings the order: put through by phone, so that neither sees the other's number."""

from pathlib import Path

from django.db import transaction

from deliveries.tracking.snapshot import OrderSnapshot
from foundation.errors import Conflict
from foundation.events import Cause
from foundation.translations import load_translations
from notifications import masked_calls
from notifications.contacts import recipients
from orders import locks
from orders.lifecycle import LIVE
from orders.models import Order

TRANSLATIONS = load_translations(Path(__file__).parents[1])
GREETING = "One moment, we connect you to the person who brings your order."
VOICE = "en-US"  # the language of the voice that says it, by Twilio's names; a translation names another


def may_call(tracking: OrderSnapshot) -> bool:
    """Somebody carries it and can be called, and the customer has a number that we can ring."""
    order, driver = tracking.order, tracking.driver_view
    reachable = driver is not None and bool(recipients.dialable_number(driver.phone))
    return (
        reachable
        and order.status in LIVE
        and masked_calls.is_enabled()
        and bool(recipients.dialable_number(order.customer_phone))
    )


def call_driver(order_id: int, *, by: Cause) -> Order:
    """Ring the customer's phone and connect it to the driver's. Raises Conflict when nobody can be called, while the
    phone rings, and after too many calls."""
    with transaction.atomic():
        order = locks.lock_order(order_id)
        tracking = OrderSnapshot(order, None)
        if tracking.driver_view is None or not may_call(tracking):
            raise Conflict("Nobody can be called now", code="NOBODY_TO_CALL")
        spoken = order.customer.recipient.language.partition("-")[0]
        masked_calls.enqueue_call(
            order.customer_phone,
            tracking.driver_view.phone,
            order_ref=order.public_id,
            greeting=TRANSLATIONS.translate(spoken, "call greeting", GREETING) or GREETING,
            language=TRANSLATIONS.translate(spoken, "call voice", VOICE) or VOICE,
        )
        locks.record_event(order, "order.driver_called", by=by)
        order.save(update_fields=["version"])
    return order
