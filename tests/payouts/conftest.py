"""Money tests speak to the sandbox's Stripe where they need one."""

from tests.outside import sandbox, sandbox_process

__all__ = ["sandbox", "sandbox_process"]
