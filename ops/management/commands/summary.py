"""`manage.py summary`: what came in, what went out, what is under way."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ops.summary import build_summary

LISTS = ("order_refs", "delivered_refs")


class Command(BaseCommand):
    help = "Orders, offers, payments, earnings, payouts, webhooks in numbers; --json for programs, with ids."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        answer = build_summary()
        if options["json"]:
            self.stdout.write(json.dumps(answer))
            return
        for name, value in answer.items():
            if name not in LISTS:
                self.stdout.write(f"{name}: {json.dumps(value, indent=2)}")
