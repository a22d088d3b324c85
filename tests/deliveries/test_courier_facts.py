"""A courier's facts in any order, doubled, make one status (SPEC O1)."""

import itertools
from datetime import timedelta

import pytest

from deliveries import courier_facts
from deliveries.evidence import CourierNews, Stage
from deliveries.lifecycle import DeliveryStatus
from tests.deliveries.toy_courier import T0

History = list[tuple[Stage, int]]
HISTORIES: dict[str, tuple[History, DeliveryStatus]] = {
    "delivered": (
        [(Stage.ASSIGNED, 1), (Stage.PICKED_UP, 5), (Stage.IN_TRANSIT, 6), (Stage.DELIVERED, 20)],
        DeliveryStatus.DELIVERED,
    ),
    "failed at the door": (
        [(Stage.ASSIGNED, 1), (Stage.PICKED_UP, 5), (Stage.IN_TRANSIT, 6), (Stage.FAILED, 20)],
        DeliveryStatus.FAILED,
    ),
    "failed, then completed": (
        [(Stage.ASSIGNED, 1), (Stage.PICKED_UP, 5), (Stage.IN_TRANSIT, 6), (Stage.FAILED, 20), (Stage.DELIVERED, 25)],
        DeliveryStatus.DELIVERED,
    ),
    "completed, then failed": (
        [(Stage.ASSIGNED, 1), (Stage.PICKED_UP, 5), (Stage.IN_TRANSIT, 6), (Stage.DELIVERED, 20), (Stage.FAILED, 25)],
        DeliveryStatus.FAILED,
    ),
    "both at once": (
        [(Stage.PICKED_UP, 5), (Stage.FAILED, 20), (Stage.DELIVERED, 20)],
        DeliveryStatus.DELIVERED,
    ),
    "failed, completed, failed again": (
        [(Stage.PICKED_UP, 5), (Stage.FAILED, 10), (Stage.DELIVERED, 20), (Stage.FAILED, 30)],
        DeliveryStatus.FAILED,
    ),
    "cancelled by the company": ([(Stage.ASSIGNED, 1), (Stage.CANCELLED, 3)], DeliveryStatus.CANCELLED),
    "another driver, then on": (
        [(Stage.ASSIGNED, 1), (Stage.ASSIGNED, 4), (Stage.PICKED_UP, 6)],
        DeliveryStatus.PICKED_UP,
    ),
    "brought back": (
        [(Stage.PICKED_UP, 5), (Stage.IN_TRANSIT, 6), (Stage.FAILED, 20), (Stage.RETURNED, 40)],
        DeliveryStatus.RETURNED,
    ),
}


def told(stage: Stage, minute: int) -> CourierNews:
    return CourierNews(courier="toy", external_id="1", stage=stage, occurred_at=T0 + timedelta(minutes=minute))


def facts_of(history: History) -> dict[str, str]:
    facts: dict[str, str] = {}
    for stage, minute in history:
        facts = courier_facts.learn(facts, told(stage, minute), T0)
    return facts


# spec: O1, C3
@pytest.mark.parametrize("name", HISTORIES)
def test_every_permutation_ends_as_the_ordered_run(name: str):
    history, expected = HISTORIES[name]
    ordered = facts_of(history)
    assert courier_facts.status(ordered) == expected
    for shuffled in itertools.permutations(history):
        assert facts_of([*shuffled, *shuffled[::2]]) == ordered


def test_a_timeline_says_the_same_as_its_events():
    history = HISTORIES["delivered"][0]
    passed = {stage: T0 + timedelta(minutes=minute) for stage, minute in history}
    polled = CourierNews(courier="toy", external_id="1", stage=Stage.DELIVERED, passed=passed)
    assert courier_facts.learn({}, polled, T0 + timedelta(hours=1)) == facts_of(history)


def test_news_without_a_time_counts_once_from_when_it_was_heard():
    news = CourierNews(courier="toy", external_id="1", stage=Stage.ASSIGNED)
    facts = courier_facts.learn({}, news, T0)
    assert courier_facts.learn(facts, news, T0 + timedelta(minutes=9)) == facts


def test_what_we_stopped_is_cancelled_until_the_courier_says_otherwise():
    stopped = courier_facts.stopped(facts_of([(Stage.ASSIGNED, 1)]), T0)
    assert courier_facts.status(stopped) == DeliveryStatus.CANCELLED
    late = courier_facts.learn(stopped, told(Stage.PICKED_UP, 3), T0)
    assert courier_facts.status(late) == DeliveryStatus.CANCELLED
    assert courier_facts.status(courier_facts.learn(late, told(Stage.DELIVERED, 9), T0)) == DeliveryStatus.DELIVERED


# spec: C9
def test_what_is_called_failed_after_our_own_cancel_is_cancelled_in_either_order():
    assigned = facts_of([(Stage.ASSIGNED, 1)])
    failed_first = courier_facts.stopped(courier_facts.learn(assigned, told(Stage.FAILED, 3), T0), T0)
    stopped_first = courier_facts.learn(courier_facts.stopped(assigned, T0), told(Stage.FAILED, 3), T0)
    assert failed_first == stopped_first
    assert courier_facts.status(failed_first) == DeliveryStatus.CANCELLED


@pytest.mark.parametrize(
    ("history", "carried"),
    [([(Stage.ASSIGNED, 1)], False), ([(Stage.PICKED_UP, 1)], True), ([(Stage.FAILED, 1)], False)],
)
def test_carried_means_that_it_left_the_store(history: History, carried: bool):
    assert courier_facts.was_carried(facts_of(history)) is carried
