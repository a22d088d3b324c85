"""What must be right around Handoff, how to see it, and how to mend it: `manage.py doctor` runs this list, and
docs/troubleshooting.md is made from it (`manage.py doctor --markdown`)."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

import kombu
from django.conf import settings
from django.core.checks import run_checks
from django.db import DatabaseError, connection
from django.utils.module_loading import import_string
from django_celery_beat.models import PeriodicTask

from ops import health
from ops.monitoring import queue_lag


@dataclass(frozen=True)
class DiagnosticCheck:
    """`find_problem` returns None or what is wrong; `remedy` is what to do; `is_required`: nothing works without."""

    name: str
    find_problem: Callable[[], str | None]
    remedy: str
    is_required: bool = True


def _check_python() -> str | None:
    return None if sys.version_info >= (3, 11) else f"Python is {sys.version.split()[0]}"


def _check_secret_key() -> str | None:
    return None if settings.SECRET_KEY_GIVEN else "SECRET_KEY is not set"


def _check_database() -> str | None:
    try:
        health.database_answers()
    except DatabaseError as error:
        return f"PostgreSQL does not answer: {str(error).splitlines()[0]}"
    version: int = connection.pg_version  # type: ignore[attr-defined]
    return None if version >= 150_000 else f"PostgreSQL is {version // 10_000}"


def _check_migrations() -> str | None:
    return None if _check_database() or health.is_migrated() else "the database is not migrated"


def _check_schedule() -> str | None:
    if _check_database() or not health.is_migrated():
        return None
    installed = set(PeriodicTask.objects.values_list("name", flat=True))
    missing = [line.name for line in import_string(settings.PERIODIC) if line.name not in installed]
    return f"not in the schedule: {', '.join(missing)}" if missing else None


def _check_broker() -> str | None:
    try:
        with kombu.Connection(settings.BROKER_URL, connect_timeout=2, transport_options=_OPTIONS) as broker:
            broker.ensure_connection(max_retries=1, timeout=3)
    except Exception as error:  # noqa: BLE001 - whatever the transport raises, the answer is the same
        return f"the broker does not answer: {error}"
    return None


_OPTIONS = {"socket_timeout": 2, "socket_connect_timeout": 2}


def _check_worker() -> str | None:
    if _check_database() or not health.is_migrated():
        return None
    late = {name: rows for name, rows in queue_lag.count_backlog().items() if rows >= queue_lag.COUNTED_TO}
    return f"work piles up in {', '.join(late)}" if late else None


def _check_public_url() -> str | None:
    return None if settings.PUBLIC_URL.startswith("https://") else f"PUBLIC_URL is {settings.PUBLIC_URL}"


def _check_providers() -> str | None:
    notes = [str(note.msg) for note in run_checks() if ".provider." in str(note.id)]
    return "; ".join(notes) or None


def _check_disk() -> str | None:
    free = shutil.disk_usage(settings.BASE_DIR).free
    return None if free > 2**30 else f"only {free // 2**20} MB of disk are free"


CHECKS = [
    DiagnosticCheck("Python", _check_python, "Use Python 3.11 or newer: `python3.11 -m venv .venv`."),
    DiagnosticCheck(
        "Secret key", _check_secret_key, "Set SECRET_KEY to 50 random characters, the same for all processes."
    ),
    DiagnosticCheck(
        "Database", _check_database, "Start PostgreSQL 15 or newer and set DATABASE_URL; `make demo` brings its own."
    ),
    DiagnosticCheck("Migrations", _check_migrations, "Run `python manage.py migrate`."),
    DiagnosticCheck("Schedule", _check_schedule, "Run `python manage.py install_schedule`."),
    DiagnosticCheck(
        "Broker", _check_broker, "Start Redis, Valkey or RabbitMQ and set BROKER_URL. Webhooks are accepted meanwhile."
    ),
    DiagnosticCheck(
        "Worker and beat", _check_worker, "Start `celery -A config worker` and one `celery -A config beat`."
    ),
    DiagnosticCheck(
        "Public address",
        _check_public_url,
        "Set PUBLIC_URL to the https:// address providers reach.",
        is_required=False,
    ),
    DiagnosticCheck(
        "Providers",
        _check_providers,
        "Set the keys of the providers you use (docs/configuration.md).",
        is_required=False,
    ),
    DiagnosticCheck("Disk", _check_disk, "Free some space: PostgreSQL stops when the disk is full."),
]


def as_markdown() -> str:
    """The list as a page of the documentation."""
    lines = ["# Troubleshooting", "", "`python manage.py doctor` looks at all of this and says what to do.", ""]
    lines += ["| what | needed? | how to mend it |", "|---|---|---|"]
    lines += [f"| {a.name} | {'yes' if a.is_required else 'in production'} | {a.remedy} |" for a in CHECKS]
    return "\n".join(lines) + "\n"
