"""Fixtures of the road's tests."""

from tests.outside import sandbox, sandbox_process

__all__ = ["sandbox", "sandbox_process"]
