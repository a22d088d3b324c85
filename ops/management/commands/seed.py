"""`manage.py seed FILE`: bring staff, storefronts, stores and riders in from a JSON file (ops/seeding.py)."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from foundation.errors import APIError
from ops import seeding


class Command(BaseCommand):
    help = "Bring staff, storefronts, stores and riders in from a JSON file; repeated runs change nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            counts = seeding.seed_all(json.loads(options["file"].read_text()))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CommandError(f"{options['file']}: {error!r}") from error
        except APIError as error:
            raise CommandError(f"{options['file']}: {error.field or ''} {error.message}") from error
        self.stdout.write("Seeded " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))
