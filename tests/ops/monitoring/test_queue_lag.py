"""Dead letters, work queues that fall behind and rows that fail for long are held open until mended. # spec: W4, W6,
A3"""

from datetime import timedelta

import pytest

from foundation import clock, jobs
from foundation.models import Job
from foundation.work import WorkState
from foundation.work_queues import all_queues
from ops.monitoring import ledger, queue_lag
from payouts.audit import AuditReport
from tests.ops.monitoring.open_incidents import quiet_cost, standing

pytestmark = pytest.mark.django_db


def test_a_dead_row_opens_one_incident_until_it_is_replayed():
    jobs.enqueue_job("orders.nothing", "order:1")
    Job.objects.update(state=WorkState.DEAD, processed_at=clock.now())
    queue_lag.watch_queues()
    queue_lag.watch_queues()
    assert standing() == {"dead_letters:jobs": ("warning", 1)}
    jobs.enqueue_job("orders.nothing", "order:2")
    Job.objects.update(state=WorkState.DEAD, processed_at=clock.now())
    queue_lag.watch_queues()
    assert standing() == {"dead_letters:jobs": ("warning", 2)}
    Job.replay_rows(list(Job.objects.values_list("pk", flat=True)))
    queue_lag.watch_queues()
    assert standing() == {}


def test_a_lane_that_nobody_drains_is_noticed():
    jobs.enqueue_job("orders.nothing", "order:1", due_at=clock.now() - timedelta(minutes=3))
    queue_lag.watch_queues()
    assert standing() == {"lane_behind:jobs": ("critical", 1)}
    Job.objects.update(state=WorkState.DONE, processed_at=clock.now())
    queue_lag.watch_queues()
    assert standing() == {}


def test_a_row_that_fails_again_and_again_is_noticed_before_it_is_dead():
    jobs.enqueue_job("orders.nothing", "order:1", in_s=60)
    Job.objects.update(retry_count=queue_lag.OFTEN - 1)
    queue_lag.watch_queues()
    assert standing() == {}
    Job.objects.update(retry_count=queue_lag.OFTEN, state=WorkState.LEASED)
    queue_lag.watch_queues()
    assert standing() == {"work_failing:jobs": ("warning", 1)}
    Job.objects.update(state=WorkState.DONE)
    queue_lag.watch_queues()
    assert standing() == {}


def test_an_empty_house_is_calm_and_cheap():
    assert quiet_cost(queue_lag.watch_queues) <= 3 * len(all_queues()) + 3


def test_books_that_do_not_agree_are_critical_until_they_do():
    ledger.report_audit(AuditReport(failures=[{"check": "balance", "account": "3"}]))
    assert standing() == {"books": ("critical", 1)}
    ledger.report_audit(AuditReport(failures=[]))
    assert standing() == {}
