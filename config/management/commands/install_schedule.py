"""`manage.py install_schedule`: put config/schedule.py into django-celery-beat, keeping what ops edited there."""

import json
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from config.schedule import PERIODIC, Periodic

MARK = "installed from config/schedule.py"


class Command(BaseCommand):
    help = "Install the schedule into django-celery-beat; repeated runs change nothing, edits by ops are kept."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            added = [line.name for line in PERIODIC if install_line(line)]
            gone = PeriodicTask.objects.filter(description=MARK).exclude(name__in=[line.name for line in PERIODIC])
            removed, _ = gone.delete()
        self.stdout.write(f"{len(PERIODIC)} lines in the schedule: {len(added)} added, {removed} removed")


def install_line(line: Periodic) -> bool:
    """Add one line, or bring the task and its arguments of a known one up to date. True: it was added.

    Times and the on/off switch of a known line belong to ops and stay.
    """
    code = {"task": line.task, "kwargs": json.dumps(line.kwargs), "description": MARK}
    _, added = PeriodicTask.objects.get_or_create(
        name=line.name, defaults={**code, **_when_columns(line), "expire_seconds": line.expires_s}
    )
    if not added:
        PeriodicTask.objects.filter(name=line.name).exclude(**code).update(**code)
    return added


def _when_columns(line: Periodic) -> dict[str, Any]:
    if line.every_s is not None:
        every, _ = IntervalSchedule.objects.get_or_create(every=line.every_s, period=IntervalSchedule.SECONDS)
        return {"interval": every}
    minute, hour, day, month, weekday = (line.cron or "").split()
    cron, _ = CrontabSchedule.objects.get_or_create(
        minute=minute, hour=hour, day_of_month=day, month_of_year=month, day_of_week=weekday, timezone="UTC"
    )
    return {"crontab": cron}
