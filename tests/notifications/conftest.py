from tests.sandbox_fixtures import sandbox, sandbox_process

__all__ = ["sandbox", "sandbox_process"]
