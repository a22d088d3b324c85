"""The points of sale we speak to, by `Store.pos_kind`; a store without one works with the tablet API."""

from orders.models import Store
from orders.pos.base import PosProvider
from orders.pos.petpooja import PetPooja

REGISTRY: dict[str, PosProvider] = {pos.kind: pos for pos in (PetPooja(),)}


def find_pos(store: Store) -> PosProvider | None:
    """None: the store has no POS."""
    return REGISTRY.get(store.pos_kind)
