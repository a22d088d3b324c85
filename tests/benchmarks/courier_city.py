"""Two courier companies in this process for the couriers benchmark, which forget to tell: a share of their answers is
lost, a share of their webhooks is dropped. And Handoff's work queues, each drained by a thread as beat has a worker do
it.
"""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

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
from foundation.work import Backoff

ROAD = (
    CourierStage.REQUESTED,
    CourierStage.ASSIGNED,
    CourierStage.PICKED_UP,
    CourierStage.IN_TRANSIT,
    CourierStage.DELIVERED,
)
ENDED = (CourierStage.DELIVERED, CourierStage.CANCELLED)


@dataclass
class Job:
    external_id: str
    stage: CourierStage = CourierStage.REQUESTED
    times: dict[CourierStage, datetime] = field(default_factory=dict)


class Forgetful(CourierProvider):
    """Answers at once. Known by its own ids only, as COOCO and Uber know them."""

    status_words = {stage.value: stage for stage in CourierStage}
    create_retries = Backoff(first_s=0.5, cap_s=2, tries=30)

    def __init__(self, name: str, *, lost: float, dropped: float) -> None:
        self.name = self.title = name  # type: ignore[misc]
        self.lost, self.dropped, self.dice = lost, dropped, Random(name)
        self.lock, self.jobs, self.counts = threading.Lock(), dict[str, Job](), Counter[str]()

    def is_enabled(self) -> bool:
        return True

    @property
    def live(self) -> list[Job]:
        return [job for job in list(self.jobs.values()) if job.stage not in ENDED]

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────
    def _answered(self, what: str) -> None:
        self.counts[what] += 1
        if self.dice.random() < self.lost:
            self.counts["answers lost"] += 1
            raise Unknown("the answer is lost")

    def request_quote(self, parcel: Shipment, call: CallAttempt) -> Quote:
        raise Permanent("quotes are stored beforehand")

    def create_job(self, parcel: Shipment, quote_ref: str, call: CallAttempt) -> CourierUpdate:
        with self.lock:
            job = self.jobs.setdefault(parcel.external_id, Job(parcel.external_id))
            self._answered("creates")
            return self._news(job)

    def get(self, handle: JobReference, call: CallAttempt) -> CourierUpdate:
        with self.lock:
            job = self._known(handle)
            self._answered("polls")
            return self._news(job)

    def cancel_job(self, handle: JobReference, reason: str, call: CallAttempt) -> CancellationResult:
        with self.lock:
            job = self._known(handle)
            job.stage = CourierStage.CANCELLED
            self._answered("cancels")
            return CancellationResult()

    def _known(self, handle: JobReference) -> Job:
        if not handle.courier_ref:
            raise LookupUnsupported("known by our id alone")
        return self.jobs[handle.external_id]

    def _news(self, job: Job) -> CourierUpdate:
        return CourierUpdate(
            courier=self.name,
            external_id=job.external_id,
            courier_ref=f"{self.name}:{job.external_id}",
            status_text=str(job.stage),
            stage=job.stage,
            occurred_at=job.times.get(job.stage),
            passed={stage: at for stage, at in job.times.items() if stage not in ENDED},
        )

    # ── its door ─────────────────────────────────────────────────────────────────────────────────────────────
    def verify_signature(self, request: WebhookRequest) -> VerifiedSignature:
        return VerifiedSignature()

    def list_events(self, payload: Any, verified: VerifiedSignature) -> Sequence[IncomingEvent]:
        return [IncomingEvent(payload["stage"], payload["id"], payload)]

    def read_event(self, event_type: str, payload: Any) -> CourierUpdate | None:
        at = datetime.fromisoformat(payload["at"])
        ours = {"courier": self.name, "external_id": payload["job"], "courier_ref": f"{self.name}:{payload['job']}"}
        return CourierUpdate(**ours, status_text=event_type, stage=CourierStage(event_type), occurred_at=at)

    # ── what happens there ───────────────────────────────────────────────────────────────────────────────────────
    def move_all(self) -> list[dict[str, Any]]:
        """Every live job goes on by one stage. Returns the webhooks that are sent; the others are dropped."""
        sent = []
        with self.lock:
            for job in self.live:
                job.stage = ROAD[ROAD.index(job.stage) + 1]
                job.times[job.stage] = at = clock.now()
                if self.dice.random() < self.dropped:
                    self.counts["webhooks dropped"] += 1
                    continue
                self.counts["webhooks sent"] += 1
                known = {"id": uuid.uuid4().hex, "job": job.external_id, "stage": str(job.stage)}
                sent.append({**known, "at": at.isoformat()})
        return sent


# ── the house ────────────────────────────────────────────────────────────────────────────────────────────────────
@contextmanager
def working(names: Sequence[str]) -> Iterator[None]:
    """These work queues, each drained by a thread of its own until the end."""
    from django.db import connection

    from foundation.work_queues import all_queues, drain_queue

    over = threading.Event()

    def work(name: str) -> None:
        while not over.is_set():
            drain_queue(all_queues()[name], seconds=0.5)
        connection.close()

    threads = [threading.Thread(target=work, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def until(done: Any, *, patience_s: float, pause_s: float = 0.1) -> None:
    """Wait until `done()`. Raises RuntimeError when it takes too long."""
    deadline = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not done in {patience_s:.0f} s")
        time.sleep(pause_s)
