"""`manage.py books`: prove that the ledger agrees; exit code 1 when it does not."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from payouts import audit
from payouts.audit import AuditReport


class Command(BaseCommand):
    help = "Prove the ledger: every balance, payout, order and delivery. Exit code 1 when something does not agree."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print the whole report as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        report = audit.prove_ledger()
        self.stdout.write(json.dumps(report.as_json(), indent=2) if options["json"] else self._describe_report(report))
        if not report.is_proved:
            sys.exit(1)

    def _describe_report(self, report: AuditReport) -> str:
        lines = [f"{count} {name} checked" for name, count in report.checked.items()]
        for currency, sums in report.totals.items():
            lines += [f"{currency} {name.replace('_', ' ')}: {amount_minor}" for name, amount_minor in sums.items()]
        lines += [f"✗ {failure['subject']}: {failure['what']}" for failure in report.failures]
        return "\n".join([*lines, "The books agree." if report.is_proved else "The books do NOT agree."])
