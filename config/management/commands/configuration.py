"""`manage.py configuration`: the table of environment variables, as docs/configuration.md shows it."""

from typing import Any

from django.core.management.base import BaseCommand

from config import environment


class Command(BaseCommand):
    help = "Print docs/configuration.md."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(environment.as_markdown(), ending="")
