"""Asking courier companies: the contract's clock, outages, unknown answers, never two carriers (SPEC C2, C4, O7)."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F

from deliveries import locks as deliveries_locks
from deliveries.couriers import calls, updates
from deliveries.couriers.providers.base import CannotCancel
from deliveries.couriers.providers.status_update import CourierStage
from deliveries.fulfilment import ops_actions, transitions
from deliveries.lifecycle import LIVE, DeliveryStatus
from deliveries.models import CircuitBreaker, CourierCall, CourierJob, CourierQuote, Delivery, DispatchDecision
from foundation import clock
from foundation.errors import Conflict, Permanent, Transient, Unknown
from foundation.models import Job
from foundation.work import WorkState
from notifications.models import Incident
from orders import cancellation
from orders import locks as orders_locks
from orders.models import Order
from tests.builders import TEST, rider, searching, user
from tests.deliveries.couriers.toy_courier import Toy, drain, toy
from tests.queues import drain_queues

__all__ = ["toy"]
pytestmark = pytest.mark.django_db
OUTAGE = Unknown("no answer")


def pass_time(seconds: float) -> None:
    """Everything that is waited for comes so much nearer, everything that was is so much longer ago."""
    by = timedelta(seconds=seconds)
    columns: dict[Any, list[str]] = {
        CourierCall: ["due_at", "first_failed_at", "created_at"],
        Job: ["due_at"],
        CircuitBreaker: ["probe_at", "failing_since", "opened_at", "last_success_at"],
        Delivery: ["due_at", "search_started_at", "alerted_at"],
        CourierJob: ["last_heard_at"],
        CourierQuote: ["expires_at"],
    }
    for model, names in columns.items():
        for name in names:
            model.objects.filter(**{f"{name}__isnull": False}).update(**{name: F(name) - by})


def asked(toy: Toy) -> Delivery:
    """A delivery for which the toy company shall be asked."""
    delivery = searching()
    with transaction.atomic():
        transitions.request_courier(
            orders_locks.lock_order(delivery.order_id),
            deliveries_locks.lock_delivery(delivery.pk),
            toy.name,
            None,
            by=TEST,
        )
    return Delivery.objects.get(pk=delivery.pk)


def create_call(delivery: Delivery) -> CourierCall:
    return CourierCall.objects.filter(delivery=delivery, purpose="create").latest("pk")


def live(order_id: int) -> list[Delivery]:
    return list(Delivery.objects.filter(order_id=order_id, status__in=LIVE))


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: C2
def test_a_create_makes_one_job_and_the_order_shows_who_has_it(toy: Toy):
    delivery = asked(toy)
    drain()
    delivery.refresh_from_db()
    order = Order.objects.get(pk=delivery.order_id)
    assert (delivery.status, delivery.courier_job.reference) == (DeliveryStatus.REQUESTED, "toy-0")
    assert order.external_delivery_provider == "toy"
    assert len(toy.live) == 1


# spec: C2, C4
def test_the_contracts_clock_to_the_second(toy: Toy):
    """Quick retries after exactly 1, 2, 4, 8, 16 s, then every 30 s, one more just before five minutes are over."""
    failed_at, passed, tries = clock.now(), 0.0, []
    call = CourierCall(courier=toy.name, purpose="create", first_failed_at=failed_at)
    while passed < calls.GIVE_UP_S:
        tries.append(passed)
        call.retry_count += 1
        passed += calls.delay_s(call, failed_at + timedelta(seconds=passed)) or 0.0
    assert tries == [0, 1, 3, 7, 15, 31, 61, 91, 121, 151, 181, 211, 241, 271, 295]


# spec: C2, C8
def test_every_try_carries_the_same_ids_and_its_number(toy: Toy):
    delivery = asked(toy)
    toy.always, toy.executes = OUTAGE, False
    for number in range(1, 7):
        drain()
        call = create_call(delivery)
        assert (call.state, call.retry_count) == (WorkState.PENDING, number)
        pass_time((call.due_at - clock.database_now()).total_seconds())
    assert {str(one.request_id) for _, one in toy.calls} == {str(call.request_id)}
    assert [one.attempt for _, one in toy.calls] == list(range(1, 7))
    call.refresh_from_db()
    job = Job.objects.get(handler="deliveries.courier_time_is_up")
    assert (job.due_at - call.first_failed_at).total_seconds() == pytest.approx(300, abs=0.01)


# ── outages ──────────────────────────────────────────────────────────────────────────────────────────────────────
def outage(toy: Toy, delivery: Delivery, *, seconds: float) -> None:
    """The company does not answer for so long after the first try; then time goes on to five and a half minutes."""
    toy.executes = False
    while (passed := since_the_first_failure(delivery)) < 330:
        toy.always = OUTAGE if passed < seconds else None
        drain()
        pass_time(1.0)


def since_the_first_failure(delivery: Delivery) -> float:
    failed_at = create_call(delivery).first_failed_at
    return (clock.database_now() - failed_at).total_seconds() if failed_at else 0.0


# spec: C4
def test_an_outage_of_4_50_changes_nothing_but_the_time(toy: Toy):
    delivery = asked(toy)
    outage(toy, delivery, seconds=290)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.courier_job.reference) == (DeliveryStatus.REQUESTED, "toy-0")
    assert [one.pk for one in live(delivery.order_id)] == [delivery.pk]
    assert len(toy.live) == 1


# spec: C4
def test_an_outage_of_5_10_sends_it_to_our_own_riders_and_tells_ops(toy: Toy):
    ravi = rider("Ravi")
    delivery = asked(toy)
    outage(toy, delivery, seconds=310)
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.CANCELLED
    [following] = live(delivery.order_id)
    assert (following.attempt, following.courier, following.previous_id) == (2, "in_house", delivery.pk)
    kinds = set(Incident.objects.values_list("kind", flat=True))
    assert {"courier_given_up", "courier_outage"} <= kinds
    decision = DispatchDecision.objects.filter(delivery=following).latest("pk")
    assert decision.candidates[0]["name"] == ravi.name
    assert not toy.live


# spec: C4
def test_a_company_that_flaps_takes_it_once(toy: Toy):
    delivery = asked(toy)
    for second in range(400):
        toy.always, toy.executes = (None if second % 50 >= 40 else OUTAGE), second % 3 == 0
        drain()
        pass_time(1.0)
    toy.always = None
    drain()
    [job] = toy.jobs.values()
    assert len(job.requests) == 1
    delivery.refresh_from_db()
    assert (delivery.status, delivery.courier_job.reference) == (DeliveryStatus.REQUESTED, job.reference)
    assert [one.pk for one in live(delivery.order_id)] == [delivery.pk]


# spec: C4
def test_the_late_answer_of_a_request_that_was_given_up_is_cancelled(toy: Toy):
    delivery = asked(toy)
    toy.always, toy.executes = OUTAGE, True  # it is carried out, only the answers are lost
    for _ in range(310):
        drain()
        pass_time(1.0)
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.CANCELLED
    assert len(toy.live) == 1
    toy.always = None
    updates.apply_update(toy.news(delivery.external_id, CourierStage.ASSIGNED, at=1))  # its webhook reveals it
    drain()
    pass_time(60)
    drain()
    assert not toy.live
    assert len(live(delivery.order_id)) == 1


# spec: C2
def test_a_lost_answer_is_asked_for_again_and_never_makes_a_second_job(toy: Toy):
    delivery = asked(toy)
    toy.fails.extend([Unknown("lost"), Transient("not reached")])
    for _ in range(5):
        drain()
        pass_time(2.0)
    delivery.refresh_from_db()
    assert delivery.courier_job.reference == "toy-0"
    [job] = toy.jobs.values()
    assert len(job.requests) == 1


# spec: C3
def test_a_webhook_may_be_faster_than_the_answer_to_our_create(toy: Toy):
    delivery = asked(toy)
    toy.fails.append(Unknown("lost"))
    drain()
    updates.apply_update(toy.news(delivery.external_id, CourierStage.ASSIGNED, at=1))
    delivery.refresh_from_db()
    assert (delivery.status, delivery.courier_job.reference) == (DeliveryStatus.ASSIGNED, "toy-0")
    pass_time(2.0)
    drain()
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.ASSIGNED
    assert len(toy.jobs) == 1


# spec: D4
def test_a_refusal_has_the_next_carrier_looked_for_at_once(toy: Toy):
    delivery = asked(toy)
    toy.fails.append(Permanent("not in our area"))
    drain()
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.CANCELLED
    assert "not in our area" in delivery.end_reason
    [following] = live(delivery.order_id)
    assert following.courier == "in_house"


# ── the rule of one ──────────────────────────────────────────────────────────────────────────────────────────────
def cancel_order(delivery: Delivery) -> None:
    with transaction.atomic():
        cancellation.cancel_order(orders_locks.lock_order(delivery.order_id), by=TEST, reason="changed mind")


# spec: O7
def test_a_cancelled_order_is_live_until_the_courier_has_agreed(toy: Toy):
    delivery = asked(toy)
    drain()
    cancel_order(delivery)
    toy.fails.append(Transient("busy"))
    drain()
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.REQUESTED
    pass_time(5)
    drain()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.courier_job.fee_minor) == (DeliveryStatus.CANCELLED, 500)
    assert not toy.live
    assert not live(delivery.order_id)


# spec: O7
def test_what_was_never_asked_is_simply_not_asked(toy: Toy):
    delivery = asked(toy)
    cancel_order(delivery)
    drain_jobs_only()
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.CANCELLED
    drain()
    assert toy.calls == []


def drain_jobs_only() -> None:
    from foundation import jobs

    drain_queues(jobs.QUEUE)


def test_a_courier_that_will_not_stop_is_for_ops_to_decide(toy: Toy):
    delivery = asked(toy)
    drain()
    ops_actions.stop_courier(delivery.order_id, "too slow", by=TEST)
    toy.fails.append(CannotCancel("a driver is on the way"))
    drain()
    delivery.refresh_from_db()
    assert delivery.courier_job.stop_refused_at is not None
    assert [one.pk for one in live(delivery.order_id)] == [delivery.pk]
    assert Incident.objects.get(kind="courier_will_not_stop").status == "open"
    lead = user()
    ops_actions.decide_stop(delivery.order_id, "double_cost", lead, by=TEST)
    drain()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.courier_job.stop_decision, delivery.courier_job.stop_decided_by) == (
        "cancelled",
        "double_cost",
        lead,
    )
    assert [one.courier for one in live(delivery.order_id)] == ["in_house"]


def test_kept_means_kept(toy: Toy):
    delivery = asked(toy)
    drain()
    ops_actions.stop_courier(delivery.order_id, "too slow", by=TEST)
    toy.fails.append(CannotCancel("no"))
    drain()
    ops_actions.decide_stop(delivery.order_id, "keep", user(), by=TEST)
    updates.apply_update(toy.news(delivery.external_id, CourierStage.DELIVERED, at=20))
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.DELIVERED


def test_a_job_that_was_given_up_and_will_not_stop_is_for_ops_as_well(toy: Toy):
    delivery = asked(toy)
    toy.always, toy.executes = OUTAGE, True
    for _ in range(310):
        drain()
        pass_time(1.0)
    toy.always = None
    updates.apply_update(toy.news(delivery.external_id, CourierStage.ASSIGNED, at=1))
    toy.fails.append(CannotCancel("a driver is on the way"))
    pass_time(60)
    drain()
    incident = Incident.objects.get(kind="courier_will_not_stop")
    ops_actions.decide_stop(delivery.order_id, "double_cost", user(), by=TEST)
    incident.refresh_from_db()
    assert incident.status == "resolved"
    with pytest.raises(Conflict):
        ops_actions.decide_stop(delivery.order_id, "keep", user(), by=TEST)


def test_a_rider_cannot_be_given_what_a_company_carries(toy: Toy):
    delivery = asked(toy)
    with pytest.raises(Conflict) as refused:
        ops_actions.give_to(delivery.order_id, rider().public_id, by=TEST)
    assert refused.value.code == "COURIER_HAS_IT"


# ── polling ──────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: C5
def test_a_job_that_fell_silent_is_asked_about_and_heals(toy: Toy):
    delivery = asked(toy)
    drain()
    toy.jobs[delivery.external_id].stage = CourierStage.PICKED_UP
    assert calls.poll_silent(silent_s=120) == 0
    pass_time(121)
    assert calls.poll_silent(silent_s=120) == 1
    assert calls.poll_silent(silent_s=120) == 1  # still silent, asked once
    drain()
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.PICKED_UP
    assert [what for what, _ in toy.calls] == ["create", "get"]
    assert calls.poll_silent(silent_s=120) == 0


# ── the breaker ──────────────────────────────────────────────────────────────────────────────────────────────────
# spec: C4
def test_the_breaker_opens_probes_and_closes(toy: Toy):
    from deliveries.couriers import circuit_breaker

    for _ in range(circuit_breaker.FAILURES):
        assert circuit_breaker.begin_probe("toy")
        circuit_breaker.record_failure("toy", "time-out")
    assert "does not answer" in circuit_breaker.refusal_reason("toy")
    assert not circuit_breaker.begin_probe("toy")
    pass_time(31)
    assert circuit_breaker.refusal_reason("toy") == ""
    assert circuit_breaker.begin_probe("toy")
    assert not circuit_breaker.begin_probe("toy")  # one try at a time
    circuit_breaker.record_failure("toy", "time-out")
    assert not circuit_breaker.begin_probe("toy")
    pass_time(31)
    assert circuit_breaker.begin_probe("toy")
    circuit_breaker.record_success("toy")
    assert circuit_breaker.begin_probe("toy")
    assert Incident.objects.get(kind="courier_outage").status == "resolved"


def test_ops_overrules_the_breaker_both_ways():
    from deliveries.couriers import circuit_breaker

    circuit_breaker.override_breaker("toy", "open", "contract ended")
    assert circuit_breaker.refusal_reason("toy") == "turned off by ops: contract ended"
    circuit_breaker.override_breaker("toy", "closed", "they called")
    for _ in range(9):
        circuit_breaker.record_failure("toy", "time-out")
    assert circuit_breaker.begin_probe("toy")
