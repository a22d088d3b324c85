"""Dead letters and lanes that fall behind are told once and taken back when they are mended. # spec: W4, A3"""

from datetime import timedelta

import pytest

from config import monitoring, retention
from foundation import clock, jobs
from foundation.models import Job
from foundation.work import WorkState
from notifications.models import Incident, IncidentStatus

pytestmark = pytest.mark.django_db


def open_keys() -> set[str]:
    return set(Incident.objects.exclude(status=IncidentStatus.RESOLVED).values_list("dedupe_key", flat=True))


def test_a_dead_row_opens_one_incident_until_it_is_replayed():
    jobs.enqueue("orders.nothing", "order:1")
    Job.objects.update(state=WorkState.DEAD, processed_at=clock.now())
    monitoring.watch_lanes()
    monitoring.watch_lanes()
    assert open_keys() == {"dead_letters:jobs"}
    assert Incident.objects.get().count == 1
    Job.replay(list(Job.objects.values_list("pk", flat=True)))
    monitoring.watch_lanes()
    assert open_keys() == set()


def test_a_lane_that_nobody_drains_is_noticed():
    jobs.enqueue("orders.nothing", "order:1", due_at=clock.now() - timedelta(minutes=3))
    monitoring.watch_lanes()
    assert open_keys() == {"lane_behind:jobs"}


def test_old_rows_are_forgotten_and_young_ones_kept():
    jobs.enqueue("orders.nothing", "order:1")
    jobs.enqueue("orders.nothing", "order:2")
    old = clock.now() - timedelta(days=8)
    Job.objects.filter(subject="order:1").update(state=WorkState.DONE, processed_at=old)
    assert retention.forget_old_rows()["foundation_job"] == 1
    assert [job.subject for job in Job.objects.all()] == ["order:2"]
