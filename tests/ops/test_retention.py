"""Old rows are forgotten. # spec: S4"""

from datetime import timedelta

import pytest

from foundation import clock, jobs
from foundation.models import Job
from foundation.work import WorkState
from ops import retention


@pytest.mark.django_db
def test_old_rows_are_forgotten_and_young_ones_kept():
    jobs.enqueue_job("orders.nothing", "order:1")
    jobs.enqueue_job("orders.nothing", "order:2")
    old = clock.now() - timedelta(days=8)
    Job.objects.filter(subject="order:1").update(state=WorkState.DONE, processed_at=old)
    assert retention.forget_old_rows()["foundation_job"] == 1
    assert [job.subject for job in Job.objects.all()] == ["order:2"]
