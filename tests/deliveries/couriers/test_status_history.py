"""A courier's facts in any order, doubled, make one status (SPEC O1)."""

import itertools
from datetime import timedelta

import pytest

from deliveries.couriers import status_history
from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from deliveries.lifecycle import DeliveryStatus
from tests.deliveries.couriers.toy_courier import T0

History = list[tuple[CourierStage, int]]
HISTORIES: dict[str, tuple[History, DeliveryStatus]] = {
    "delivered": (
        [
            (CourierStage.ASSIGNED, 1),
            (CourierStage.PICKED_UP, 5),
            (CourierStage.IN_TRANSIT, 6),
            (CourierStage.DELIVERED, 20),
        ],
        DeliveryStatus.DELIVERED,
    ),
    "failed at the door": (
        [
            (CourierStage.ASSIGNED, 1),
            (CourierStage.PICKED_UP, 5),
            (CourierStage.IN_TRANSIT, 6),
            (CourierStage.FAILED, 20),
        ],
        DeliveryStatus.FAILED,
    ),
    "failed, then completed": (
        [
            (CourierStage.ASSIGNED, 1),
            (CourierStage.PICKED_UP, 5),
            (CourierStage.IN_TRANSIT, 6),
            (CourierStage.FAILED, 20),
            (CourierStage.DELIVERED, 25),
        ],
        DeliveryStatus.DELIVERED,
    ),
    "completed, then failed": (
        [
            (CourierStage.ASSIGNED, 1),
            (CourierStage.PICKED_UP, 5),
            (CourierStage.IN_TRANSIT, 6),
            (CourierStage.DELIVERED, 20),
            (CourierStage.FAILED, 25),
        ],
        DeliveryStatus.FAILED,
    ),
    "both at once": (
        [(CourierStage.PICKED_UP, 5), (CourierStage.FAILED, 20), (CourierStage.DELIVERED, 20)],
        DeliveryStatus.DELIVERED,
    ),
    "failed, completed, failed again": (
        [
            (CourierStage.PICKED_UP, 5),
            (CourierStage.FAILED, 10),
            (CourierStage.DELIVERED, 20),
            (CourierStage.FAILED, 30),
        ],
        DeliveryStatus.FAILED,
    ),
    "cancelled by the company": ([(CourierStage.ASSIGNED, 1), (CourierStage.CANCELLED, 3)], DeliveryStatus.CANCELLED),
    "another driver, then on": (
        [(CourierStage.ASSIGNED, 1), (CourierStage.ASSIGNED, 4), (CourierStage.PICKED_UP, 6)],
        DeliveryStatus.PICKED_UP,
    ),
    "brought back": (
        [
            (CourierStage.PICKED_UP, 5),
            (CourierStage.IN_TRANSIT, 6),
            (CourierStage.FAILED, 20),
            (CourierStage.RETURNED, 40),
        ],
        DeliveryStatus.RETURNED,
    ),
}


def told(stage: CourierStage, minute: int) -> CourierUpdate:
    return CourierUpdate(courier="toy", external_id="1", stage=stage, occurred_at=T0 + timedelta(minutes=minute))


def facts_of(history: History) -> dict[str, str]:
    facts: dict[str, str] = {}
    for stage, minute in history:
        facts = status_history.add_update(facts, told(stage, minute), T0)
    return facts


# spec: O1, C3
@pytest.mark.parametrize("name", HISTORIES)
def test_every_permutation_ends_as_the_ordered_run(name: str):
    history, expected = HISTORIES[name]
    ordered = facts_of(history)
    assert status_history.status_from(ordered) == expected
    for shuffled in itertools.permutations(history):
        assert facts_of([*shuffled, *shuffled[::2]]) == ordered


def test_a_timeline_says_the_same_as_its_events():
    history = HISTORIES["delivered"][0]
    passed = {stage: T0 + timedelta(minutes=minute) for stage, minute in history}
    polled = CourierUpdate(courier="toy", external_id="1", stage=CourierStage.DELIVERED, passed=passed)
    assert status_history.add_update({}, polled, T0 + timedelta(hours=1)) == facts_of(history)


def test_news_without_a_time_counts_once_from_when_it_was_heard():
    news = CourierUpdate(courier="toy", external_id="1", stage=CourierStage.ASSIGNED)
    facts = status_history.add_update({}, news, T0)
    assert status_history.add_update(facts, news, T0 + timedelta(minutes=9)) == facts


def test_what_we_stopped_is_cancelled_until_the_courier_says_otherwise():
    stopped = status_history.mark_stopped(facts_of([(CourierStage.ASSIGNED, 1)]), T0)
    assert status_history.status_from(stopped) == DeliveryStatus.CANCELLED
    late = status_history.add_update(stopped, told(CourierStage.PICKED_UP, 3), T0)
    assert status_history.status_from(late) == DeliveryStatus.CANCELLED
    assert (
        status_history.status_from(status_history.add_update(late, told(CourierStage.DELIVERED, 9), T0))
        == DeliveryStatus.DELIVERED
    )


# spec: C9
def test_what_is_called_failed_after_our_own_cancel_is_cancelled_in_either_order():
    assigned = facts_of([(CourierStage.ASSIGNED, 1)])
    failed_first = status_history.mark_stopped(
        status_history.add_update(assigned, told(CourierStage.FAILED, 3), T0), T0
    )
    stopped_first = status_history.add_update(
        status_history.mark_stopped(assigned, T0), told(CourierStage.FAILED, 3), T0
    )
    assert failed_first == stopped_first
    assert status_history.status_from(failed_first) == DeliveryStatus.CANCELLED


@pytest.mark.parametrize(
    ("history", "carried"),
    [([(CourierStage.ASSIGNED, 1)], False), ([(CourierStage.PICKED_UP, 1)], True), ([(CourierStage.FAILED, 1)], False)],
)
def test_carried_means_that_it_left_the_store(history: History, carried: bool):
    assert status_history.was_carried(facts_of(history)) is carried
