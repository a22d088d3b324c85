"""How fast a company's day passes and how well it behaves: two documents, set by the control API."""

from __future__ import annotations

import random
from typing import Any

from sandbox.engine import runtime
from sandbox.engine.http import BadRequest, parse_number
from sandbox.engine.store import Transaction

PACE = {"speed": 1.0, "by_itself": False}
BEHAVIOUR = {
    "fail": 0.0,  # share of the jobs whose customer is not there
    "cancel": 0.0,  # share of the jobs that the company gives up before pickup
    "drop_webhooks": 0.0,  # share of the webhooks that never leave
    "refuse_cancel": False,
    "no_couriers": False,
    "postmates_header": False,  # Uber: the older name of the signature's header
    "enroute_events": False,  # DoorDash: the events one has to opt in to
}

Settings = dict[str, Any]


def load_pace(tx: Transaction, company: str) -> Settings:
    """`current_speed` 60: a minute of theirs is a second of ours. `by_itself` False: jobs move only by hand."""
    return {**PACE, **(tx.get("fleet.pace", company) or {})}


def load_behaviour(tx: Transaction, company: str) -> Settings:
    return {**BEHAVIOUR, **(tx.get("fleet.behaviour", company) or {})}


def set_pace(tx: Transaction, company: str, body: dict[str, Any]) -> Settings:
    changes = _read_changes(body, PACE)
    if not changes.get("speed", 1.0):
        raise BadRequest("speed", "above 0")
    tx.put("fleet.pace", company, {**load_pace(tx, company), **changes})
    return load_pace(tx, company)


def set_behaviour(tx: Transaction, company: str, body: dict[str, Any]) -> Settings:
    changes = _read_changes(body, BEHAVIOUR)
    for name, value in changes.items():
        if not isinstance(value, bool) and value > 1:
            raise BadRequest(name, "a share, at most 1")
    tx.put("fleet.behaviour", company, {**load_behaviour(tx, company), **changes})
    return load_behaviour(tx, company)


def does_happen(share: float, *about: object) -> bool:
    """Whether something that happens to a share of all happens here: the same answer on every day with the same jobs.

    Speaks of a job's number rather than its id, which differs from run to run.
    """
    return random.Random("/".join(map(str, about))).random() < share


def current_speed(company: str) -> float:
    with runtime.current_runtime().store.transaction() as tx:
        return float(load_pace(tx, company)["speed"])


def _read_changes(body: dict[str, Any], known: Settings) -> Settings:
    changes: Settings = {}
    for name, value in body.items():
        if name not in known:
            raise BadRequest(name, f"one of {', '.join(known)}")
        if isinstance(known[name], bool):
            if not isinstance(value, bool):
                raise BadRequest(name, "true or false")
            changes[name] = value
        else:
            changes[name] = parse_number(body, name, 0.0)
    return changes
