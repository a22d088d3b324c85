"""The Celery application. A message only says "there may be work"; rows in PostgreSQL say what it is (SPEC W5)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("handoff")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["foundation", "ops"])
