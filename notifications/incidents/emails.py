"""Mails to ops about incidents (SPEC N5): to the one address of OPS_EMAIL, as messages like all others. None: no mail.

Whether and when one is due is not decided here (notifications/incidents/alerting.py).
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.utils.module_loading import import_string

from notifications.models import Incident, Recipient
from notifications.outbox import enqueue

OPS = uuid.uuid5(uuid.NAMESPACE_URL, "handoff:ops")  # the public id of the one recipient that stands for ops
MOST_LISTED = 30
DIGEST = "ops.digest"


def mail_opened(incident: Incident, now: datetime) -> None:
    """It is critical, and new or worse than before."""
    _enqueue_mail("ops.incident", _incident_params(incident), f"incident:{incident.pk}:{_sweep_key(now)}", incident)


def mail_resolved(incident: Incident, resolution: str) -> None:
    """What was mailed about is over."""
    params = {**_incident_params(incident), "resolution": resolution}
    _enqueue_mail("ops.incident_resolved", params, f"incident:{incident.pk}", incident)


def mail_reminder(waiting: Sequence[Incident], minutes: int, now: datetime) -> None:
    """Critical ones that nobody acknowledged."""
    _enqueue_mail("ops.reminder", {**_list_params(waiting), "minutes": minutes}, _sweep_key(now))


def mail_digest(new: Sequence[Incident], now: datetime) -> None:
    """What is worth reading once in a while."""
    _enqueue_mail(DIGEST, _list_params(new), _sweep_key(now))


def advice_for(kind: str) -> str:
    """What to do about it, as ops and config lists it (settings.ADVICE); "" for a kind that it does not know."""
    by_kind: dict[str, str] = import_string(settings.ADVICE)
    return by_kind.get(kind, "")


def ops_recipient() -> Recipient:
    """The recipient that stands for ops, at the address that is configured now."""
    known = Recipient.objects.filter(public_id=OPS)
    if not known.exists():
        Recipient.objects.bulk_create([Recipient(public_id=OPS, name="Ops")], ignore_conflicts=True)
    known.exclude(email=settings.OPS_EMAIL).update(email=settings.OPS_EMAIL)
    return known.get()


def _enqueue_mail(event: str, params: dict[str, object], dedupe: str, incident: Incident | None = None) -> None:
    if settings.OPS_EMAIL:
        enqueue.enqueue_message(
            ops_recipient().pk, event, params, dedupe=dedupe, order_ref=incident.order_ref if incident else ""
        )


def _sweep_key(now: datetime) -> str:
    """Names one run of the sweep, of which there is one at a time."""
    return f"{now:%Y%m%dT%H%M%S%f}"


def _incident_params(incident: Incident) -> dict[str, object]:
    return {
        "severity": incident.severity,
        "title": incident.title,
        "kind": incident.kind,
        "subject": incident.subject or "–",
        "order": incident.order_ref or "–",
        "since": _format_time(incident.first_at),
        "advice": advice_for(incident.kind),
        "link": f"{_incidents_url()}{incident.pk}/change/",
    }


def _list_params(incidents: Sequence[Incident]) -> dict[str, object]:
    lines = [f"{_format_time(one.first_at)} [{one.severity}] {one.title}" for one in incidents[:MOST_LISTED]]
    if (more := len(incidents) - MOST_LISTED) > 0:
        lines.append(f"… and {more} more")
    return {"count": len(incidents), "list": "\n".join(lines), "link": _incidents_url()}


def _format_time(moment: datetime) -> str:
    return f"{moment:%d %b %H:%M} UTC"


def _incidents_url() -> str:
    return f"{settings.PUBLIC_URL}/admin/notifications/incident/"
