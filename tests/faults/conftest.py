"""Fault tests speak to the sandbox where they need a provider."""

from tests.sandbox_fixtures import sandbox, sandbox_process

__all__ = ["sandbox", "sandbox_process"]
