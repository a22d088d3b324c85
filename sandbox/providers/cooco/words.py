"""COOCO itself, found where it is running, and its words."""

from __future__ import annotations

from typing import cast

from sandbox.engine import runtime
from sandbox.fleet.company import Company
from sandbox.fleet.stages import Stage


def company() -> Company:
    return cast(Company, runtime.current().providers["cooco"])


def status_of(stage: str) -> str:
    return company().words[Stage(stage)]
