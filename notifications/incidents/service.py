"""What ops must look at (SPEC N5): one open row per thing that is wrong, however often it is reported.

Facts are reported once each (`open_incident`); what a sweep looks at again and again is held (`sync_incidents`): open
exactly while it is wrong. Who hears of it, and how, is settled a moment later, when it is known how many there are
(notifications/incidents/alerting.py).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from foundation import events
from foundation.errors import IllegalMove, Invalid
from foundation.events import Cause
from foundation.fields import max_length
from notifications.incidents import emails
from notifications.incidents.lifecycle import INCIDENT
from notifications.models import STANDING, STORM, Incident, IncidentStatus, Severity

RESOLUTION_LENGTH = max_length(Incident, "resolution")
KEY_LENGTH = max_length(Incident, "dedupe_key")
TITLE_LENGTH = max_length(Incident, "title")
PATIENCE_S = 900  # what a person resolved is not held against them at once: figures need a while to follow

# `figure` is null for what is reported each time it happens. What is held changes only when there is news of it, and is
# not opened again while the word of a person that it is over is young.
_OPEN = """
    INSERT INTO notifications_incident AS i
        (kind, severity, status, dedupe_key, title, detail, subject, order_ref, resolution, count)
    SELECT %(kind)s, %(severity)s, 'open', %(key)s, %(title)s, %(detail)s::jsonb, %(subject)s, %(order_ref)s, '',
           coalesce(%(figure)s::int, 1)
    WHERE %(figure)s::int IS NULL OR NOT EXISTS (
        SELECT FROM notifications_incident r
        WHERE r.dedupe_key = %(key)s AND r.status = 'resolved' AND r.decided_by_id IS NOT NULL
          AND r.decided_at > clock_timestamp() - make_interval(secs => %(patience_s)s))
    ON CONFLICT (dedupe_key) WHERE status IN ('open', 'acknowledged')
    DO UPDATE SET count = coalesce(%(figure)s::int, i.count + 1), last_at = clock_timestamp(),
        title = excluded.title, detail = excluded.detail, subject = excluded.subject, order_ref = excluded.order_ref,
        severity = CASE WHEN excluded.rank < i.rank THEN excluded.severity ELSE i.severity END,
        reported_at = CASE WHEN excluded.rank < i.rank THEN NULL ELSE i.reported_at END
    WHERE %(figure)s::int IS NULL OR i.title <> excluded.title OR i.count <> %(figure)s::int OR excluded.rank < i.rank
"""


@dataclass(frozen=True)
class Problem:
    """Something that is wrong at the moment, as a sweep found it. `count`: how many there are of it."""

    dedupe: str
    title: str
    severity: str = Severity.WARNING
    count: int = 1
    subject: str = ""
    order_ref: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


# ── reporting ────────────────────────────────────────────────────────────────────────────────────────────────────
def open_incident(
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

    The latest words stand; the severity never sinks. One statement in the caller's transaction.
    """
    _report_trouble(
        kind, Problem(dedupe, title, severity, subject=subject, order_ref=order_ref, detail=detail or {}), None
    )


def sync_incidents(kind: str, troubles: Iterable[Problem], *, resolution: str = "right again") -> None:
    """Keep exactly these open of all incidents of this kind: the rest of them is right again.

    Level-triggered, for a sweep that finds all that is wrong at once. Two of them at the same time open one each.
    """
    found = list(troubles)
    for trouble in found:
        _report_trouble(kind, trouble, trouble.count)
    wrong = {trouble.dedupe[:KEY_LENGTH] for trouble in found}
    for key in open_keys(kind) - wrong:
        resolve_key(key, resolution)


def open_keys(kind: str) -> set[str]:
    """The keys of what is open of this kind."""
    return set(Incident.objects.filter(STANDING, kind=kind).values_list("dedupe_key", flat=True))


def _report_trouble(kind: str, trouble: Problem, figure: int | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _OPEN,
            {
                "kind": kind,
                "severity": str(Severity(trouble.severity)),
                "key": trouble.dedupe[:KEY_LENGTH],
                "title": trouble.title[:TITLE_LENGTH],
                "detail": json.dumps(trouble.detail, cls=DjangoJSONEncoder),
                "subject": trouble.subject,
                "order_ref": trouble.order_ref,
                "figure": figure,
                "patience_s": PATIENCE_S,
            },
        )


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────────────
def acknowledge_incident(incident: Incident, by: Cause, *, members: bool = False) -> int:
    """Somebody (`by`: "user:<id>") looks into it; with `members` also into what is folded into it.

    Returns how many were acknowledged. Raises IllegalMove unless it is open.
    """
    done = _decide_members(incident, IncidentStatus.ACKNOWLEDGED, by) if members else 0
    _decide_incident(incident, IncidentStatus.ACKNOWLEDGED, by)
    return done + 1


def resolve_incident(incident: Incident, by: Cause, resolution: str, *, members: bool = False) -> int:
    """It is over, and `resolution` says how; with `members` also of what is folded into it, which else stands alone.

    Returns how many were resolved. Raises IllegalMove when it was resolved before, Invalid without words.
    """
    if not resolution.strip():
        raise Invalid("say how it was resolved", field="resolution")
    words = resolution.strip()[:RESOLUTION_LENGTH]
    done = _decide_members(incident, IncidentStatus.RESOLVED, by, words) if members else 0
    _decide_incident(incident, IncidentStatus.RESOLVED, by, words)
    return done + 1


def members_of(incident: Incident) -> QuerySet[Incident]:
    """What is folded into it and not resolved."""
    return Incident.objects.filter(STANDING, folded_into=incident)


def _decide_members(incident: Incident, status: IncidentStatus, by: Cause, resolution: str = "") -> int:
    """Each in a transaction of its own, so that no two rows are locked at once; the one they are folded into is last,
    so that a crash leaves it standing."""
    done = 0
    for member in members_of(incident).order_by("pk"):
        try:
            _decide_incident(member, status, by, resolution)
        except IllegalMove:  # somebody was faster
            continue
        done += 1
    return done


def _decide_incident(incident: Incident, status: IncidentStatus, by: Cause, resolution: str = "") -> None:
    with transaction.atomic():
        row = Incident.objects.select_for_update(no_key=True, of=("self",)).get(pk=incident.pk)
        INCIDENT.require_move(row.status, status, what="incident")
        write_status(row, status, by, resolution)


def write_status(row: Incident, status: IncidentStatus, by: Cause, resolution: str = "") -> None:
    """The locked row is `status` from now on; nobody asks whether it may."""
    Incident.objects.filter(pk=row.pk).update(
        status=status, decided_by=by.user_id, decided_at=Now(), resolution=resolution
    )
    data = {"from": row.status, "to": status.value, "resolution": resolution}
    events.record_event(f"incident.{status.value}", row, by=by, data=data)
    if status != IncidentStatus.RESOLVED:
        return
    if row.kind == STORM:
        members_of(row).update(folded_into=None)
    if row.mailed_at is not None:
        emails.mail_resolved(row, resolution)


def resolve_key(dedupe: str, resolution: str) -> bool:
    """What was reported under `dedupe` is right again, seen by the program itself. Returns whether one was open."""
    with transaction.atomic():
        row = (
            Incident.objects.select_for_update(no_key=True, of=("self",))
            .filter(STANDING, dedupe_key=dedupe[:KEY_LENGTH])
            .first()
        )
        if row is None:
            return False
        write_status(row, IncidentStatus.RESOLVED, Cause("system"), resolution[:RESOLUTION_LENGTH])
        return True
