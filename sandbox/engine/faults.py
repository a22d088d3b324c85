"""Faults on request: what can go wrong between two companies, one rule at a time.

A rule names a provider, a direction and a kind, and fires `times` times or for a `share` of the traffic.

answer (a call that arrives here)            webhook (a notification that leaves here)
  delay        waits, then executes            delay            leaves `seconds` later
  error_500    answers `status`, not executed  reorder          leaves after the next one of the same provider
  too_many     answers 429 with Retry-After:   duplicate        is sent twice
               `seconds`, not executed         wrong_signature  is signed with another secret, once
  timeout      executes, holds the answer      lost_answer      arrives, its 200 is lost, so it is sent again
  lost_answer  executes, drops the connection  drop             never arrives, and the sender gives up on it
  drop         drops the connection at once
"""

from __future__ import annotations

import json
import math
import random
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.engine.store import Store

KINDS = {
    "answer": ("delay", "error_500", "too_many", "timeout", "lost_answer", "drop"),
    "webhook": ("delay", "reorder", "duplicate", "wrong_signature", "lost_answer", "drop"),
}
DEFAULT_SECONDS = {"delay": 2.0, "timeout": 30.0, "reorder": 3.0, "too_many": 1.0}


class FaultRefused(ValueError):
    """A rule that makes no sense; `field` says which part."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Fault:
    """One rule. `path` is a prefix: of the path within the provider for answers, of the topic for webhooks.

    `times` None means without end. `status` is what error_500 answers: 503 plays an outage. `saved` belongs to Stripe's
    error_500: True as documented (the 500 is remembered under its Idempotency-Key and replayed), False for a failure in
    front of the API, which remembers nothing.
    """

    provider: str
    direction: str
    kind: str
    path: str = ""
    times: int | None = 1
    share: float = 1.0
    seconds: float = 0.0
    saved: bool = True
    status: int = 500


def read_fault(rule: dict[str, Any], signs: dict[str, bool]) -> Fault:
    """A rule from the control API. `signs` maps each provider to whether it signs what it sends."""
    provider, direction, kind = (str(rule.get(name, "")) for name in ("provider", "direction", "kind"))
    if provider not in signs:
        raise FaultRefused("provider", f"one of {', '.join(signs)}")
    if direction not in KINDS:
        raise FaultRefused("direction", f"one of {', '.join(KINDS)}")
    if kind not in KINDS[direction]:
        raise FaultRefused("kind", f"one of {', '.join(KINDS[direction])} for direction {direction}")
    if kind == "wrong_signature" and not signs[provider]:
        raise FaultRefused("kind", f"{provider} signs nothing")
    share = _read_number(rule, "share", 1.0)
    if not 0 < share <= 1:
        raise FaultRefused("share", "above 0 and at most 1")
    times = rule.get("times", None if "share" in rule else 1)
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
        raise FaultRefused("times", "a positive integer")
    status = rule.get("status", 500)
    if not isinstance(status, int) or not 500 <= status <= 599:
        raise FaultRefused("status", "from 500 to 599")
    path = str(rule.get("path") or "")
    if direction == "answer" and path:
        path = f"/{path.lstrip('/')}".removeprefix(f"/{provider}")
    return Fault(
        provider=provider,
        direction=direction,
        kind=kind,
        path=path,
        times=times,
        share=share,
        seconds=_read_number(rule, "seconds", DEFAULT_SECONDS.get(kind, 0.0)),
        saved=bool(rule.get("saved", True)),
        status=status,
    )


def _read_number(rule: dict[str, Any], name: str, default: float) -> float:
    value = rule.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise FaultRefused(name, "a number, 0 or more")
    return float(value)


def _does_fire(rule: Fault, provider: str, direction: str, path: str) -> bool:
    applies = (rule.provider, rule.direction) == (provider, direction) and path.startswith(rule.path)
    return applies and random.random() < rule.share


class Faults:
    """The rules in force. Kept in memory for speed and in the store so that a restart remembers them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._rules: dict[int, tuple[Fault, int]] = {}  # id -> (rule, times fired)
        with store.transaction() as tx:
            for row in tx.sql.execute("SELECT id, body, fired FROM faults WHERE active = 1"):
                self._rules[row["id"]] = (Fault(**json.loads(row["body"])), row["fired"])

    def add_fault(self, fault: Fault) -> int:
        with self._store.transaction() as tx:
            cursor = tx.sql.execute(
                "INSERT INTO faults (created, body) VALUES (?, ?)", (time.time(), json.dumps(asdict(fault)))
            )
            fault_id = int(cursor.lastrowid or 0)
        with self._lock:
            self._rules[fault_id] = (fault, 0)
        return fault_id

    def clear_faults(self, provider: str = "") -> None:
        """All rules, or those of one provider."""
        with self._lock:
            ended = [key for key, (rule, _) in self._rules.items() if provider in ("", rule.provider)]
            for key in ended:
                del self._rules[key]
        with self._store.transaction() as tx:
            tx.sql.executemany("UPDATE faults SET active = 0 WHERE id = ?", [(key,) for key in ended])

    def choose_fault(self, provider: str, direction: str, path: str) -> Fault | None:
        """The first rule that fires for this call or webhook; counted. Cheap when there are no rules."""
        if not self._rules:
            return None
        with self._lock:
            fault_id = next(
                (key for key, (rule, _) in self._rules.items() if _does_fire(rule, provider, direction, path)), 0
            )
            if not fault_id:
                return None
            fault, fired = self._rules[fault_id]
            self._rules[fault_id] = (fault, fired + 1)
            spent = fault.times is not None and fired + 1 >= fault.times
            if spent:
                del self._rules[fault_id]
        with self._store.transaction() as tx:
            tx.sql.execute("UPDATE faults SET fired = fired + 1, active = ? WHERE id = ?", (int(not spent), fault_id))
        return fault

    def list_faults(self) -> list[dict[str, Any]]:
        """All rules ever set since the last reset, newest first, with how often each fired."""
        with self._store.transaction() as tx:
            rows = tx.sql.execute("SELECT id, body, fired, active FROM faults ORDER BY id DESC LIMIT 200").fetchall()
        return [
            {"id": r["id"], **json.loads(r["body"]), "fired": r["fired"], "active": bool(r["active"])} for r in rows
        ]
