"""`manage.py alerts`: every kind of incident and what to do about it, as docs/alerts.md shows it."""

from typing import Any

from django.core.management.base import BaseCommand

from ops import alerts


class Command(BaseCommand):
    help = "Print docs/alerts.md."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(alerts.as_markdown(), ending="")
