"""Money tests speak to the sandbox's Stripe where they need one."""

from tests.sandbox_fixtures import sandbox, sandbox_process

__all__ = ["sandbox", "sandbox_process"]
