"""The points of sale we speak to, by `Store.pos_kind`; a store without one works with the tablet API."""

from orders.models import Store
from orders.pos.base import Pos
from orders.pos.petpooja import PetPooja

REGISTRY: dict[str, Pos] = {pos.kind: pos for pos in (PetPooja(),)}


def pos_of_store(store: Store) -> Pos | None:
    """None: the store has no POS."""
    return REGISTRY.get(store.pos_kind)
