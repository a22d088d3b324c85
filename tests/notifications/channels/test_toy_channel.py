"""A channel is one module and one line (docs/adding-a-channel.md): this is such a module, and the line."""

from collections.abc import Sequence

import pytest

from foundation.errors import Permanent
from foundation.work import WorkState
from notifications import tasks
from notifications.channels import CHANNELS
from notifications.channels.base import Channel, RenderedMessage
from notifications.contacts import recipients
from notifications.models import Message, Recipient
from notifications.outbox import enqueue
from tests.queues import drain_queues

pytestmark = pytest.mark.django_db(transaction=True)
LANE = tasks.ORDINARY


class Pigeon(Channel):
    """Carries words to everybody who has a name. `loft` is what arrived."""

    name = "pigeon"
    needs = ()
    resend_unknown = True

    def __init__(self) -> None:
        self.loft: list[tuple[str, str]] = []

    def addresses_of(self, recipient: Recipient) -> list[str]:
        return [recipient.name] if recipient.name else []

    def send_message(self, letter: RenderedMessage, to: Sequence[str]) -> str:
        if to[0] == "Nobody":
            raise Permanent("no such loft")
        self.loft.append((to[0], letter.body))
        return f"pigeon-{len(self.loft)}"


@pytest.fixture
def pigeon(monkeypatch) -> Pigeon:
    channel = Pigeon()
    monkeypatch.setitem(CHANNELS, channel.name, channel)
    return channel


def say(to: Recipient, channels: Sequence[str]) -> Message:
    params = {"orderId": "o-1", "totalPaise": 1}
    enqueue.enqueue_message(to.pk, "delivery.completed", params, dedupe="delivery:1", channels=channels)
    drain_queues(LANE)
    return Message.objects.get()


# spec: N4
def test_a_new_channel_carries_messages(pigeon):
    message = say(recipients.create_recipient(name="Asha"), ["pigeon"])
    assert (message.state, message.channel, message.provider_id) == (WorkState.DONE, "pigeon", "pigeon-1")
    assert pigeon.loft == [("Asha", "Your order has been delivered. Enjoy your meal!")]


# spec: N2 N4
def test_it_takes_its_place_in_the_ladder(pigeon, sandbox):
    message = say(recipients.create_recipient(name="Nobody", email="nobody@customers.example"), ["pigeon", "email"])
    assert message.channel == "email"
    assert message.skipped == [{"channel": "pigeon", "reason": "permanent: no such loft"}]
