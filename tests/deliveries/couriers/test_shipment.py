"""What a company must be told, and what is missing before it is asked (SPEC C7)."""

import dataclasses

import pytest

from deliveries.couriers.providers.base import CourierProvider
from deliveries.couriers.providers.doordash.courier import DoorDash
from deliveries.couriers.providers.uber.courier import Uber
from foundation.errors import Permanent
from tests.deliveries.couriers.shipments import one_try, parcel


# spec: C7
@pytest.mark.parametrize(
    ("company", "end", "whose"),
    [
        (Uber(), "pickup", "the store's"),
        (Uber(), "dropoff", "the customer's"),
        (DoorDash(), "dropoff", "the customer's"),
    ],
)
def test_nobody_to_call_is_said_before_a_quote_is_asked_for(company: CourierProvider, end: str, whose: str):
    known = parcel()
    silent = dataclasses.replace(known, **{end: dataclasses.replace(getattr(known, end), phone="")})
    with pytest.raises(Permanent, match=whose):
        company.request_quote(silent, one_try())
