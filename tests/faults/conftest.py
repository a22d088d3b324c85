"""Fault tests speak to the sandbox where they need a provider."""

from tests.outside import sandbox, sandbox_process

__all__ = ["sandbox", "sandbox_process"]
