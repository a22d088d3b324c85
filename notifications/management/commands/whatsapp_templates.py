"""`manage.py whatsapp_templates`: what to register at Meta, one JSON object per line (docs/templates.md)."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from notifications.content import whatsapp_registration


class Command(BaseCommand):
    help = "Prints every template that WhatsApp must know, as its message_templates endpoint takes it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--waiting", action="store_true", help="only texts of ops that Meta has yet to approve")

    def handle(self, *args: Any, waiting: bool, **options: Any) -> None:
        for one in whatsapp_registration.list_waiting() if waiting else whatsapp_registration.list_all():
            self.stdout.write(json.dumps(one, ensure_ascii=False))
