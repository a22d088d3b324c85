"""Recipients: addresses that can be used, devices that move on, wishes."""

from datetime import timedelta

import pytest

from foundation import clock
from foundation.errors import Invalid
from notifications.contacts import recipients
from notifications.models import PushToken

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("+91 80123 45678", "+918012345678"),
        ("+1 (415) 867-5309", "+14158675309"),
        ("", ""),
        ("8012345678", ""),  # dialled from where? without a country code nobody can say
        ("+1", ""),
        ("call me", ""),
    ],
)
def test_a_phone_number_is_kept_if_it_can_be_dialled(given, kept):
    assert recipients.create_recipient(phone=given).phone == kept


# spec: N4
def test_a_device_registered_twice_belongs_to_the_latest_registrant():
    asha, ravi = recipients.create_recipient(name="Asha"), recipients.create_recipient(name="Ravi")
    recipients.register_token(asha, "device-token-1", "android")
    recipients.retire_token("device-token-1", "unregistered")
    recipients.register_token(ravi, "device-token-1", "ios")

    token = PushToken.objects.get()
    assert (token.recipient, token.platform, token.retired_at, token.retired_reason) == (ravi, "ios", None, "")


# spec: N3
def test_bad_news_about_a_device_does_not_outlive_its_new_registration():
    asha = recipients.create_recipient(name="Asha")
    recipients.register_token(asha, "device-token-1")
    before = clock.now() - timedelta(seconds=5)

    assert recipients.retire_token("device-token-1", "unregistered", not_seen_since=before) is False
    assert recipients.retire_token("device-token-1", "unregistered", not_seen_since=clock.now()) is True
    assert recipients.retire_token("device-token-1", "unregistered") is False  # it is


@pytest.mark.parametrize("token", ["", "x" * 301, "with\x00nul", "two\nlines"])
def test_a_token_that_cannot_be_one_is_refused(token):
    with pytest.raises(Invalid, match="printable") as refusal:
        recipients.register_token(recipients.create_recipient(), token)
    assert refusal.value.field == "token"


def test_opting_out_and_in_says_whether_it_changed_anything():
    asha = recipients.create_recipient(name="Asha")
    assert [recipients.opt_out(asha), recipients.opt_out(asha)] == [True, False]
    asha.refresh_from_db()
    assert asha.opted_out_at is not None
    assert [recipients.opt_in(asha), recipients.opt_in(asha)] == [True, False]
