"""Fixtures of deliveries's tests."""

from tests.deliveries.sockets_process import hearing, sockets
from tests.outside import sandbox, sandbox_process

__all__ = ["hearing", "sandbox", "sandbox_process", "sockets"]
