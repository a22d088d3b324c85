"""The rule of one, fought over: dispatch, ops, the customer and two courier companies at the same moment (SPEC C2, O7).

Five hands reach for each order together while three threads work the work queues: dispatch has company A asked, ops
sends it to B, gives it to a rider, has the courier stopped, and the order is cancelled. The companies themselves watch
that no order is ever a live job of both.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from random import Random
from threading import Barrier, Event, Lock
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count
from django.utils import timezone

from deliveries.couriers import cancellation as couriers_cancellation
from deliveries.couriers import providers
from deliveries.couriers.providers.base import CallAttempt, CancellationResult, JobReference, Shipment
from deliveries.couriers.providers.status_update import CourierUpdate
from deliveries.fulfilment import ops_actions
from deliveries.lifecycle import CARRIED, LIVE
from deliveries.models import IN_HOUSE, CourierCall, CourierQuote, Delivery
from foundation.errors import APIError, Unknown
from foundation.models import Job
from foundation.work import OPEN, Backoff, WorkState
from foundation.work_queues import all_queues
from orders import cancellation as orders_cancellation
from orders.models import Order, Store
from riders.models import Rider
from tests.builders import TEST, rider
from tests.deliveries.couriers.toy_courier import Toy
from tests.races import riders_and_orders as crowd
from tests.sizes import choose_size

pytestmark = pytest.mark.django_db(transaction=True)

LANES = ("couriers", "jobs", "dispatch")
BATCH = 100
ORDERS = choose_size(200, 1_000)
LOST = 0.05  # of the answers to creates
HANDS = 5


class Watch:
    """Which jobs are live at any company, by order: two at once for one order are a double."""

    def __init__(self) -> None:
        self.lock, self.live, self.doubles = Lock(), Counter[str](), list[str]()

    def begins(self, external_id: str) -> None:
        order_ref, _, _ = external_id.rpartition("-")
        self.live[order_ref] += 1
        if self.live[order_ref] > 1:
            self.doubles.append(external_id)

    def ends(self, external_id: str) -> None:
        self.live[external_id.rpartition("-")[0]] -= 1


class Watched(Toy):
    """Loses some of its answers, is asked again soon, and takes its time."""

    create_retries = Backoff(first_s=0.02, cap_s=0.05, tries=20)

    def __init__(self, name: str, watch: Watch) -> None:
        super().__init__(name)
        self.watch, self.dice = watch, Random(name)

    def create_job(self, parcel: Shipment, quote_ref: str, call: CallAttempt) -> CourierUpdate:
        time.sleep(0.001)
        with self.watch.lock:
            if parcel.external_id not in self.jobs:
                self.watch.begins(parcel.external_id)
            news, lost = super().create_job(parcel, quote_ref, call), self.dice.random() < LOST
        if lost:
            raise Unknown("the answer is lost")
        return news

    def cancel_job(self, handle: JobReference, reason: str, call: CallAttempt) -> CancellationResult:
        time.sleep(0.001)
        with self.watch.lock:
            was_live = self._known(handle).live
            answer = super().cancel_job(handle, reason, call)
            if was_live:
                self.watch.ends(handle.external_id)
        return answer


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    companies = {name: Watched(name, made) for name in ("alpha", "beta")}
    monkeypatch.setattr(providers, "courier_providers", lambda: companies)
    return made


# ── the race ─────────────────────────────────────────────────────────────────────────────────────────────────────
def contested(many: int) -> list[Delivery]:
    """Deliveries for which dispatch, when it looks, has company A asked at once."""
    made = crowd.deliveries(many)
    policy = {"carried_by": Store.Carriers.PREFERRED, "preferred_carriers": ["alpha"]}
    Store.objects.filter(pk=made[0].order.store_id).update(**policy)
    until = timezone.now() + timedelta(hours=1)
    CourierQuote.objects.bulk_create(
        CourierQuote(delivery=one, courier="alpha", outcome="ok", fee_minor=1, currency="INR", expires_at=until)
        for one in made
    )
    Delivery.objects.filter(pk__in=[one.pk for one in made]).update(due_at=until)
    return made


def fleet(orders: int) -> list[Rider]:
    """Riders with places for all of them; dispatch does not see them."""
    return [rider(online=False, max_concurrent=10) for _ in range(orders // 8)]


def fight(contest: Sequence[Delivery], riders: Sequence[Rider], seed: int) -> Counter[str]:
    """All hands reach for one order after the other, together; the work queues work meanwhile. What each hand was
    told."""
    start, over, told = Barrier(HANDS), Event(), Counter[str]()

    def hand(name: str, act: Callable[[Delivery], Any]) -> None:
        dice = Random(f"{name} {seed}")
        try:
            for delivery in contest:
                start.wait(timeout=60)
                if name != "dispatch" and dice.random() < 0.5:
                    continue  # not all of them want every order
                time.sleep(dice.random() * 0.006)
                try:
                    act(delivery)
                    told[name] += 1
                except APIError as problem:
                    told[f"{name}: {problem.code}"] += 1
        except BaseException:
            start.abort()
            raise
        finally:
            over.set()

    def give(delivery: Delivery) -> None:
        ops_actions.give_to(delivery.order_id, riders[delivery.pk % len(riders)].public_id, by=TEST)

    hands: list[Callable[[], None]] = [
        partial(hand, "dispatch", look),
        partial(hand, "send", lambda one: ops_actions.send_to(one.order_id, "beta", "quicker", by=TEST)),
        partial(hand, "give", give),
        partial(
            hand,
            "cancel",
            lambda one: orders_cancellation.cancel_by_person(one.order_id, by=TEST, reason="changed mind"),
        ),
        partial(hand, "stop", stop),
    ]
    crowd.together([*hands, *(partial(work, lane, over) for lane in LANES)])
    return told


def look(delivery: Delivery) -> None:
    """Dispatch looks at it now."""
    Delivery.objects.filter(pk=delivery.pk, state=WorkState.PENDING).update(due_at=timezone.now())
    all_queues()["dispatch"].drain_once()


def stop(delivery: Delivery) -> None:
    """Ops wants the courier to stop; once more when nobody had it a moment ago."""
    with suppress(APIError):
        ops_actions.stop_courier(delivery.order_id, "too slow", by=TEST)
        return
    time.sleep(0.01)
    ops_actions.stop_courier(delivery.order_id, "too slow", by=TEST)


def work(name: str, over: Event) -> None:
    while not over.is_set():
        if not all_queues()[name].drain_once():
            time.sleep(0.01)


def settle() -> None:
    """The work queues work until nothing is left to do."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        busy = sum(all_queues()[name].drain_once() for name in LANES)
        follows = Job.objects.filter(handler="deliveries.follow_order", state__in=OPEN)
        if not busy and not CourierCall.objects.filter(state__in=OPEN).exists() and not follows.exists():
            return
    raise AssertionError("it never came to rest")


# ── what holds ───────────────────────────────────────────────────────────────────────────────────────────────────
def one_carrier_each(watch: Watch) -> None:
    assert not watch.doubles
    jobs: list[Any] = [job for company in providers.courier_providers().values() for job in company.jobs.values()]  # type: ignore[attr-defined]
    assert all(len(job.requests) == 1 for job in jobs), "a job was asked for in two names"
    known = set(
        Delivery.objects.filter(status__in=LIVE).exclude(courier=IN_HOUSE).values_list("external_id", flat=True)
    )
    assert {job.external_id for job in jobs if job.live} <= known, "a company carries what we think is over"
    carriers = Counter(job.external_id.rpartition("-")[0] for job in jobs if job.live)
    carriers.update(
        Delivery.objects.filter(courier=IN_HOUSE, status__in=CARRIED).values_list("order__public_id", flat=True)
    )
    assert set(carriers.values()) <= {1}
    lives = Delivery.objects.filter(status__in=LIVE).values("order").annotate(many=Count("pk"))
    assert not lives.filter(many__gt=1).exists()
    creates = CourierCall.objects.filter(purpose="create", state=WorkState.DONE)
    assert not creates.values("delivery").annotate(many=Count("pk")).filter(many__gt=1).exists()
    assert not Delivery.objects.filter(order__preparation="cancelled", status__in=LIVE).exists()
    assert not any(all_queues()[name].count_dead(1) for name in LANES)


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


# spec: C2, O7
@pytest.mark.timeout(600)
def test_orders_are_fought_over_and_each_has_one_carrier(watch: Watch):
    before, told = deadlocks(), Counter[str]()
    for batch in range(ORDERS // BATCH):
        told += fight(contested(BATCH), fleet(BATCH), seed=batch)
        settle()
        one_carrier_each(watch)
    won = {name: told[name] for name in ("send", "give", "cancel", "stop")}
    assert min(won.values()) > ORDERS / 50, f"there was no race: {told}"
    assert Delivery.objects.filter(courier="alpha").count() > ORDERS / 50
    assert Delivery.objects.filter(attempt__gt=1).count() > ORDERS / 50
    assert Order.objects.count() == ORDERS
    assert deadlocks() == before


def test_a_stop_that_does_not_wait_for_the_courier_would_be_caught(watch: Watch, monkeypatch: pytest.MonkeyPatch):
    """Known bad: what we want stopped counts as over at once, and somebody else is sent."""

    def hasty(order: Order, delivery: Delivery, reason: str, *, by: Any) -> None:
        careful(order, delivery, reason, by=by)
        couriers_cancellation.end_for_us(order, delivery, reason, by=by)

    careful = couriers_cancellation.stop_courier
    monkeypatch.setattr(couriers_cancellation, "stop_courier", hasty)
    caught = False
    for batch in range(5):
        fight(contested(40), fleet(40), seed=batch)
        settle()
        try:
            one_carrier_each(watch)
        except AssertionError:
            caught = True
            break
    assert caught
