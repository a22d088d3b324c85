"""`manage.py pay_stores`: the daily store payout, now."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from foundation import clock
from foundation.events import Cause
from foundation.money import format_money
from payouts.runs import runs


class Command(BaseCommand):
    help = "Freeze what every store is owed; a work queue sends it. Repeated for the same day it adds nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--period", help="The day it is for, YYYY-MM-DD (default: today, UTC).")

    def handle(self, *args: Any, **options: Any) -> None:
        run = runs.run_stores(_parse_day(options["period"]), by=Cause("system", "command:pay_stores"))
        for payout in run.frozen:
            amount = format_money(payout.amount_minor, payout.currency)
            self.stdout.write(f"frozen   {payout.account.payee_name}: {amount} ({payout.public_id})")
        for one in run.skipped:
            amount = format_money(one.account.balance_minor, one.account.currency)
            self.stdout.write(f"skipped  {one.account.payee_name}: {amount}: {one.reason}")
        self.stdout.write(f"{run.period}: {len(run.frozen)} frozen, {len(run.skipped)} skipped")


def _parse_day(text: str | None) -> date:
    try:
        return date.fromisoformat(text) if text else clock.now().date()
    except ValueError as error:
        raise CommandError(f"--period {text!r} is not a day like 2026-11-20") from error
