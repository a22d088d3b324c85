"""Wiring: settings, environment, urls, processes, schedule, reactions, logs, API schema."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
