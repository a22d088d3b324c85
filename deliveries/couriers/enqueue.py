"""Asking a courier company for something: a row for the work queue `couriers` (deliveries/couriers/calls.py makes the
call)."""

from django.db import connection

from deliveries.models import IN_HOUSE, CourierCall, Delivery


def enqueue_call(delivery: Delivery, purpose: CourierCall.Purpose, reason: str = "", *, courier: str = "") -> None:
    """Have the work queue `couriers` make a call; one of a kind is open at a time."""
    if delivery.courier == IN_HOUSE and not courier:
        raise ValueError("our own riders are not called")
    with connection.cursor() as cursor:
        call = CourierCall(delivery=delivery, courier=courier or delivery.courier, purpose=purpose, reason=reason[:300])
        cursor.execute(
            "INSERT INTO deliveries_couriercall (delivery_id, courier, purpose, request_id, reason)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [delivery.pk, call.courier, str(purpose), call.request_id, call.reason],
        )
