"""Fixtures of deliveries's tests."""

from tests.deliveries.realtime.sockets_process import hearing, sockets
from tests.sandbox_fixtures import sandbox, sandbox_process

__all__ = ["hearing", "sandbox", "sandbox_process", "sockets"]
