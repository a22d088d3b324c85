"""Of what a courier company tells, the newest stands (SPEC O1, C3): driver, estimate, reason, proofs. Pure.

Webhooks come late and in any order. `told` remembers for each piece when it was so by the company's clock, and the
stage of the update that said it: between two of the same moment the later stage stands. So older news never replaces
newer, whatever order it comes in, and what only the older one says is still learned.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate

_STAGES = (None, *CourierStage)  # in the order in which they are reached

Age = tuple[datetime, int]
Told = dict[str, list[Any]]


def age_of(update: CourierUpdate, now: datetime) -> Age:
    """When what it brings was so. A company's clock that runs ahead of ours does not make later news old."""
    return min(update.told_at or now, now), _STAGES.index(update.stage)


def keep_newest(told: Mapping[str, Any], pieces: Mapping[str, Any], age: Age) -> tuple[dict[str, Any], Told]:
    """(the pieces that stand, `told` with them). Empty pieces say nothing."""
    standing, known = {}, dict(told)
    for name, piece in pieces.items():
        if piece not in ("", None, {}) and age >= _known_age(told, name):
            standing[name] = piece
            known[name] = [age[0].isoformat(), age[1]]
    return standing, known


def merge_driver(known: Mapping[str, str], said: Mapping[str, str], *, is_newer: bool) -> dict[str, str]:
    """One person: what is newer completes or corrects what is known of him, another one replaces him as a whole."""
    said = {name: piece for name, piece in said.items() if piece}
    newer, older = (said, known) if is_newer else (known, said)
    return {**older, **newer} if _is_same_driver(older, newer) else dict(newer)


def has_replaced(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Somebody else carries it now."""
    return bool(before) and not _is_same_driver(before, now)


def _known_age(told: Mapping[str, Any], name: str) -> Age:
    at, stage = told.get(name) or (datetime.min.replace(tzinfo=UTC).isoformat(), 0)
    return datetime.fromisoformat(at), stage


def _is_same_driver(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """By the company's id of them, else by name; who is told of without either is whoever is known."""
    for key in ("id", "name"):
        if one.get(key) and other.get(key):
            return one[key] == other[key]
    return True
