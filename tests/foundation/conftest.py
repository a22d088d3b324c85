from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

from foundation import jobs
from tests.sandbox_fixtures import sandbox, sandbox_process

__all__ = ["room", "sandbox", "sandbox_process"]

# How long an example takes says more about the machine than about the code.
settings.register_profile("foundation", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("foundation")


@pytest.fixture
def room(monkeypatch) -> Callable[..., None]:
    """Register the given functions as job handlers of a room `probe`: `room(look=function)` is "probe.look"."""

    def register(**handlers) -> None:
        for name, handler in handlers.items():
            monkeypatch.setitem(jobs.HANDLERS, f"probe.{name}", handler)

    return register
