"""Finding and locking riders."""

from typing import Any

from foundation.errors import Forbidden
from foundation.models import User
from riders.models import Rider


def lock_rider(rider_id: int) -> Rider:
    """The rider, locked for the rest of the transaction (in the order that holds everywhere (docs/house.md): after
    Order, Delivery and Offer)."""
    return Rider.objects.select_for_update(no_key=True, of=("self",)).get(pk=rider_id)


def rider_of_user(user: User | Any) -> Rider:
    """The rider who is signed in. Raises Forbidden for a user who is none."""
    rider = Rider.objects.filter(user=user).first()
    if rider is None:
        raise Forbidden("There is no rider profile for this user", code="NOT_A_RIDER")
    return rider
