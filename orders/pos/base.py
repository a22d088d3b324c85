"""What every point of sale (POS) must offer: take an order, take a cancellation (SPEC O5).

Adding one is one module here and one line in `orders/pos/__init__.py`. A POS without callbacks needs nothing more; one
with callbacks reads them into `orders.evidence.PosStatus`, which `orders/pos/callbacks.py` takes.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from orders.models import Order


class PosProvider(ABC):
    kind: ClassVar[str]

    @abstractmethod
    def is_enabled(self) -> bool:
        """Whether it is configured; a store whose POS is off is told by message instead, and ops hears of it."""

    @abstractmethod
    def save_order(self, order: Order, *, attempt: int) -> str:
        """Hand the order over; returns the POS's own number for it ("" when it gives none).

        Raises Permanent (it will never take this order), Transient, Unknown.
        """

    @abstractmethod
    def cancel_order(self, order: Order, *, reason: str, attempt: int) -> None:
        """Take it back. Raises as `save_order` does."""
