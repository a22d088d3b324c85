import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

from tests.outside import sandbox, sandbox_process

__all__ = ["room", "sandbox", "sandbox_process"]

# How long an example takes says more about the machine than about the code.
settings.register_profile("foundation", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("foundation")


@pytest.fixture
def room(monkeypatch) -> Callable[..., None]:
    """Put up a room called `probe` whose reactions are the given functions: `room(look=function)` is "probe.look"."""
    reactions = ModuleType("probe.reactions")
    monkeypatch.setitem(sys.modules, "probe", ModuleType("probe"))
    monkeypatch.setitem(sys.modules, "probe.reactions", reactions)

    def furnish(**verbs) -> None:
        for name, verb in verbs.items():
            setattr(reactions, name, verb)

    return furnish
