"""Saying things to somebody and looking at what became of it: shared by the tests of the room."""

from collections.abc import Sequence

from django.db.models import F
from django.db.models.functions import Now

from foundation.work import WorkState
from notifications import tasks
from notifications.contacts import recipients
from notifications.incidents import alerting
from notifications.models import Incident, Message, Recipient
from notifications.outbox import enqueue
from tests.queues import drain_queues

PHONE, MAIL, TOKEN = "+918012345678", "asha@customers.example", "phone-of-asha-0001"
PARAMS = {"orderId": "o-1", "totalPaise": 45_000, "etaMinutes": 15, "rider": "Ravi", "reason": "x"}


def reachable() -> Recipient:
    """Asha can be reached by push, SMS and email."""
    asha = recipients.create_recipient(name="Asha", email=MAIL, phone=PHONE)
    recipients.register_token(asha, TOKEN)
    return asha


def say(
    recipient: Recipient,
    event: str = "delivery.completed",
    dedupe: str = "delivery:1",
    channels: Sequence[str] | None = None,
    order_ref: str = "",
) -> Message:
    enqueue.enqueue_message(recipient.pk, event, PARAMS, dedupe=dedupe, channels=channels, order_ref=order_ref)
    return Message.objects.latest("pk")


def work() -> None:
    drain_queues(*tasks.QUEUES)


def tell_ops() -> None:
    """What opened has gathered for long enough: ops hears of it now."""
    Incident.objects.update(first_at=F("first_at") - alerting.GATHER)
    assert alerting.alert_ops()


def make_due() -> None:
    Message.objects.filter(state=WorkState.PENDING).update(due_at=Now())


def inbox(sandbox) -> list[tuple[str, str]]:
    """What arrived, as (channel, address), in its order."""
    return [(one["channel"], one["to"]) for one in sandbox.control("GET", "messages?limit=500")["messages"]]


def reasons(message: Message) -> dict[str, str]:
    """Why each channel did not do; under "" why it was not sent at all."""
    message.refresh_from_db()
    return {step["channel"]: step["reason"] for step in message.skipped}
