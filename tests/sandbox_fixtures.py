"""The providers, played by the sandbox over real HTTP: `from tests.sandbox_fixtures import sandbox` in a folder's
conftest."""

from collections.abc import Iterator

import pytest

from tests.sandbox import process
from tests.sandbox.process import Sandbox

NOBODY = "http://127.0.0.1:9"  # where webhooks go in tests that await none
LISTS = {
    "STRIPE_WEBHOOK_SECRET": "STRIPE_WEBHOOK_SECRETS",
    "STRIPE_CONNECT_WEBHOOK_SECRET": "STRIPE_CONNECT_WEBHOOK_SECRETS",
    "COOCO_WEBHOOK_SECRET": "COOCO_WEBHOOK_SECRETS",
    "UBER_WEBHOOK_SIGNING_KEY": "UBER_WEBHOOK_SIGNING_KEYS",
    "DOORDASH_WEBHOOK_AUTHORIZATION": "DOORDASH_WEBHOOK_AUTHORIZATIONS",
    "SENDGRID_WEBHOOK_PUBLIC_KEY": "SENDGRID_WEBHOOK_PUBLIC_KEYS",
    "WHATSAPP_APP_SECRET": "WHATSAPP_APP_SECRETS",
}


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    running = process.start(tmp_path_factory.mktemp("outside"), NOBODY)
    yield running
    running.stop()


@pytest.fixture
def sandbox(sandbox_process: Sandbox, settings) -> Sandbox:
    """A sandbox that remembers nothing of the test before, and Handoff's settings pointing at it."""
    sandbox_process.control("POST", "reset")
    for name, value in sandbox_process.env.items():
        if name in LISTS:
            setattr(settings, LISTS[name], [value])
        elif hasattr(settings, name):
            setattr(settings, name, value)
    return sandbox_process
