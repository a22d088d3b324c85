"""What every channel must do: a channel's test class names its facts and inherits the rest."""

import dataclasses
import json
import uuid
from typing import Any, ClassVar

import pytest

from foundation.errors import Permanent, Transient, Unknown
from foundation.models import OutboundCall
from notifications.channels import CHANNELS
from notifications.channels.base import Channel, RenderedMessage
from notifications.contacts import recipients
from notifications.models import Recipient
from tests.sandbox.process import Sandbox

CLOSED_PORT = "http://127.0.0.1:9"


def letter(**changes: Any) -> RenderedMessage:
    one = RenderedMessage(
        public_id=uuid.uuid4(),
        reference="message:7",
        attempt=2,
        title="Delivered",
        body="Your order has been delivered. आनंद लें!",
        data={"type": "delivery.completed", "orderId": "o-1"},
        registered_as="delivery_completed",
        blanks=["Your order has been delivered. आनंद लें!"],
    )
    return dataclasses.replace(one, **changes)


@pytest.mark.django_db
class ChannelContract:
    """Subclasses give the channel's name, the provider behind it, and addresses that work and that are refused."""

    name: ClassVar[str]
    provider: ClassVar[str]
    base_setting: ClassVar[str]
    secret_setting: ClassVar[str]
    good: ClassVar[str]
    refused: ClassVar[str]

    def reachable(self) -> Recipient:
        """A recipient who has `good` for an address on this channel."""
        raise NotImplementedError

    def hurry(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        """Make the channel wait no longer than that for an answer."""
        raise NotImplementedError

    def break_credentials(self, settings: Any, tmp_path: Any) -> None:
        setattr(settings, self.secret_setting, "wrong")

    @property
    def channel(self) -> Channel:
        return CHANNELS[self.name]

    def arrived(self, sandbox: Sandbox) -> list[dict[str, Any]]:
        return sandbox.control("GET", f"messages?channel={self.name}")["messages"]

    def kept(self) -> OutboundCall:
        return OutboundCall.objects.get()

    # spec: S5
    def test_it_is_off_when_any_key_is_missing(self, sandbox, settings):
        assert self.channel.is_enabled()
        for name in self.channel.needs:
            value = getattr(settings, name)
            setattr(settings, name, "")
            assert not self.channel.is_enabled()
            assert self.channel.missing_settings() == [name]
            setattr(settings, name, value)

    def test_it_knows_who_can_be_reached(self):
        assert self.channel.addresses_of(recipients.create_recipient(name="Nobody")) == []
        assert self.channel.addresses_of(self.reachable()) == [self.good]

    # spec: N2 C8
    def test_a_letter_arrives_and_the_call_is_kept_without_what_is_personal(self, sandbox):
        provider_id = self.channel.send_message(letter(), [self.good])

        (message,) = self.arrived(sandbox)
        assert message["to"] == self.good
        assert message["body"] == letter().body
        assert provider_id

        call = self.kept()
        assert (call.provider, call.outcome, call.reference, call.attempt) == (self.provider, "ok", "message:7", 2)
        assert call.status_code in (200, 201, 202)
        written = json.dumps([call.request, call.answer, call.url], ensure_ascii=False)
        assert self.good not in written
        assert letter().body not in written

    def test_a_refused_address_is_permanent(self, sandbox):
        with pytest.raises(Permanent):
            self.channel.send_message(letter(), [self.refused])
        assert self.arrived(sandbox) == []
        assert self.kept().outcome == "permanent"

    def test_refused_credentials_are_permanent_and_told_apart(self, sandbox, settings, tmp_path):
        self.break_credentials(settings, tmp_path)
        with pytest.raises(Permanent) as refusal:
            self.channel.send_message(letter(), [self.good])
        assert refusal.value.code in ("401", "403")
        assert self.arrived(sandbox) == []

    def test_a_provider_that_is_not_there_is_transient(self, sandbox, settings):
        setattr(settings, self.base_setting, CLOSED_PORT)
        with pytest.raises(Transient):
            self.channel.send_message(letter(), [self.good])
        assert self.kept().outcome == "transient"

    def test_an_error_of_the_provider_is_unknown_and_asked_once(self, sandbox):
        sandbox.fault(self.provider, "answer", "error_500", path=self.path, times=1)
        with pytest.raises(Unknown):
            self.channel.send_message(letter(), [self.good])
        assert self.arrived(sandbox) == []  # an SDK that repeated the call by itself would have got through
        assert self.kept().outcome == "unknown"

    def test_a_lost_answer_is_unknown_although_the_letter_arrived(self, sandbox):
        sandbox.fault(self.provider, "answer", "lost_answer", path=self.path, times=1)
        with pytest.raises(Unknown):
            self.channel.send_message(letter(), [self.good])
        assert len(self.arrived(sandbox)) == 1

    def test_a_silent_provider_is_given_up_in_time(self, sandbox, monkeypatch):
        self.hurry(monkeypatch, 0.5)
        sandbox.fault(self.provider, "answer", "timeout", path=self.path, times=1, seconds=3)
        with pytest.raises(Unknown):
            self.channel.send_message(letter(), [self.good])
        assert self.kept().latency_ms < 2500

    path: ClassVar[str] = ""
