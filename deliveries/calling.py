"""The customer calls whoever brings the order: put through by phone, so that neither sees the other's number."""

from django.db import transaction

from deliveries.selectors import Tracking
from foundation.errors import Conflict
from foundation.events import Cause
from notifications import calls, recipients
from orders import rows
from orders.lifecycle import LIVE
from orders.models import Order

GREETINGS = {  # by the customer's language: the voice's, and what it says
    "en": ("en-US", "One moment, we connect you to the person who brings your order."),
    "hi": ("hi-IN", "एक क्षण, हम आपको आपका ऑर्डर लाने वाले से जोड़ रहे हैं।"),
}


def may_call(tracking: Tracking) -> bool:
    """Somebody carries it and can be called, and the customer has a number that we can ring."""
    order, driver = tracking.order, tracking.driver
    reachable = driver is not None and bool(recipients.dialable(driver.phone))
    return reachable and order.status in LIVE and calls.enabled() and bool(recipients.dialable(order.customer_phone))


def call_driver(order_id: int, *, by: Cause) -> Order:
    """Ring the customer's phone and connect it to the driver's. Raises Conflict when nobody can be called, while the
    phone rings, and after too many calls."""
    with transaction.atomic():
        order = rows.lock(order_id)
        tracking = Tracking(order, None)
        if tracking.driver is None or not may_call(tracking):
            raise Conflict("Nobody can be called now", code="NOBODY_TO_CALL")
        language, greeting = GREETINGS.get(order.customer.recipient.language.partition("-")[0], GREETINGS["en"])
        calls.connect(
            order.customer_phone,
            tracking.driver.phone,
            order_ref=order.public_id,
            greeting=greeting,
            language=language,
        )
        rows.record(order, "order.driver_called", by=by)
        order.save(update_fields=["version"])
    return order
