"""What ops must look at (SPEC N5): one open row per thing that is wrong, however often it is reported."""

import json
import uuid
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models.functions import Now

from foundation import events
from foundation.errors import Invalid
from foundation.events import Cause
from notifications import messages
from notifications.lifecycle import INCIDENT
from notifications.models import Incident, IncidentStatus, Recipient, Severity

OPS = uuid.uuid5(uuid.NAMESPACE_URL, "handoff:ops")  # the public id of the one recipient that stands for ops
RESOLUTION_LENGTH = Incident._meta.get_field("resolution").max_length or 0


def open(  # noqa: A001 - `incidents.open(...)` is what one says
    kind: str,
    *,
    severity: str,
    title: str,
    dedupe: str,
    subject: str = "",
    order_ref: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Report that something is wrong: opens an incident, or counts up the one that is open under `dedupe`.

    The latest words stand; the severity never sinks. A critical one is also mailed to ops (setting OPS_EMAIL), once.
    """
    Severity(severity)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO notifications_incident AS i
                (kind, severity, status, dedupe_key, title, detail, subject, order_ref, resolution)
            VALUES (%s, %s, 'open', %s, %s, %s::jsonb, %s, %s, '')
            ON CONFLICT (dedupe_key) WHERE status IN ('open', 'acknowledged')
            DO UPDATE SET count = i.count + 1, last_at = clock_timestamp(), title = excluded.title,
                detail = excluded.detail,
                severity = CASE
                    WHEN 'critical' IN (i.severity, excluded.severity) THEN 'critical'
                    WHEN 'warning' IN (i.severity, excluded.severity) THEN 'warning'
                    ELSE 'info' END
            RETURNING i.id, i.severity
            """,
            [
                kind,
                str(severity),
                dedupe[:160],
                title[:200],
                json.dumps(detail or {}, cls=DjangoJSONEncoder),
                subject,
                order_ref,
            ],
        )
        pk, stands = cursor.fetchone()
    if stands == Severity.CRITICAL and settings.OPS_EMAIL:
        _mail(pk, kind=kind, title=title, subject=subject, order_ref=order_ref)


def _mail(pk: int, *, kind: str, title: str, subject: str, order_ref: str) -> None:
    params = {
        "severity": Severity.CRITICAL.value,
        "title": title,
        "kind": kind,
        "subject": subject or "–",
        "order": order_ref or "–",
        "link": f"{settings.PUBLIC_URL}/admin/notifications/incident/{pk}/change/",
    }
    messages.send(_ops().pk, "ops.incident", params, dedupe=f"incident:{pk}", order_ref=order_ref)


def _ops() -> Recipient:
    """The recipient that stands for ops, at the address that is configured now."""
    known = Recipient.objects.filter(public_id=OPS)
    if not known.exists():
        Recipient.objects.bulk_create([Recipient(public_id=OPS, name="Ops")], ignore_conflicts=True)
    known.exclude(email=settings.OPS_EMAIL).update(email=settings.OPS_EMAIL)
    return known.get()


def acknowledge(incident: Incident, by: Cause) -> None:
    """Somebody (`by`: "user:<id>") looks into it. Raises IllegalMove unless it is open."""
    _decide(incident, IncidentStatus.ACKNOWLEDGED, by)


def resolve(incident: Incident, by: Cause, resolution: str) -> None:
    """It is over, and `resolution` says how. Raises IllegalMove when it was resolved before, Invalid without words."""
    if not resolution.strip():
        raise Invalid("say how it was resolved", field="resolution")
    _decide(incident, IncidentStatus.RESOLVED, by, resolution.strip()[:RESOLUTION_LENGTH])


def _decide(incident: Incident, status: IncidentStatus, by: Cause, resolution: str = "") -> None:
    with transaction.atomic():
        row = Incident.objects.select_for_update(no_key=True, of=("self",)).get(pk=incident.pk)
        INCIDENT.require(row.status, status, what="incident")
        _write(row, status, by, resolution)


def _write(row: Incident, status: IncidentStatus, by: Cause, resolution: str) -> None:
    kind, _, pk = by.actor.partition(":")
    Incident.objects.filter(pk=row.pk).update(
        status=status, decided_by=pk if kind == "user" else None, decided_at=Now(), resolution=resolution
    )
    data = {"from": row.status, "to": status.value, "resolution": resolution}
    events.record(f"incident.{status.value}", row, by=by, data=data)


def resolve_key(dedupe: str, resolution: str) -> bool:
    """What was reported under `dedupe` is right again, seen by the program itself. Returns whether one was open."""
    with transaction.atomic():
        row = (
            Incident.objects.select_for_update(no_key=True, of=("self",))
            .filter(dedupe_key=dedupe[:160])
            .exclude(status=IncidentStatus.RESOLVED)
            .first()
        )
        if row is None:
            return False
        _write(row, IncidentStatus.RESOLVED, Cause("system"), resolution[:RESOLUTION_LENGTH])
        return True
