"""A courier company on a bad day, for tests that look for anything that could go wrong: answers and requests get lost
or come late, the world moves while a call is under way, and its webhooks wait until the test delivers or drops them.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from deliveries.couriers.providers.base import (
    CallAttempt,
    CancellationResult,
    CannotCancel,
    JobReference,
    LookupUnsupported,
    Shipment,
)
from deliveries.couriers.providers.status_update import ENDS, CourierStage, CourierUpdate
from foundation import clock
from foundation.errors import Permanent, Transient, Unknown
from foundation.geo import Point
from tests.deliveries.couriers.toy_courier import Job, Toy

HAD_IT = frozenset({CourierStage.PICKED_UP, CourierStage.IN_TRANSIT})
ROAD = (
    CourierStage.REQUESTED,
    CourierStage.ASSIGNED,
    CourierStage.PICKED_UP,
    CourierStage.IN_TRANSIT,
    CourierStage.DELIVERED,
)


class Fault(StrEnum):
    """What becomes of a call."""

    ANSWER_LOST = "carried out, the answer is lost"
    REQUEST_LOST = "never arrives, nobody knows"
    LATE = "arrives later, when `arrive` is called"
    BUSY = "not now"
    REFUSED = "refused for good"
    MEANWHILE = "carried out, and `meanwhile` happens before the answer comes"


@dataclass
class Lived(Job):
    """A job with the times of what happened to it. `told`: we have had an answer or a webhook about it."""

    history: dict[CourierStage, datetime] = field(default_factory=dict)
    told: bool = False
    late: bool = False


class Troubled(Toy):
    """`finds_by_our_id`: it looks jobs up by our id (DoorDash does, COOCO does not), and then tells no timeline."""

    def __init__(self, name: str, fee_minor: int = 7_000, *, finds_by_our_id: bool) -> None:
        super().__init__(name, fee_minor)
        self.finds_by_our_id = finds_by_our_id
        self.jobs: dict[str, Lived] = {}  # type: ignore[assignment]
        self.faults: deque[Fault] = deque()
        self.meanwhile: Callable[[], None] = lambda: None
        self.under_way: list[str] = []  # our ids in creates that arrive late
        self.refused: set[str] = set()
        self.webhooks: list[CourierUpdate] = []

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def _troubled(self, what: str, external_id: str, call: CallAttempt) -> Iterator[None]:
        self.calls.append((what, call))
        fault = self.faults.popleft() if self.faults else None
        match fault:
            case Fault.REQUEST_LOST:
                raise Unknown("no answer")
            case Fault.LATE:
                if what == "create":
                    self.under_way.append(external_id)
                raise Unknown("no answer yet")
            case Fault.BUSY:
                raise Transient("busy")
            case Fault.REFUSED if what == "create" and external_id not in self.jobs:
                self.refused.add(external_id)
                raise Permanent("not in our area")
            case Fault.REFUSED if what == "cancel":
                raise CannotCancel("a driver is on the way")
        yield
        if fault == Fault.ANSWER_LOST:
            raise Unknown("the answer is lost")
        if fault == Fault.MEANWHILE:
            self.meanwhile()

    def create_job(self, parcel: Shipment, quote_ref: str, call: CallAttempt) -> CourierUpdate:
        with self._troubled("create", parcel.external_id, call):
            job = self._begin(parcel.external_id)
            job.requests.add(str(call.request_id))
        return self._answer(job)

    def _begin(self, external_id: str) -> Lived:
        return self.jobs.setdefault(external_id, Lived(f"{self.name}-{len(self.jobs)}", external_id))

    def _found(self, handle: JobReference) -> Lived:
        if not handle.courier_ref and not self.finds_by_our_id:
            raise LookupUnsupported("known by our id alone")
        if handle.external_id not in self.jobs:
            raise Permanent("no such job", code="404")
        return self.jobs[handle.external_id]

    def get(self, handle: JobReference, call: CallAttempt) -> CourierUpdate:
        job = self._found(handle)
        with self._troubled("get", handle.external_id, call):
            pass
        return self._answer(job)

    def cancel_job(self, handle: JobReference, reason: str, call: CallAttempt) -> CancellationResult:
        job = self._found(handle)
        with self._troubled("cancel", handle.external_id, call):
            if job.live and job.stage in HAD_IT:
                raise CannotCancel(f"it is {job.stage}")
            if not job.live and job.stage != CourierStage.CANCELLED:
                raise CannotCancel(f"it was {job.stage}")
            if job.live:
                self._reach(job, CourierStage.CANCELLED)
        return CancellationResult(500, "INR")

    def _answer(self, job: Lived) -> CourierUpdate:
        job.told = True
        if self.finds_by_our_id:
            return self.news(job.external_id, job.stage, at=None)
        passed = {stage: at for stage, at in job.history.items() if stage not in ENDS}
        return self._news(job, job.stage, passed)

    def _news(
        self, job: Lived, stage: CourierStage, passed: dict[CourierStage, datetime] | None = None
    ) -> CourierUpdate:
        return CourierUpdate(
            courier=self.name,
            external_id=job.external_id,
            courier_ref=job.reference,
            status_text=str(stage),
            stage=stage,
            occurred_at=job.history.get(stage),
            passed=passed or {},
            position=Point(12.98, 77.59) if stage in HAD_IT else None,
            reason="it fell into a river" if stage == CourierStage.FAILED else "",
        )

    # ── what happens there ───────────────────────────────────────────────────────────────────────────────────────
    def arrive(self) -> None:
        """The creates that were under way arrive."""
        while self.under_way:
            external_id = self.under_way.pop()
            if external_id not in self.refused and external_id not in self.jobs:
                self._begin(external_id).late = True

    def move(self, job: Lived, to: CourierStage | None = None) -> None:
        """A live job goes on to its next stage, or to that one; a webhook about it waits to be delivered."""
        self._reach(job, to or ROAD[ROAD.index(job.stage) + 1])

    def _reach(self, job: Lived, stage: CourierStage) -> None:
        job.stage, job.history[stage] = stage, clock.now()
        job.live = stage not in ENDS
        self.webhooks.append(self._news(job, stage))

    def heard(self, news: CourierUpdate) -> None:
        self.jobs[news.external_id].told = True
