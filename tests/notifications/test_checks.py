"""What is found when the program starts."""

import json
from dataclasses import replace

import pytest

from notifications import checks
from notifications.channels import CHANNELS
from notifications.content import catalogue
from notifications.content.template import MessageText, Template


# spec: S5
def test_channels_without_keys_are_off_and_said_so(settings):
    settings.FIREBASE_CREDENTIALS = settings.SENDGRID_API_KEY = settings.TWILIO_AUTH_TOKEN = ""
    settings.WHATSAPP_ACCESS_TOKEN = settings.WHATSAPP_PHONE_NUMBER_ID = "x"
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_FROM_NUMBER = settings.SENDGRID_FROM_EMAIL = "x"
    notes = {note.id: note.msg for note in checks.channels_that_are_off()}
    assert notes == {
        "notifications.provider.push": "Messages by push are off: FIREBASE_CREDENTIALS not set",
        "notifications.provider.sms": "Messages by sms are off: TWILIO_AUTH_TOKEN not set",
        "notifications.provider.email": "Messages by email are off: SENDGRID_API_KEY not set",
    }
    for channel in CHANNELS.values():
        for name in channel.needs:
            setattr(settings, name, "x")
    assert checks.channels_that_are_off() == []


# spec: S5
@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, "No such file"),
        ("not json", "Expecting value"),
        ("[]", "lacks client_email"),
        (json.dumps({"client_email": "a", "private_key": "b", "project_id": "c"}), "lacks token_uri"),
    ],
)
def test_a_service_account_that_cannot_work_is_an_error(settings, tmp_path, content, wrong):
    path = tmp_path / "account.json"
    if content is not None:
        path.write_text(content)
    settings.FIREBASE_CREDENTIALS = str(path)
    (error,) = checks.service_account_can_be_read()
    assert error.id == "notifications.E001"
    assert wrong in error.msg


def test_the_sandboxs_service_account_will_do(sandbox):
    assert checks.service_account_can_be_read() == []


# spec: N4
def test_the_catalogue_is_whole_and_a_broken_one_is_refused(monkeypatch):
    assert checks.catalogue_is_whole() == []
    broken = Template("order.cancelled", ("pigeon",), {"en": MessageText("a", "b")})
    monkeypatch.setitem(catalogue.CATALOGUE, "order.cancelled", broken)
    assert [error.id for error in checks.catalogue_is_whole()] == ["notifications.E002", "notifications.E003"]
    torn = replace(catalogue.CATALOGUE["order.refunded"], can_wait=True)
    monkeypatch.setitem(catalogue.CATALOGUE, "order.cancelled", torn)
    assert [error.id for error in checks.catalogue_is_whole()] == ["notifications.E006"]


# spec: S5 N3
def test_receipts_that_nobody_could_hear_are_warned_of(settings):
    for channel in CHANNELS.values():
        for name in channel.needs:
            setattr(settings, name, "x")
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS, settings.WHATSAPP_APP_SECRETS = [], ["s"]
    (warning,) = checks.nobody_tells_what_became()
    assert "SENDGRID_WEBHOOK_PUBLIC_KEY is not set" in warning.msg
    settings.SENDGRID_WEBHOOK_PUBLIC_KEYS = ["not a key"]
    assert checks.nobody_tells_what_became() == []
    assert [error.id for error in checks.verification_keys_can_be_read()] == ["notifications.E004"]
