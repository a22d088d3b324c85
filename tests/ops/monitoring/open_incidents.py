"""What tests of the watches share: what stands open, and rows as an hour of trouble leaves them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from foundation import clock
from foundation.models import OutboundCall
from notifications.models import STANDING, Incident
from webhooks.models import WebhookAttempt, WebhookEvent


def standing() -> dict[str, tuple[str, int]]:
    """Open incidents: key to severity and count."""
    rows = Incident.objects.filter(STANDING)
    return {row.dedupe_key: (row.severity, row.count) for row in rows}


def ago(minutes: float, model: type[Model], *rows: Model, column: str = "created_at") -> None:
    """These rows are from so many minutes ago."""
    changed = {column: clock.now() - timedelta(minutes=minutes)}
    model._default_manager.filter(pk__in=[row.pk for row in rows]).update(**changed)


def called(provider: str, purpose: str, outcome: str = "ok", *, minutes: float = 1, **facts: Any) -> OutboundCall:
    known = {"method": "POST", "url": "https://provider.example", "latency_ms": 5}
    made = OutboundCall.objects.create(provider=provider, purpose=purpose, outcome=outcome, **{**known, **facts})
    ago(minutes, OutboundCall, made)
    return made


def heard(provider: str, *, minutes: float = 0, **facts: Any) -> WebhookEvent:
    number = WebhookEvent.objects.count()
    known = {"event_type": "probe", "event_id": f"evt-{number}", "payload": {}, "state": "done"}
    made = WebhookEvent.objects.create(provider=provider, **{**known, **facts})
    ago(minutes, WebhookEvent, made)
    return made


def knocked(provider: str, reason: str, many: int = 1, *, minutes: float = 1, status: int = 401) -> WebhookAttempt:
    made = WebhookAttempt.objects.create(provider=provider, reason=reason, status=status, count=many)
    ago(minutes, WebhookAttempt, made)
    return made


def quiet_cost(watch: Callable[[], object]) -> int:
    """How many statements a look at an empty house takes; nothing is raised."""
    with CaptureQueriesContext(connection) as queries:
        watch()
    assert not Incident.objects.exists()
    return len(queries)
