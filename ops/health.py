"""Is this process alive, and may it be sent traffic? (SPEC S6)"""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from ops.monitoring import queue_lag

_migrated = False


@require_safe
def show_health(_request: HttpRequest) -> JsonResponse:
    """Alive: answers without touching anything else."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(_request: HttpRequest) -> JsonResponse:
    """200 when the database answers and is migrated; 503 says what is missing. The broker is no condition: webhooks
    and APIs do not speak to it. `backlog` is for information: rows due now per work queue."""
    try:
        database_answers()
        if not is_migrated():
            return JsonResponse({"status": "unready", "reason": "migrations are missing"}, status=503)
        return JsonResponse({"status": "ready", "backlog": queue_lag.count_backlog()})
    except DatabaseError as error:
        connection.close()
        return JsonResponse({"status": "unready", "reason": f"database: {type(error).__name__}"}, status=503)


def is_migrated() -> bool:
    """Whether every migration of this code is applied; remembered once true (they are never taken back at run time)."""
    global _migrated  # noqa: PLW0603 - a fact about the process
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


def database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone())
