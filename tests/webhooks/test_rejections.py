"""The log of refusals stands a storm (SPEC W2): nothing lost in the count, next to nothing written."""

import pytest
from django.db import connection

from tests.webhooks.conftest import Door, refusals
from webhooks import rejections
from webhooks.models import WebhookAttempt
from webhooks.rejections import Rejection, RejectionCounter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def refused(reason: str = "wrong_signature", remote_addr: str = "") -> Rejection:
    return Rejection("stripe", 400, reason, remote_addr=remote_addr)


def test_the_first_is_written_at_once_and_the_rest_of_its_second_as_one():
    written: list[Rejection] = []
    clock = Clock()
    folding = RejectionCounter(written.append, clock=clock)
    for number in range(1_000):
        folding.add_rejection(refused(remote_addr=f"10.0.0.{number}"))
    assert [(a.count, a.remote_addr) for a in written] == [(1, "10.0.0.0")]
    clock.now += 1.1
    folding.flush_counts()
    assert [(a.count, a.remote_addr) for a in written] == [(1, "10.0.0.0"), (999, "10.0.0.1")]
    folding.add_rejection(refused())
    assert sum(a.count for a in written) == 1_001


def test_kinds_are_counted_apart():
    written: list[Rejection] = []
    folding = RejectionCounter(written.append, clock=Clock())
    for reason in ("a", "b", "a", "b", "a"):
        folding.add_rejection(refused(reason))
    folding.flush_counts(everything=True)
    assert sorted((a.reason, a.count) for a in written) == [("a", 1), ("a", 2), ("b", 1), ("b", 1)]


def test_a_quiet_second_leaves_nothing_behind():
    written: list[Rejection] = []
    clock = Clock()
    folding = RejectionCounter(written.append, clock=clock)
    folding.add_rejection(refused())
    clock.now += 2
    folding.flush_counts()
    folding.flush_counts(everything=True)
    assert [a.count for a in written] == [1]


# spec: W2
def test_a_storm_of_refusals_is_a_few_rows(lane: Door):
    for _ in range(300):
        assert lane("/webhooks/stripe", b"{}").status == 503
    refusals()
    assert WebhookAttempt.objects.count() <= 8
    assert sum(WebhookAttempt.objects.values_list("count", flat=True)) == 300


def test_an_accepted_event_writes_what_was_counted_before(lane: Door, monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    monkeypatch.setattr(rejections.COUNTER, "_clock", clock)
    for _ in range(3):
        lane("/webhooks/stripe", b"{}")
    assert WebhookAttempt.objects.count() == 1
    clock.now += 5
    lane("/webhooks/stripe", b"{}", method="GET")
    assert sorted(WebhookAttempt.objects.values_list("reason", "count")) == [
        ("not_enabled", 1),
        ("not_enabled", 2),
        ("wrong_method", 1),
    ]


def test_a_refusal_that_cannot_be_written_is_answered_all_the_same(lane: Door):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE webhooks_webhookattempt RENAME TO elsewhere")
    try:
        assert lane("/webhooks/stripe", b"{}").status == 503
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO webhooks_webhookattempt")
