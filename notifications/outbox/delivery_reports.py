"""What became of a message, by its provider's word: moved forward only, whatever the order of arrival (SPEC N3).

A provider may report before we have written down that it took the message; such a report waits. One that says that the
message did not arrive sends it on to the next channel of its ladder, as long as it still matters and there is one.
"""

import uuid
from typing import Any

import structlog
from django.db import transaction
from django.db.models.functions import Now

from foundation import clock
from foundation.errors import NotFound
from foundation.evidence import EventOutcome
from foundation.work import OPEN, Release, WorkState
from notifications.contacts import suppressions
from notifications.models import Message, ReceiptOutcome, Recipient
from notifications.outbox import delivery
from notifications.outbox.receipt import FAILURES, RANK, DeliveryReceipt

log = structlog.get_logger(__name__)

UNDER_WAY_WAIT_S = 3.0
LONGEST_WAIT_S = 600.0
BY_MAIL = "email"  # sent again when in doubt, so that two provider ids may stand for one message


def apply_receipt(receipt: DeliveryReceipt) -> EventOutcome:
    """Write down what is now true of the message and of its address. Raises Release while the message is under way."""
    with transaction.atomic():
        message = _find_message(receipt)
        if message is not None and message.state in OPEN:
            raise Release(_wait_s(message), f"message {message.pk} is under way")
        if receipt.retires:
            suppressions.suppress_address(
                receipt.channel, receipt.address, receipt.retires, detail=receipt.error, at=receipt.at
            )
        if receipt.returns:
            suppressions.bring_back(receipt.channel, receipt.address, receipt.channel, at=receipt.at)
        if message is None:
            log.warning("receipt_of_unknown_message", channel=receipt.channel, word=receipt.outcome)
            return EventOutcome.IGNORED
        if receipt.outcome is None:
            return EventOutcome.APPLIED if receipt.retires or receipt.returns else EventOutcome.IGNORED
        return _write_down(message, receipt, receipt.outcome)


def _wait_s(message: Message) -> float:
    """A message that waits for the morning says nothing of itself before."""
    if message.state == WorkState.LEASED:
        return UNDER_WAY_WAIT_S
    return min(LONGEST_WAIT_S, max(UNDER_WAY_WAIT_S, (message.due_at - clock.now()).total_seconds()))


def acknowledge_message(recipient: Recipient, public_id: str) -> EventOutcome:
    """The person's app says that they saw it: no other channel tells it again, whatever is still heard of one.

    Raises NotFound for a message that is not theirs.
    """
    ours = _parse_uuid(public_id)
    with transaction.atomic():
        mine = Message.objects.select_for_update(no_key=True, of=("self",)).filter(recipient=recipient)
        message = mine.filter(public_id=ours).first() if ours else None
        if message is None:
            raise NotFound("There is no such message")
        if message.acknowledged_at is not None:
            return EventOutcome.REPEATED
        known: dict[str, Any] = {"acknowledged_at": Now()}
        if not message.receipt or RANK[ReceiptOutcome(message.receipt)] < RANK[ReceiptOutcome.READ]:
            known |= {"receipt": ReceiptOutcome.READ, "receipt_at": Now(), "receipt_error": ""}
        Message.objects.filter(pk=message.pk).update(**known)
        return EventOutcome.APPLIED


def climb_unless_read(message_id: int) -> None:
    """A push that no app acknowledged in time goes on to the next channel, while it matters and there is one."""
    with transaction.atomic():
        rows = Message.objects.select_for_update(no_key=True, of=("self",))
        unread = rows.filter(pk=message_id, channel="push", state=WorkState.DONE, receipt="", acknowledged_at=None)
        message = unread.first()
        if message is not None:
            _sent_on(message, "push", "not acknowledged in time")


def _find_message(receipt: DeliveryReceipt) -> Message | None:
    """The message, locked: by our own id, which the provider gives back, else by the provider's."""
    rows = Message.objects.select_for_update(no_key=True, of=("self",))
    if ours := _parse_uuid(receipt.message):
        return rows.filter(public_id=ours).first()
    return rows.filter(provider_id=receipt.provider_id).first() if receipt.provider_id else None


def _parse_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _write_down(message: Message, receipt: DeliveryReceipt, word: ReceiptOutcome) -> EventOutcome:
    if message.channel != receipt.channel or _of_another_try(message, receipt):
        return EventOutcome.STALE
    if not _is_news(message, receipt, word):
        return EventOutcome.REPEATED if message.receipt == word else EventOutcome.STALE
    message.receipt, message.receipt_at, message.receipt_error = word, receipt.at, receipt.error[:300]
    if word in FAILURES:
        log.info("message_not_delivered", message=message.pk, channel=receipt.channel, error=receipt.error)
        if _sent_on(message, receipt.channel, f"{word}: {receipt.error}".rstrip(": "), again=receipt.again):
            return EventOutcome.APPLIED
    message.save(update_fields=["receipt", "receipt_at", "receipt_error"])
    return EventOutcome.APPLIED


def _of_another_try(message: Message, receipt: DeliveryReceipt) -> bool:
    return receipt.channel != BY_MAIL and bool(receipt.provider_id) and receipt.provider_id != message.provider_id


def _is_news(message: Message, receipt: DeliveryReceipt, word: ReceiptOutcome) -> bool:
    """Further than what stands; of equals the earliest stands, so that any order ends the same."""
    if not message.receipt or message.receipt_at is None:
        return True
    stands = ReceiptOutcome(message.receipt)
    if RANK[word] != RANK[stands]:
        return RANK[word] > RANK[stands]
    return (receipt.at, receipt.error[:300]) < (message.receipt_at, message.receipt_error)


def _sent_on(message: Message, channel: str, reason: str, *, again: bool = False) -> bool:
    """Make it due again, for the next channel (or for this one, in another form). False: there is no way left."""
    if message.state != WorkState.DONE:
        return False
    if not again:
        message.skipped = [*message.skipped, {"channel": channel, "reason": reason[:300]}]
        if not delivery.goes_on(message):
            return False
    Message.objects.filter(pk=message.pk).update(
        state=WorkState.PENDING,
        due_at=Now(),
        retry_count=0,
        processed_at=None,
        skipped=message.skipped,
        channel="",
        provider_id="",
        receipt="",
        receipt_at=None,
        receipt_error="",
        why="",
    )
    return True
