"""`manage.py whatsapp_templates`: what to register at Meta, one JSON object per line (docs/adding-a-channel.md)."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from notifications.channels.whatsapp import template_name
from notifications.templates import CATALOGUE


class Command(BaseCommand):
    help = "Prints every template that WhatsApp must know, as its message_templates endpoint takes it."

    def handle(self, *args: Any, **options: Any) -> None:
        for template in CATALOGUE.values():
            if "whatsapp" in template.channels:
                for language in template.texts:
                    body = {"type": "BODY", "text": template.numbered(language)}
                    self.stdout.write(
                        json.dumps(
                            {
                                "name": template_name(template.event),
                                "language": language,
                                "category": "UTILITY",
                                "components": [body],
                            },
                            ensure_ascii=False,
                        )
                    )
