"""The rule of one, whatever courier companies, riders, customers and the network do (SPEC C2–C5, O1, O7, O8).

A machine plays with one or two orders, two companies on a bad day and two riders. After every step at most one carrier
has an order, or ops has been told, or the end of the other one is being seen to. In the end everything rests: each
order was delivered once, or was given its money back, or stands open before ops, and no company has a job of ours that
we do not know of.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from django.db import transaction
from django.db.models import F, QuerySet
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from deliveries.couriers import calls as couriers_calls
from deliveries.couriers import circuit_breaker, providers, updates
from deliveries.couriers.providers.status_update import CourierStage
from deliveries.fulfilment import offer_responses, ops_actions, transitions
from deliveries.lifecycle import CARRIED, LIVE, DeliveryStatus, OfferStatus
from deliveries.models import IN_HOUSE, CourierCall, Delivery, Offer
from foundation.errors import APIError
from foundation.models import Job, User
from foundation.work import OPEN
from foundation.work_queues import all_queues
from notifications.models import Incident
from orders import cancellation, locks
from orders.lifecycle import OrderStatus
from orders.models import Order, Refund, Store
from tests import builders
from tests.builders import TEST
from tests.deliveries.couriers.test_calls import pass_time
from tests.deliveries.couriers.troubled_courier import Fault, Lived, Troubled
from tests.queues import drain_queues

T = TypeVar("T")
QUEUES = ("couriers", "jobs", "dispatch", "offers")
POLICIES: list[dict[str, Any]] = [
    {"carried_by": Store.Carriers.PREFERRED, "preferred_carriers": ["alpha", "beta", "in_house"]},
    {"carried_by": Store.Carriers.PREFERRED, "preferred_carriers": ["beta", "alpha"]},
    *({"carried_by": carriers} for carriers in (Store.Carriers.CHEAPEST, Store.Carriers.IN_HOUSE_FIRST)),
]
TOLD = ("courier_will_not_stop", "delivered_by_earlier_courier", "courier_given_up")
ENDED_WELL = {OrderStatus.CANCELLED, OrderStatus.REFUNDED, OrderStatus.DELIVERY_FAILED}
number = st.integers(0, 1_000)


class Couriers(RuleBasedStateMachine):
    """`providers.courier_providers` is already replaced by `companies` (fixture `bad_day`)."""

    companies: dict[str, Troubled]

    def __init__(self) -> None:
        super().__init__()
        self.world = transaction.atomic()
        self.world.__enter__()
        for company in self.companies.values():
            company.__init__(company.name, company.fee_minor, finds_by_our_id=company.finds_by_our_id)  # type: ignore[misc]

    @initialize(
        policy=st.sampled_from(POLICIES),
        orders=st.sampled_from([1, 1, 2]),
        asked=st.sampled_from(["", "alpha", "alpha", "beta", "beta"]),
    )
    def begin(self, policy: dict[str, Any], orders: int, asked: str) -> None:
        """With `asked`, that company has been chosen already, and is not called yet."""
        seller = builders.store(**policy)
        self.lead: User = builders.user()
        self.riders = [builders.rider(at=builders.near(north_m=100)) for _ in range(2)]
        ready = [builders.ready(builders.paid_order(of=seller)) for _ in range(orders)]
        self.orders = [builders.searching(one).order_id for one in ready]
        for order_id in self.orders if asked else []:
            ops_actions.send_to(order_id, asked, "they are good", by=TEST)

    # ── the house ────────────────────────────────────────────────────────────────────────────────────────────
    @rule(name=st.sampled_from(QUEUES))
    def one_queue_works_once(self, name: str) -> None:
        replace(all_queues()[name], batch=1).drain_once()

    @rule()
    def all_lanes_work(self) -> None:
        drain()

    @rule(seconds=st.sampled_from([1, 2, 20, 70]))
    def time_passes(self, seconds: float) -> None:
        time_goes_on(seconds)

    @rule()
    def five_minutes_are_up(self) -> None:
        time_goes_on(301)

    @rule()
    def silent_jobs_are_polled(self) -> None:
        couriers_calls.poll_silent(silent_s=0)

    # ── people ───────────────────────────────────────────────────────────────────────────────────────────────
    @rule(which=number, sure=st.sampled_from([False, False, True]))
    def the_order_is_cancelled(self, which: int, sure: bool) -> None:
        if sure:
            cancel(pick(self.orders, which))

    @precondition(lambda self: self._deliveries().exclude(courier=IN_HOUSE).exists())
    @rule(which=number)
    def ops_stops_the_courier(self, which: int) -> None:
        tried(ops_actions.stop_courier, pick(self.orders, which), "too slow", by=TEST)

    @precondition(lambda self: self._deliveries().filter(courier_job__stop_refused_at__isnull=False).exists())
    @rule(which=number, choice=st.sampled_from(["keep", "double_cost"]))
    def ops_decides(self, which: int, choice: str) -> None:
        tried(ops_actions.decide_stop, pick(self.orders, which), choice, self.lead, by=TEST)

    @precondition(lambda self: self._deliveries().filter(status=DeliveryStatus.SEARCHING).exists())
    @rule(which=number, courier=st.sampled_from(["alpha", "beta"]))
    def ops_sends_it_to(self, which: int, courier: str) -> None:
        tried(ops_actions.send_to, pick(self.orders, which), courier, "quicker", by=TEST)

    @precondition(lambda self: self._deliveries().filter(courier=IN_HOUSE).exists())
    @rule(which=number, who=number)
    def ops_gives_it_to(self, which: int, who: int) -> None:
        tried(ops_actions.give_to, pick(self.orders, which), pick(self.riders, who).public_id, by=TEST)

    @precondition(lambda self: Offer.objects.filter(status=OfferStatus.PENDING).exists())
    @rule(which=number)
    def a_rider_accepts(self, which: int) -> None:
        for offer in Offer.objects.filter(status=OfferStatus.PENDING).select_related("rider"):
            if which % 4:
                tried(offer_responses.accept_offer, offer.pk, offer.rider, by=TEST)
            else:
                tried(offer_responses.reject_offer, offer.pk, offer.rider, by=TEST)

    @precondition(lambda self: self._deliveries().filter(courier=IN_HOUSE, status__in=CARRIED).exists())
    @rule(which=number)
    def a_rider_goes_on(self, which: int) -> None:
        goes_on(pick(list(self._deliveries().filter(courier=IN_HOUSE, status__in=CARRIED)), which))

    def _deliveries(self) -> QuerySet[Delivery]:
        """The live ones."""
        return Delivery.objects.filter(status__in=LIVE)

    # ── companies ────────────────────────────────────────────────────────────────────────────────────────────
    @rule(
        company=st.sampled_from(["alpha", "beta"]),
        faults=st.lists(st.sampled_from(list(Fault)), min_size=1, max_size=3),
        then=st.sampled_from(["cancel", "stop", "move", "webhook"]),
        which=number,
    )
    def the_next_calls_fail(self, company: str, faults: list[Fault], then: str, which: int) -> None:
        troubled, order_id = self.companies[company], pick(self.orders, which)

        def meanwhile() -> None:
            for job in troubled.live if then in ("move", "webhook") else []:
                if job.stage != CourierStage.DELIVERED:
                    troubled.move(job)
            match then:
                case "cancel":
                    cancel(order_id)
                case "stop":
                    tried(ops_actions.stop_courier, order_id, "too slow", by=TEST)
                case "webhook":
                    self._deliver(troubled, 0)

        troubled.faults.extend(faults)
        troubled.meanwhile = meanwhile

    @precondition(lambda self: any(company.under_way for company in self.companies.values()))
    @rule(company=st.sampled_from(["alpha", "beta"]))
    def late_requests_arrive(self, company: str) -> None:
        self.companies[company].arrive()

    @precondition(lambda self: any(company.live for company in self.companies.values()))
    @rule(which=number, end=st.sampled_from([None, None, None, CourierStage.CANCELLED, CourierStage.FAILED]))
    def a_job_moves(self, which: int, end: CourierStage | None) -> None:
        company, job = pick([(company, job) for company in self.companies.values() for job in company.live], which)
        company.move(job, end)

    @precondition(lambda self: any(company.webhooks for company in self.companies.values()))
    @rule(which=number, company=st.sampled_from(["alpha", "beta"]), fate=st.sampled_from(["once", "twice", "lost"]))
    def a_webhook_arrives(self, which: int, company: str, fate: str) -> None:
        if self.companies[company].webhooks:
            self._deliver(self.companies[company], which, fate)

    @rule(company=st.sampled_from(["alpha", "beta"]))
    def the_breaker_trips(self, company: str) -> None:
        for _ in range(circuit_breaker.FAILURES):
            circuit_breaker.record_failure(company, "time-out")

    def _deliver(self, company: Troubled, which: int, fate: str = "once") -> None:
        if not company.webhooks:
            return
        news = company.webhooks.pop(which % len(company.webhooks))
        if fate == "lost":
            return
        for _ in range(2 if fate == "twice" else 1):
            updates.apply_update(news)
            company.heard(news)

    # ── what always holds ────────────────────────────────────────────────────────────────────────────────────────
    @invariant()
    def one_carrier_at_most(self) -> None:
        for order_id in getattr(self, "orders", []):
            assert Delivery.objects.filter(order_id=order_id, status__in=LIVE).count() <= 1
            carriers = list(self._carriers(order_id))
            unexplained = [one for one in carriers if not self._is_explained(one)]
            assert len(unexplained) <= 1, unexplained
            orphans = [one for one in unexplained if one.status not in LIVE]
            assert not orphans, orphans

    def _carriers(self, order_id: int) -> Iterator[Delivery]:
        """The deliveries for which somebody is really under way, whatever we think of them."""
        for delivery in Delivery.objects.filter(order_id=order_id):
            if delivery.courier == IN_HOUSE:
                if delivery.status in CARRIED:
                    yield delivery
            elif (job := self._job(delivery)) is not None and job.live:
                yield delivery

    def _job(self, delivery: Delivery) -> Lived | None:
        return self.companies[delivery.courier].jobs.get(delivery.external_id)

    def _is_explained(self, delivery: Delivery) -> bool:
        """It is over for us and its company goes on: ops knows, it is being ended, or we cannot know of it yet."""
        if delivery.courier == IN_HOUSE or delivery.status in LIVE:
            return False
        job = self._job(delivery)
        calls = CourierCall.objects.filter(delivery=delivery, state__in=OPEN)
        return bool(
            delivery.courier_job.stop_decision == "double_cost"
            or calls.filter(purpose__in=["create", "cancel"]).exists()
            or open_incidents(delivery, *TOLD).exists()
            or (job is not None and job.late and not job.told)
        )

    @invariant()
    def a_wish_to_stop_is_not_forgotten(self) -> None:
        for delivery in Delivery.objects.filter(status__in=LIVE, courier_job__stop_requested_at__isnull=False):
            calls = CourierCall.objects.filter(delivery=delivery, state__in=OPEN)
            name, subject = "deliveries.courier_time_is_up", f"delivery:{delivery.pk}"
            lapses = Job.objects.filter(handler=name, subject=subject, state__in=OPEN)
            assert (
                delivery.courier_job.stop_refused_at is not None
                or calls.filter(purpose__in=["create", "cancel"]).exists()
                or (not delivery.courier_job.reference and lapses.exists())
            ), f"{delivery} should stop, and nobody sees to it"

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────
    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None and hasattr(self, "orders"):
                self._everything_rests()
                self._it_ended_well()
        finally:
            transaction.set_rollback(True)
            self.world.__exit__(None, None, None)

    def _everything_rests(self) -> None:
        for company in self.companies.values():
            company.faults.clear()
        for turn in range(40):
            self._one_round(turn)
            live = [one for one in self._deliveries() if not open_incidents(one, "delivery_without_rider").exists()]
            if not live and not any(company.live or company.webhooks for company in self.companies.values()):
                drain()
                return
        raise AssertionError([(str(one), one.status) for one in Delivery.objects.all()])

    def _one_round(self, turn: int) -> None:
        drain()
        for company in self.companies.values():
            company.arrive()
            while company.webhooks:
                self._deliver(company, turn)
        drain()
        couriers_calls.poll_silent(silent_s=0)
        for order_id in self.orders:
            tried(ops_actions.decide_stop, order_id, "keep" if turn % 2 else "double_cost", self.lead, by=TEST)
        for offer in Offer.objects.filter(status=OfferStatus.PENDING).select_related("rider"):
            tried(offer_responses.accept_offer, offer.pk, offer.rider, by=TEST)
        for delivery in Delivery.objects.filter(courier=IN_HOUSE, status__in=CARRIED):
            goes_on(delivery)
        drain()
        for company in self.companies.values():
            for job in company.live:
                company.move(job)
        time_goes_on(35 if turn % 2 else 301)
        self.one_carrier_at_most()
        self.a_wish_to_stop_is_not_forgotten()

    def _it_ended_well(self) -> None:
        for lane in QUEUES:
            assert not all_queues()[lane].count_dead(1), f"something is dead in {lane}"
        for order_id in self.orders:
            order = Order.objects.get(pk=order_id)
            deliveries = list(Delivery.objects.filter(order=order))
            brought = [one for one in deliveries if self._brought(one)]
            told = Incident.objects.filter(order_ref=order.public_id, status__in=["open", "acknowledged"])
            paid_twice = any(
                one.courier_job.stop_decision == "double_cost" for one in deliveries if one.courier != IN_HOUSE
            )
            if len(brought) == 1 and order.status == OrderStatus.DELIVERED:
                continue
            if not brought and order.status in ENDED_WELL and Refund.objects.filter(order=order).exists():
                continue
            assert told.exists() or (brought and paid_twice), (order.status, brought, deliveries)

    def _brought(self, delivery: Delivery) -> bool:
        if delivery.courier == IN_HOUSE:
            return delivery.status == DeliveryStatus.DELIVERED
        job = self._job(delivery)
        return job is not None and job.stage == CourierStage.DELIVERED


# ── small print ──────────────────────────────────────────────────────────────────────────────────────────────────
def pick(some: Sequence[T], which: int) -> T:
    return some[which % len(some)]


def tried(verb: Any, *args: Any, **more: Any) -> None:
    """People may try anything; they are told when it cannot be."""
    with suppress(APIError):
        verb(*args, **more)


def cancel(order_id: int) -> None:
    with transaction.atomic():
        cancellation.cancel_order(locks.lock_order(order_id), by=TEST, reason="changed mind")


def goes_on(delivery: Delivery) -> None:
    """The rider takes the next step."""
    steps = {
        DeliveryStatus.ASSIGNED: transitions.pick_up,
        DeliveryStatus.PICKED_UP: transitions.start_transit,
        DeliveryStatus.IN_TRANSIT: transitions.complete_delivery,
    }
    with transaction.atomic():
        order = locks.lock_order(delivery.order_id)
        locked = transitions.lock_live(order)
        if locked is not None and locked.pk == delivery.pk and not transitions.called_off(order):
            steps[DeliveryStatus(locked.status)](order, locked, by=TEST)


def drain() -> None:
    """The house's work queues until nothing of them is due, row by row in this thread's transaction."""
    drain_queues(*QUEUES, one_by_one=True)


def time_goes_on(seconds: float) -> None:
    pass_time(seconds)
    by = timedelta(seconds=seconds)
    Offer.objects.filter(status=OfferStatus.PENDING).update(expires_at=F("expires_at") - by, due_at=F("due_at") - by)


def open_incidents(delivery: Delivery, *kinds: str) -> Any:
    """Of this delivery; that requests of a company were given up is one incident for all of them."""
    found = Incident.objects.filter(kind__in=kinds, status__in=["open", "acknowledged"])
    own = found.filter(subject=f"delivery:{delivery.pk}")
    given_up = found.filter(dedupe_key=f"courier_given_up:{delivery.courier}")
    return own | given_up


@pytest.fixture
def bad_day(db, monkeypatch: pytest.MonkeyPatch) -> type[Couriers]:
    """The two companies: one like COOCO (only its own ids), one like DoorDash (ours)."""
    alpha, beta = Troubled("alpha", 4_000, finds_by_our_id=False), Troubled("beta", 6_000, finds_by_our_id=True)
    made = {"alpha": alpha, "beta": beta}
    monkeypatch.setattr(providers, "courier_providers", lambda: made)
    Couriers.companies = made
    return Couriers


# spec: C2, C3, C4, C5, O1, O7, O8
@pytest.mark.timeout(600)
def test_whatever_happens_one_carrier_has_an_order_or_ops_knows(bad_day: type[Couriers]) -> None:
    run_state_machine_as_test(
        bad_day,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
