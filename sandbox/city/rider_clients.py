"""Riders and their phones: go online, send positions, answer offers, carry, hand over; a few cheat."""

import asyncio
import math
import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from sandbox.city.api_clients import ApiAnswer, ApiClient
from sandbox.city.clock import CityClock
from sandbox.city.day import Courier
from sandbox.city.fixtures import Cast
from sandbox.city.tally import Tally

POSITION_EVERY_S = 10.0  # the contract's interval, in real seconds
WATCHED_EVERY_S = 1.0  # with an order that somebody looks at, so that the map of a hurried city moves too
METRES_PER_DEGREE = 111_195.0
API = "/api/v1/rider"
NOT_READY_YET = ("INVALID_STATUS_TRANSITION", "NOT_READY")


@dataclass
class Job:
    """One accepted order as its rider sees it."""

    ref: str
    pickup: tuple[float, float]
    dropoff: tuple[float, float]
    carried: bool = False


class RiderApp:
    """One rider with one phone."""

    def __init__(self, courier: Courier, cast: Cast, clock: CityClock, phone: ApiClient, tally: Tally) -> None:
        self.courier, self.cast, self.clock, self.phone, self.tally = courier, cast, clock, phone, tally
        self.character = cast.character_of(courier)
        self.cheats_left = self.character.cheats
        self.at = cast.place_of(courier.spot)
        self.jobs: list[Job] = []
        self.overtime = True
        self._work = asyncio.Event()
        self._dice = random.Random(f"rider:{cast.seed}:{courier.name}")
        self._answering: set[asyncio.Task[None]] = set()

    # ── the shift ────────────────────────────────────────────────────────────────────────────────────────────
    async def live_shift(self, over: asyncio.Event) -> None:
        """From the start of the shift to its end (or, where nobody relieves them, until the day is `over`)."""
        await self.clock.sleep_until(self.courier.on_min)
        if not await self._set_availability(True):
            return  # suspended since an earlier run
        await self._catch_up()
        beacon = asyncio.create_task(self._send_positions())
        try:
            while not await self._may_leave(over):
                if self.jobs:
                    await self._carry_next()
                else:
                    await self._wait_for_work(over)
        finally:
            beacon.cancel()
        await self._set_availability(False)

    async def _may_leave(self, over: asyncio.Event) -> bool:
        """Off duty, nothing to carry, no answer under way, and the app's list agrees."""
        if self.jobs or self._answering or not (self._off_duty() or over.is_set()):
            return False
        await self._catch_up()
        return not self.jobs

    def _off_duty(self) -> bool:
        return not self.overtime and self.clock.now_min() >= self.courier.off_min

    async def _wait_for_work(self, over: asyncio.Event) -> None:
        self._work.clear()
        waits = [asyncio.create_task(self._work.wait()), asyncio.create_task(over.wait())]
        await asyncio.wait(waits, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _set_availability(self, online: bool) -> bool:
        answer = await self.phone.call(
            "PATCH", f"{API}/availability", json={"online": online, "lat": self.at[0], "lng": self.at[1]}
        )
        if not answer.is_ok and answer.error_code != "RIDER_SUSPENDED":
            self.tally.note_surprise(f"{self.courier.name} availability {online}: {answer.status} {answer.body}")
        return answer.is_ok

    async def _catch_up(self) -> None:
        """What was accepted is to be done, even where the app was restarted or never got the answer."""
        answer = await self.phone.call("GET", f"{API}/orders")
        for row in answer.body.get("data") or []:
            if row.get("deliveryAcceptedAt"):
                await self._take_on(row["id"], carried=row["deliveryStatus"] != "ASSIGNED")

    async def _take_on(self, ref: str, *, carried: bool = False) -> None:
        """Once, however many ways it is heard of: another may have come while the order was being read."""
        if self._has_job(ref):
            return
        job = await self._build_job(ref)
        if not self._has_job(ref):
            job.carried = carried
            self.jobs.append(job)

    def _has_job(self, ref: str) -> bool:
        return any(job.ref == ref for job in self.jobs)

    async def _send_positions(self) -> None:
        while True:
            await self._until_next_position()
            answer = await self.phone.call(
                "POST", f"{API}/location", json={"lat": self.at[0], "lng": self.at[1], "accuracy": 8.0}
            )
            if not answer.is_ok:
                self.tally.note_surprise(f"{self.courier.name} position: {answer.status} {answer.body}")
            if not self.jobs:
                await self._catch_up()

    async def _until_next_position(self) -> None:
        waits_until = time.monotonic() + POSITION_EVERY_S * self._dice.uniform(0.9, 1.1)
        while time.monotonic() < waits_until:
            await asyncio.sleep(WATCHED_EVERY_S)
            if any(job.carried and job.ref == self.tally.watched for job in self.jobs):
                return

    # ── offers ───────────────────────────────────────────────────────────────────────────────────────────────
    def take_push(self, data: dict[str, Any]) -> None:
        """A push arrived, and the app says so; an offer is answered beside whatever the rider is doing."""
        if message_id := data.get("messageId"):
            self._run_aside(self._acknowledge_message(str(message_id)))
        if data.get("type") == "offer.made":
            self._run_aside(self._answer_offer(str(data["orderId"])))

    def _run_aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _acknowledge_message(self, message_id: str) -> None:
        answer = await self.phone.call("POST", f"/api/v1/notifications/{message_id}/ack")
        if not answer.is_ok:
            self.tally.note_surprise(f"{self.courier.name} acknowledged {message_id}: {answer.status} {answer.body}")

    async def _answer_offer(self, ref: str) -> None:
        mood = self._dice.random()
        if mood < self.character.dawdles:
            self.tally.offers["left unanswered"] += 1
            return
        await asyncio.sleep(self._dice.uniform(0.1, 1.5))
        if mood < self.character.dawdles + self.character.rejects or self._off_duty():
            answer = await self._twice_on_bad_days("PATCH", f"{API}/orders/{ref}/reject", {"reason": "Too far"})
            self.tally.offers["rejected" if answer.is_ok else f"reject refused ({answer.error_code})"] += 1
            return
        answer = await self._twice_on_bad_days("PATCH", f"{API}/orders/{ref}/accept", None)
        self.tally.offers["accepted" if answer.is_ok else f"accept refused ({answer.error_code})"] += 1
        if answer.is_ok:
            await self._take_on(ref)
            self._work.set()

    async def _twice_on_bad_days(self, method: str, path: str, body: Any) -> ApiAnswer:
        """Now and then the answer is lost on the way and the app asks again: the first answer is what happened."""
        first = await self.phone.call(method, path, json=body)
        if self._dice.random() < 0.02:
            again = await self.phone.call(method, path, json=body)
            if first.is_ok and again.status >= 500:
                self.tally.note_surprise(f"{method} {path} again: {again.status} {again.body}")
        return first

    async def _build_job(self, ref: str) -> Job:
        answer = await self.phone.call("GET", f"{API}/orders/{ref}")
        data = answer.body["data"]
        return Job(ref, _point_of(data["pickupAddress"]), _point_of(data["addressSnapshot"]))

    # ── the road ─────────────────────────────────────────────────────────────────────────────────────────────
    async def _carry_next(self) -> None:
        """The stop that can be done soonest: a drop-off of what is carried, or a pickup of what is (nearly) ready."""
        job = min(self.jobs, key=self._done_in_min)
        if not job.carried:
            await self._pick_up(job)
        else:
            await self._hand_over(job)

    def _done_in_min(self, job: Job) -> float:
        ride = _metres_between(self.at, job.dropoff if job.carried else job.pickup) / self.cast.day.metres_per_minute
        return ride if job.carried else max(ride, self._ready_min(job) - self.clock.now_min())

    def _ready_min(self, job: Job) -> float:
        return self.tally.ready_min.get(job.ref, 0.0)

    async def _pick_up(self, job: Job) -> None:
        await self._report_falsely(job, "PICKED_UP", job.pickup)
        await self._ride_to(job.pickup)
        await self.clock.sleep_minutes(self.cast.day.service_min / 2)
        await self.clock.sleep_until(self._ready_min(job))
        if not await self._report_step(job, "PICKED_UP", patience_min=60):
            self.jobs.remove(job)
            return
        job.carried = True
        await self.clock.sleep_minutes(self.cast.day.service_min / 2)
        if not await self._report_step(job, "OUT_FOR_DELIVERY"):
            self.jobs.remove(job)
            return
        ride_min = _metres_between(self.at, job.dropoff) / self.cast.day.metres_per_minute
        self.tally.under_way[job.ref] = self.clock.now_min() + ride_min

    async def _hand_over(self, job: Job) -> None:
        await self._report_falsely(job, "DELIVERED", job.dropoff)
        await self._ride_to(job.dropoff)
        await self.clock.sleep_minutes(self.cast.day.service_min / 2)
        if await self._report_step(job, "DELIVERED"):
            self.tally.delivered.add(job.ref)
        self.tally.under_way.pop(job.ref, None)
        self.jobs.remove(job)
        await self.clock.sleep_minutes(self.cast.day.service_min / 2)

    async def _report_step(self, job: Job, status: str, *, patience_min: float = 0.0) -> bool:
        """Tell Handoff; False when the order is no longer ours. At the store, wait while it is not ready yet."""
        gives_up = self.clock.now_min() + patience_min
        while True:
            body = {
                "status": status,
                "lat": _shake_degrees(self.at[0], self._dice),
                "lng": _shake_degrees(self.at[1], self._dice),
            }
            answer = await self._twice_on_bad_days("PATCH", f"{API}/orders/{job.ref}/status", body)
            if answer.is_ok:
                return True
            if answer.error_code in NOT_READY_YET and self.clock.now_min() < gives_up:
                await asyncio.sleep(0.5)
                continue
            if not await self._still_ours(job):
                self.tally.offers["withdrawn after accepting"] += 1
                return False
            self.tally.note_surprise(f"{self.courier.name} {status} {job.ref}: {answer.status} {answer.body}")
            await asyncio.sleep(1.0)
            if self.clock.now_min() >= gives_up + 60:
                return False

    async def _still_ours(self, job: Job) -> bool:
        answer = await self.phone.call("GET", f"{API}/orders")
        return any(row["id"] == job.ref for row in answer.body.get("data") or [])

    async def _report_falsely(self, job: Job, status: str, target: tuple[float, float]) -> None:
        """Claim to be there while still far away; Handoff must say no."""
        if self.cheats_left <= 0 or _metres_between(self.at, target) < 300:
            return
        self.cheats_left -= 1
        body = {"status": status, "lat": self.at[0], "lng": self.at[1]}
        answer = await self.phone.call("PATCH", f"{API}/orders/{job.ref}/status", json=body)
        caught = answer.error_code in ("FAKE_PICKUP_DETECTED", "FAKE_DELIVERY_DETECTED")
        self.tally.cheats["caught" if caught else "refused otherwise" if not answer.is_ok else "got through"] += 1
        if answer.is_ok:
            self.tally.note_surprise(f"{self.courier.name} cheated {status} on {job.ref} and got through")

    async def _ride_to(self, target: tuple[float, float]) -> None:
        """Straight there at the day's speed, the position known all the way."""
        start, metres = self.at, _metres_between(self.at, target)
        minutes = metres / self.cast.day.metres_per_minute
        left = self.clock.now_min()
        while (gone := self.clock.now_min() - left) < minutes:
            part = gone / minutes
            self.at = (start[0] + (target[0] - start[0]) * part, start[1] + (target[1] - start[1]) * part)
            await asyncio.sleep(min(1.0, self.clock.real_s(minutes - gone)))
        self.at = target


def _point_of(address: dict[str, Any]) -> tuple[float, float]:
    return float(address["latitude"]), float(address["longitude"])


def _metres_between(a: tuple[float, float], b: tuple[float, float]) -> float:
    east = (b[1] - a[1]) * METRES_PER_DEGREE * math.cos(math.radians(a[0]))
    return math.hypot((b[0] - a[0]) * METRES_PER_DEGREE, east)


def _shake_degrees(degrees: float, dice: random.Random) -> float:
    """A phone is right to some ten metres."""
    return round(degrees + dice.uniform(-1, 1) * 0.00009, 6)
