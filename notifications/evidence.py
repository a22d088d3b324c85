"""What providers tell of messages that they took (SPEC N3)."""

from dataclasses import dataclass
from datetime import datetime

from notifications.models import ReceiptWord

# Whatever the order of arrival, the highest stands. Failures are ends: a mail that bounced after all did not arrive.
RANK = {word: rank for rank, word in enumerate(ReceiptWord)}
FAILURES = frozenset({ReceiptWord.UNDELIVERED, ReceiptWord.FAILED, ReceiptWord.BOUNCED})


@dataclass(frozen=True)
class Receipt:
    """One report about one message on one channel.

    `word` None: it says nothing of the message, only of the address. `message` is our public id where the provider
    gives it back, `provider_id` its own. `retires` says why nothing more is to be sent to `address` ("": it may).
    `returns`: its owner wants to be written to again. `again`: the same channel may yet carry it, in another form.
    """

    channel: str
    word: ReceiptWord | None
    at: datetime
    message: str = ""
    provider_id: str = ""
    error: str = ""
    address: str = ""
    retires: str = ""
    returns: bool = False
    again: bool = False
