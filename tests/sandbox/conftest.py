"""One sandbox process for all tests of this folder, emptied before each; Handoff is played by a small receiver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stripe

from tests.sandbox import process


@pytest.fixture(scope="session")
def _place() -> Iterator[process.Receiver]:
    with process.receiver() as place:
        yield place


@pytest.fixture(scope="session")
def _sandbox(_place: process.Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.Sandbox]:
    running = process.start(tmp_path_factory.mktemp("sandbox"), _place.url)
    yield running
    running.stop()
    assert running.process.returncode == 0


@pytest.fixture
def sandbox(_sandbox: process.Sandbox) -> process.Sandbox:
    _sandbox.control("POST", "reset")
    return _sandbox


@pytest.fixture
def handoff(sandbox: process.Sandbox, _place: process.Receiver) -> process.Receiver:
    """Where the sandbox sends its webhooks, empty."""
    _place.received.clear()
    _place.answers.clear()
    return _place


@pytest.fixture
def client(sandbox: process.Sandbox) -> stripe.StripeClient:
    """The real SDK; only the base address differs from production."""
    return stripe.StripeClient(
        sandbox.env["STRIPE_SECRET_KEY"],
        base_addresses={"api": sandbox.env["STRIPE_API_BASE"]},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=5),
    )
