"""A courier company for tests of the room: it answers from memory, remembers what it was asked, and fails on request.

The real companies are tested against their contracts over HTTP (tests/deliveries/couriers, tests/flows).
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deliveries.couriers import providers
from deliveries.couriers.providers.base import (
    CallAttempt,
    CancellationResult,
    CourierProvider,
    JobReference,
    LookupUnsupported,
    Quote,
    Shipment,
)
from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from foundation import clock
from foundation.errors import Permanent, Unknown
from foundation.webhook import IncomingEvent, VerifiedSignature, WebhookRequest
from foundation.work import Exact
from tests.queues import drain_queues

T0 = datetime(2026, 7, 1, 12, tzinfo=UTC)


@dataclass
class Job:
    reference: str
    external_id: str
    created: int = 1
    live: bool = True
    stage: CourierStage = CourierStage.REQUESTED
    requests: set[str] = field(default_factory=set)


class Toy(CourierProvider):
    """`fails`: what the next calls end with; an Unknown one is carried out all the same when `executes` is set."""

    name, title = "toy", "Toy Couriers"
    status_words = {stage.value: stage for stage in CourierStage}
    create_retries = Exact((1, 2, 4, 8, 16))

    def __init__(self, name: str = "toy", fee_minor: int = 7_000, minutes: int = 30) -> None:
        self.name = name  # type: ignore[misc]
        self.fee_minor, self.minutes = fee_minor, minutes
        self.jobs: dict[str, Job] = {}
        self.fails: deque[Exception] = deque()
        self.always: Exception | None = None
        self.executes = True
        self.calls: list[tuple[str, CallAttempt]] = []

    def is_enabled(self) -> bool:
        return True

    @property
    def live(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.live]

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def _called(self, what: str, call: CallAttempt) -> Iterator[None]:
        self.calls.append((what, call))
        error = self.fails.popleft() if self.fails else self.always
        if error is None or (isinstance(error, Unknown) and self.executes):
            yield
        if error is not None:
            raise error

    def request_quote(self, parcel: Shipment, call: CallAttempt) -> Quote:
        with self._called("quote", call):
            pass
        now = clock.now()
        arrival_at = now + timedelta(minutes=self.minutes)
        return Quote(self.fee_minor, parcel.currency, arrival_at, now + timedelta(minutes=5), f"q-{parcel.external_id}")

    def create_job(self, parcel: Shipment, quote_ref: str, call: CallAttempt) -> CourierUpdate:
        with self._called("create", call):
            job = self.jobs.setdefault(parcel.external_id, Job(f"{self.name}-{len(self.jobs)}", parcel.external_id))
            job.requests.add(str(call.request_id))
        return self.news(job.external_id, CourierStage.REQUESTED, at=None)

    def _known(self, handle: JobReference) -> Job:
        """Like COOCO it looks nothing up by our id."""
        if not handle.courier_ref:
            raise LookupUnsupported("known by our id alone")
        if handle.external_id not in self.jobs:
            raise Permanent("no such job", code="404")
        return self.jobs[handle.external_id]

    def get(self, handle: JobReference, call: CallAttempt) -> CourierUpdate:
        self._known(handle)
        with self._called("get", call):
            pass
        return self.news(handle.external_id, self.jobs[handle.external_id].stage, at=None)

    def cancel_job(self, handle: JobReference, reason: str, call: CallAttempt) -> CancellationResult:
        job = self._known(handle)
        with self._called("cancel", call):
            job.live = False
        return CancellationResult(500, "USD")

    # ── its door ─────────────────────────────────────────────────────────────────────────────────────────────
    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        return VerifiedSignature()

    def list_events(self, payload: Any, verified: VerifiedSignature) -> Sequence[IncomingEvent]:
        return [IncomingEvent(payload["stage"], payload["id"], payload)]

    def read_event(self, event_type: str, payload: Any) -> CourierUpdate | None:
        return self.news(payload["external_id"], CourierStage(payload["stage"]), at=payload.get("minute"))

    def news(self, external_id: str, stage: CourierStage | None, *, at: float | None, **facts: Any) -> CourierUpdate:
        """What it says of a job; `at` in minutes after T0."""
        job = self.jobs.get(external_id)
        return CourierUpdate(
            courier=self.name,
            external_id=external_id,
            courier_ref=job.reference if job else "",
            status_text=str(stage),
            stage=stage,
            occurred_at=None if at is None else T0 + timedelta(minutes=at),
            told_at=None if at is None else T0 + timedelta(minutes=at),
            **facts,
        )


def drain() -> None:
    """Courier calls, jobs and dispatch until nothing of them is due, one by one in this thread's transaction."""
    drain_queues("couriers", "jobs", "dispatch", one_by_one=True)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    made = Toy()
    monkeypatch.setattr(providers, "courier_providers", lambda: {made.name: made})
    return made
