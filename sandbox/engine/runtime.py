"""The one running sandbox of this process, put together by `sandbox.serve` and asked for by the views."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sandbox.engine.dispatch import Dispatcher
from sandbox.engine.faults import Faults
from sandbox.engine.inbox import Inbox
from sandbox.engine.provider import Provider
from sandbox.engine.store import Store


@dataclass(frozen=True)
class Runtime:
    """`handoff_url` and `base_url` carry no trailing slash; `keys` are the secrets of `keys.json`."""

    home: Path
    base_url: str
    handoff_url: str
    keys: dict[str, str]
    store: Store
    faults: Faults
    inbox: Inbox
    dispatcher: Dispatcher
    providers: dict[str, Provider]


_started: list[Runtime] = []  # none or one


def current_runtime() -> Runtime:
    if not _started:
        raise RuntimeError("the sandbox is not started; run python -m sandbox.serve")
    return _started[-1]


def start_runtime(
    home: Path, base_url: str, handoff_url: str, keys: dict[str, str], providers: Iterable[Provider]
) -> Runtime:
    """Open the store in `home` and start sending what is due."""
    by_name = {provider.name: provider for provider in providers}
    store = Store(home / "sandbox.sqlite3", [index for p in by_name.values() for index in p.indexes])
    faults = Faults(store)
    dispatcher = Dispatcher(store, faults, by_name)
    runtime = Runtime(
        home=home,
        base_url=base_url.rstrip("/"),
        handoff_url=handoff_url.rstrip("/"),
        keys=keys,
        store=store,
        faults=faults,
        inbox=Inbox(store),
        dispatcher=dispatcher,
        providers=by_name,
    )
    _started.append(runtime)
    dispatcher.start_threads()
    return runtime


def stop_runtime() -> None:
    """Finish what is being sent and close the store; everything else stays due for the next start."""
    while _started:
        _started[-1].dispatcher.stop_threads()
        _started.pop().store.close()
