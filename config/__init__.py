"""Ops and config: settings, urls, processes, schedule, reactions, watching, console."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
