"""What the tests have carried: one parcel, one try, and what must not be found in the log of it."""

import dataclasses
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from deliveries.couriers.providers.base import CallAttempt, JobReference, Shipment, ShipmentItem, Stop
from foundation.geo import Point

EXTERNAL_ID = "RND-20260131-0001-1"
READY_AT = (datetime.now(UTC) + timedelta(hours=3)).replace(microsecond=0)
SECRETS = ("key-of-the-tests", "secret-of-the-tests")
PEOPLE = ("Jane Doe", "Jane", "+15555551234", "+15555559999", "456 Customer Ave", "Leave at door", "30.275")


def parcel(**changes: Any) -> Shipment:
    one = Shipment(
        external_id=EXTERNAL_ID,
        order_ref="o_5kq",
        store_ref="chef-john",
        customer_ref="c_77",
        pickup=Stop(
            "Chef John", "+15555551234", "123 Chef St, Austin, TX 78701", Point(30.2672, -97.7431), "Ring doorbell"
        ),
        dropoff=Stop(
            "Jane Doe", "+15555559999", "456 Customer Ave, Austin, TX 78702", Point(30.275, -97.75), "Leave at door"
        ),
        ready_at=READY_AT,
        deliver_by=READY_AT + timedelta(hours=1),
        items=[ShipmentItem("Dosa", 2, 1200)],
        value_minor=2400,
        tip_minor=200,
        currency="USD",
        country="US",
        time_zone="America/Chicago",
        distance_m=1100,
    )
    return dataclasses.replace(one, **changes)


def one_try(attempt: int = 1, request_id: uuid.UUID | None = None) -> CallAttempt:
    return CallAttempt(request_id or uuid.uuid4(), "delivery:12", attempt)


def handle(courier_ref: str) -> JobReference:
    return JobReference(EXTERNAL_ID, courier_ref)
