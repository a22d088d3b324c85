"""Each channel against its provider, as the sandbox plays it over real HTTP, through the provider's own SDK."""

import json
from pathlib import Path

import pytest

from foundation.errors import Permanent, Transient
from foundation.models import OutboundCall
from notifications.channels import CHANNELS, push, twilio_client
from notifications.contacts import recipients
from notifications.models import PushToken, Recipient
from tests.notifications.channels.channel_contract import ChannelContract, letter


class TestPush(ChannelContract):
    name = "push"
    provider = "fcm"
    base_setting = "FCM_API_BASE"
    secret_setting = "FIREBASE_CREDENTIALS"
    good = "phone-of-asha-0001"
    refused = "unregistered-phone-01"
    path = "/v1"

    def reachable(self) -> Recipient:
        recipient = recipients.create_recipient(name="Asha")
        recipients.register_token(recipient, self.good)
        return recipient

    def hurry(self, monkeypatch, seconds):
        monkeypatch.setattr(push, "TIMEOUT_S", seconds)
        monkeypatch.setattr(push, "_apps", {})

    def break_credentials(self, settings, tmp_path: Path):
        account = json.loads(Path(settings.FIREBASE_CREDENTIALS).read_text())
        stranger = tmp_path / "stranger.json"
        stranger.write_text(json.dumps(account | {"client_email": "stranger@elsewhere.example"}))
        settings.FIREBASE_CREDENTIALS = str(stranger)


class TestSms(ChannelContract):
    name = "sms"
    provider = "twilio"
    base_setting = "TWILIO_API_BASE"
    secret_setting = "TWILIO_AUTH_TOKEN"
    good = "+918012345678"
    refused = "+15005550001"

    def reachable(self) -> Recipient:
        return recipients.create_recipient(name="Asha", phone=self.good)

    def hurry(self, monkeypatch, seconds):
        monkeypatch.setattr(twilio_client, "TIMEOUT_S", seconds)
        monkeypatch.setattr(twilio_client._local, "key", None, raising=False)


class TestWhatsApp(ChannelContract):
    name = "whatsapp"
    provider = "whatsapp"
    base_setting = "WHATSAPP_API_BASE"
    secret_setting = "WHATSAPP_ACCESS_TOKEN"
    good = "+918012345678"
    refused = "+0"

    def reachable(self) -> Recipient:
        recipient = recipients.create_recipient(name="Asha", phone=self.good)
        recipients.opt_in_to_whatsapp(recipient, "user:1")
        return Recipient.objects.get(pk=recipient.pk)

    def hurry(self, monkeypatch, seconds):
        monkeypatch.setattr("notifications.channels.whatsapp.TIMEOUT_S", seconds)


class TestEmail(ChannelContract):
    name = "email"
    provider = "sendgrid"
    base_setting = "SENDGRID_API_BASE"
    secret_setting = "SENDGRID_API_KEY"
    good = "asha@customers.example"
    refused = "asha@localhost"

    def reachable(self) -> Recipient:
        return recipients.create_recipient(name="Asha", email=self.good)

    def hurry(self, monkeypatch, seconds):
        monkeypatch.setattr("notifications.channels.email.TIMEOUT_S", seconds)

    def test_what_is_no_address_at_all_does_not_get_as_far_as_the_provider(self, sandbox):
        with pytest.raises(Permanent, match="not a mail"):
            self.channel.send_message(letter(), ["not an address"])
        assert sandbox.control("GET", "calls?provider=sendgrid")["calls"] == []

    def test_the_mail_names_its_message_for_later_status_reports(self, sandbox):
        one = letter()
        self.channel.send_message(one, [self.good])
        (mail,) = self.arrived(sandbox)
        assert mail["title"] == "Delivered"
        assert mail["data"]["custom_args"] == {"message": str(one.public_id)}


@pytest.fixture
def asha(db) -> Recipient:
    return recipients.create_recipient(name="Asha")


def devices(recipient: Recipient, *tokens: str) -> list[str]:
    for token in tokens:
        recipients.register_token(recipient, token)
    return list(tokens)


# spec: N3
def test_a_device_that_is_gone_is_retired_and_the_others_hear(sandbox, asha):
    sandbox.control("PUT", "fcm/tokens", {"token": "tablet-of-asha", "state": "invalid"})
    tokens = devices(asha, "unregistered-phone-01", "phone-of-asha-0002", "tablet-of-asha")

    CHANNELS["push"].send_message(letter(), tokens)

    assert [message["to"] for message in sandbox.messages("push")] == ["phone-of-asha-0002"]
    assert dict(PushToken.objects.values_list("token", "retired_reason")) == {
        "unregistered-phone-01": "unregistered",
        "phone-of-asha-0002": "",
        "tablet-of-asha": "invalid",
    }
    assert CHANNELS["push"].addresses_of(asha) == ["phone-of-asha-0002"]


# spec: N3
def test_what_may_be_our_own_mistake_retires_no_device(sandbox, asha):
    sandbox.control("PUT", "fcm/tokens", {"token": "phone-of-asha-0001", "state": "sender_mismatch"})
    tokens = devices(asha, "phone-of-asha-0001")
    with pytest.raises(Permanent):
        CHANNELS["push"].send_message(letter(), tokens)
    with pytest.raises(Permanent, match="too big"):  # INVALID_ARGUMENT as well, but said of the payload
        CHANNELS["push"].send_message(letter(body="x" * 5000), ["phone-of-asha-0002"])
    assert CHANNELS["push"].addresses_of(asha) == tokens


@pytest.mark.parametrize("state", ["quota", "unavailable"])
def test_a_device_that_may_be_reached_later_is_worth_another_try(sandbox, asha, state):
    sandbox.control("PUT", "fcm/tokens", {"token": "phone-of-asha-0001", "state": state})
    tokens = devices(asha, "unregistered-phone-01", "phone-of-asha-0001")
    with pytest.raises(Exception) as failure:  # noqa: PT011 - Transient or Unknown: both are tried again
        CHANNELS["push"].send_message(letter(), tokens)
    assert not isinstance(failure.value, Permanent)
    assert isinstance(failure.value, Transient) == (state == "quota")
    assert CHANNELS["push"].addresses_of(asha) == ["phone-of-asha-0001"]


def test_many_devices_are_pushed_to_in_chunks(sandbox, asha, monkeypatch):
    monkeypatch.setattr(push, "CHUNK", 2)
    tokens = devices(asha, *(f"phone-number-{n}" for n in range(5)))
    CHANNELS["push"].send_message(letter(), tokens)
    assert sorted(message["to"] for message in sandbox.messages("push", 5)) == tokens
    assert OutboundCall.objects.count() == 3


def test_a_push_carries_data_for_the_app(sandbox, asha):
    one = letter()
    CHANNELS["push"].send_message(one, ["phone-of-asha-0001"])
    (message,) = sandbox.messages("push")
    assert message["data"] == {"type": "delivery.completed", "orderId": "o-1", "messageId": str(one.public_id)}


def test_no_look_up_leaves_for_google(sandbox):
    """google-auth asks Google about regional boundaries in the background, whoever issued the token."""
    account = push._get_app().credential.get_credential()
    assert account._is_regional_access_boundary_lookup_required() is False


# spec: S2
@pytest.mark.parametrize("name", ["push", "sms", "email", "whatsapp"])
def test_no_sdk_writes_addresses_or_words_into_the_log(sandbox, asha, name, caplog):
    good = {"push": "phone-of-asha-0001", "sms": "+918012345678", "whatsapp": "+918012345678"}.get(
        name, "asha@customers.example"
    )
    CHANNELS[name].send_message(letter(), [good])
    assert good not in caplog.text
    assert letter().body not in caplog.text
    assert "Authorization" not in caplog.text
