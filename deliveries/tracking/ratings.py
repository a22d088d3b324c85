"""What customers think of deliveries (SPEC R6, T1): one to five stars and a word, once per delivery."""

from django.db import transaction

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery, Rating
from foundation.errors import Conflict, Invalid
from foundation.events import Cause
from orders import locks
from orders.models import Order

MOST_STARS = 5
LONGEST_COMMENT = 500


def find_rating(order: Order) -> Rating | None:
    return Rating.objects.filter(delivery__order=order).first()


def rate_delivery(order_id: int, stars: int, comment: str = "", *, by: Cause) -> Rating:
    """Keep the customer's word. Raises Invalid, and Conflict before the delivery or when it was rated before."""
    if not 1 <= stars <= MOST_STARS:
        raise Invalid(f"must be from 1 to {MOST_STARS}", field="stars")
    if len(comment) > LONGEST_COMMENT:
        raise Invalid(f"must not be longer than {LONGEST_COMMENT} characters", field="comment")
    with transaction.atomic():
        order = locks.lock_order(order_id)
        delivery = Delivery.objects.filter(order=order, status=DeliveryStatus.DELIVERED).first()
        if delivery is None:
            raise Conflict("Only what was delivered can be rated", code="NOT_DELIVERED")
        if Rating.objects.filter(delivery=delivery).exists():
            raise Conflict("This delivery was rated before", code="ALREADY_RATED")
        rating = Rating.objects.create(
            delivery=delivery, rider_id=delivery.rider_id, courier=delivery.courier, stars=stars, comment=comment
        )
        locks.record_event(order, "order.rated", by=by, data={"stars": stars, "attempt": delivery.attempt})
        order.save(update_fields=["version"])
    return rating
