"""Tables of the orders room.

Amounts are integers in minor units of the order's currency; positions are WGS 84 degrees; ids towards the outside are
`public_id` (ours, unguessable) and `order_id` (the storefront's).
"""

from orders.models.ids import EXTERNAL_ID, EXTERNAL_ID_SHAPE, new_public_id, new_substitution_id
from orders.models.money import IntentCancellation, Payment, Refund
from orders.models.orders import Customer, Order, OrderItem, PosRelay, Substitution
from orders.models.stores import PreparationTime, Store, StoreStaff

__all__ = [
    "EXTERNAL_ID",
    "EXTERNAL_ID_SHAPE",
    "Customer",
    "IntentCancellation",
    "Order",
    "OrderItem",
    "Payment",
    "PosRelay",
    "PreparationTime",
    "Refund",
    "Store",
    "StoreStaff",
    "Substitution",
    "new_public_id",
    "new_substitution_id",
]
