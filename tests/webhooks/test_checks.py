"""What is configured wrongly is said at the start (SPEC S5)."""

from typing import Any

import pytest

from webhooks import checks

ALL = (checks.check_missing_secrets, checks.check_payment_events, checks.check_distinct_secrets)


def found() -> set[str]:
    return {str(message.id) for check in ALL for message in check()}


# spec: S5
@pytest.mark.parametrize(
    ("key", "platform", "connect", "ids"),
    [
        ("", [], [], {"webhooks.provider.stripe_platform", "webhooks.provider.stripe_connect"}),
        ("key", ["a"], ["b"], set()),
        ("key", ["a"], [], {"webhooks.provider.stripe_connect"}),
        ("key", [], ["b"], {"webhooks.provider.stripe_platform", "webhooks.W001"}),
        ("key", ["a", "b"], ["b"], {"webhooks.E001"}),
    ],
)
def test_secrets(key: str, platform: list[str], connect: list[str], ids: set[str], settings: Any):
    settings.STRIPE_SECRET_KEY = key
    settings.STRIPE_WEBHOOK_SECRETS = platform
    settings.STRIPE_CONNECT_WEBHOOK_SECRETS = connect
    assert found() == ids
