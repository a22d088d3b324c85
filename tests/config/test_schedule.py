"""# spec: S8, M2"""

import inspect
import json

import pytest
from django.core.management import call_command
from django_celery_beat.models import PeriodicTask

from config.schedule import PERIODIC, WORK_QUEUES

pytestmark = pytest.mark.django_db


def install() -> str:
    from io import StringIO

    out = StringIO()
    call_command("install_schedule", stdout=out)
    return out.getvalue()


def test_installing_twice_adds_nothing():
    assert f"{len(PERIODIC)} added" in install()
    assert "0 added, 0 removed" in install()


def test_every_queue_is_drained_once_a_second_by_a_message_that_expires():
    install()
    for queue in WORK_QUEUES:
        task = PeriodicTask.objects.get(name=f"drain {queue.name}")
        assert (task.task, json.loads(task.kwargs)) == ("foundation.drain_queue", {"queue": queue.name})
        assert (task.interval.every, task.interval.period, task.expire_seconds) == (1, "seconds", 1)


def test_every_message_fits_the_signature_of_its_task():
    from config.celery import app

    app.loader.import_default_modules()
    for line in PERIODIC:
        signature = inspect.signature(app.tasks[line.task].run)
        signature.bind(**line.kwargs)


def test_stores_are_paid_at_two_utc():
    install()
    cron = PeriodicTask.objects.get(name="pay the stores").crontab
    assert (cron.minute, cron.hour, str(cron.timezone)) == ("0", "2", "UTC")


def test_what_ops_edited_is_kept_and_what_left_the_page_is_removed():
    install()
    PeriodicTask.objects.filter(name="pay the stores").update(enabled=False, task="config.old_name")
    PeriodicTask.objects.filter(name="audit the ledger").update(name="a line of yesterday")
    PeriodicTask.objects.create(
        name="made by ops", task="ops.pay_stores", interval=PeriodicTask.objects.exclude(interval=None)[0].interval
    )
    assert "1 added, 1 removed" in install()
    kept = PeriodicTask.objects.get(name="pay the stores")
    assert (kept.enabled, kept.task) == (False, "ops.pay_stores")
    assert PeriodicTask.objects.filter(name="made by ops").exists()


def test_every_queue_has_a_name_and_a_table_or_a_part_of_one_of_its_own():
    parts = {(queue.model, tuple(queue.only.items())) for queue in WORK_QUEUES}
    assert len({queue.name for queue in WORK_QUEUES}) == len(WORK_QUEUES) == len(parts)
    shared = [queue for queue in WORK_QUEUES if queue.only]
    assert [(queue.name, queue.only) for queue in shared] == [
        ("urgent messages", {"urgent": True}),
        ("messages", {"urgent": False}),
    ]


def test_every_task_of_the_schedule_exists():
    from config.celery import app

    app.loader.import_default_modules()
    assert {line.task for line in PERIODIC} <= set(app.tasks)
