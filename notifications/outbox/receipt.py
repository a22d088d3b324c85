"""What providers tell of messages that they took (SPEC N3)."""

from dataclasses import dataclass
from datetime import datetime

from notifications.models import ReceiptOutcome

# Whatever the order of arrival, the highest stands. Failures are ends: a mail that bounced after all did not arrive.
RANK = {word: rank for rank, word in enumerate(ReceiptOutcome)}
FAILURES = frozenset({ReceiptOutcome.UNDELIVERED, ReceiptOutcome.FAILED, ReceiptOutcome.BOUNCED})


@dataclass(frozen=True)
class DeliveryReceipt:
    """One report about one message on one channel.

    `outcome` None: it says nothing of the message, only of the address. `message` is our public id where the provider
    gives it back, `provider_id` its own. `retires` says why nothing more is to be sent to `address` ("": it may).
    `returns`: its owner wants to be written to again. `again`: the same channel may yet carry it, in another form.
    """

    channel: str
    outcome: ReceiptOutcome | None
    at: datetime
    message: str = ""
    provider_id: str = ""
    error: str = ""
    address: str = ""
    retires: str = ""
    returns: bool = False
    again: bool = False
