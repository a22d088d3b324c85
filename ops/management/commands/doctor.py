"""`manage.py doctor`: look at the surroundings and say how to mend each thing that is wrong."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ops import doctor


class Command(BaseCommand):
    help = "Check database, broker, schedule, keys; exit code 1 when something that is needed is missing."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--markdown", action="store_true", help="print docs/troubleshooting.md instead")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["markdown"]:
            self.stdout.write(doctor.as_markdown(), ending="")
            return
        failed = False
        for check in doctor.CHECKS:
            wrong = check.find_problem()
            failed |= bool(wrong) and check.is_required
            mark = (
                self.style.SUCCESS("ok  ") if not wrong else (self.style.ERROR("bad ") if check.is_required else "note")
            )
            self.stdout.write(f"{mark} {check.name}" + (f": {wrong}\n       → {check.remedy}" if wrong else ""))
        if failed:
            raise SystemExit(1)
