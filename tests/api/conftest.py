"""What the tests of all endpoints share: an order with everybody who has a part in it, and another one with others."""

from typing import Any

import pytest

from deliveries.models import Delivery
from foundation.models import Role, User
from tests.api.endpoints import STAFF
from tests.builders import assigned, rider, searching, signed_in, staff_of, user
from webhooks import rejections


class Party:
    """A ready order that a rider has accepted, and who plays which role in it."""

    def __init__(self) -> None:
        self.delivery: Delivery = assigned(rider(), searching())
        order = self.delivery.order
        assert self.delivery.rider
        self.ref, self.store = order.public_id, order.store.slug
        self.people: dict[Role, User] = {
            Role.RIDER: self.delivery.rider.user,
            Role.STORE_STAFF: staff_of(order.store),
            Role.STOREFRONT: order.storefront,
            Role.CUSTOMER: signed_in(order.customer),
            **{role: user(role) for role in STAFF},
        }


@pytest.fixture(autouse=True)
def quiet_city(settings: Any) -> None:
    """Riders may be anywhere in no time; no provider is configured; refusals are counted afresh."""
    settings.PLAUSIBLE_SPEED_M_PER_S = 1e9
    settings.STRIPE_WEBHOOK_SECRETS = settings.STRIPE_CONNECT_WEBHOOK_SECRETS = []
    rejections.COUNTER.reset_counts()


@pytest.fixture
def party(db: None) -> Party:
    return Party()


@pytest.fixture
def parties(db: None) -> tuple[Party, Party]:
    """One's own, and somebody else's."""
    return Party(), Party()
