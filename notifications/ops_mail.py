"""Mails to ops about incidents (SPEC N5): to the one address of OPS_EMAIL, as messages like all others. None: no mail.

Whether and when one is due is not decided here (notifications/alerting.py).
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.utils.module_loading import import_string

from notifications import messages
from notifications.models import Incident, Recipient

OPS = uuid.uuid5(uuid.NAMESPACE_URL, "handoff:ops")  # the public id of the one recipient that stands for ops
MOST_LISTED = 30
DIGEST = "ops.digest"


def opened(incident: Incident, now: datetime) -> None:
    """It is critical, and new or worse than before."""
    _send("ops.incident", _params(incident), f"incident:{incident.pk}:{_moment(now)}", incident)


def resolved(incident: Incident, resolution: str) -> None:
    """What was mailed about is over."""
    params = {**_params(incident), "resolution": resolution}
    _send("ops.incident_resolved", params, f"incident:{incident.pk}", incident)


def reminder(waiting: Sequence[Incident], minutes: int, now: datetime) -> None:
    """Critical ones that nobody acknowledged."""
    _send("ops.reminder", {**_listed(waiting), "minutes": minutes}, _moment(now))


def digest(new: Sequence[Incident], now: datetime) -> None:
    """What is worth reading once in a while."""
    _send(DIGEST, _listed(new), _moment(now))


def advice(kind: str) -> str:
    """What to do about it, as the roof lists it (settings.ADVICE); "" for a kind that it does not know."""
    by_kind: dict[str, str] = import_string(settings.ADVICE)
    return by_kind.get(kind, "")


def ops() -> Recipient:
    """The recipient that stands for ops, at the address that is configured now."""
    known = Recipient.objects.filter(public_id=OPS)
    if not known.exists():
        Recipient.objects.bulk_create([Recipient(public_id=OPS, name="Ops")], ignore_conflicts=True)
    known.exclude(email=settings.OPS_EMAIL).update(email=settings.OPS_EMAIL)
    return known.get()


def _send(event: str, params: dict[str, object], dedupe: str, incident: Incident | None = None) -> None:
    if settings.OPS_EMAIL:
        messages.send(ops().pk, event, params, dedupe=dedupe, order_ref=incident.order_ref if incident else "")


def _moment(now: datetime) -> str:
    """Names one run of the sweep, of which there is one at a time."""
    return f"{now:%Y%m%dT%H%M%S%f}"


def _params(incident: Incident) -> dict[str, object]:
    return {
        "severity": incident.severity,
        "title": incident.title,
        "kind": incident.kind,
        "subject": incident.subject or "–",
        "order": incident.order_ref or "–",
        "since": _clock(incident.first_at),
        "advice": advice(incident.kind),
        "link": f"{_queue()}{incident.pk}/change/",
    }


def _listed(incidents: Sequence[Incident]) -> dict[str, object]:
    lines = [f"{_clock(one.first_at)} [{one.severity}] {one.title}" for one in incidents[:MOST_LISTED]]
    if (more := len(incidents) - MOST_LISTED) > 0:
        lines.append(f"… and {more} more")
    return {"count": len(incidents), "list": "\n".join(lines), "link": _queue()}


def _clock(moment: datetime) -> str:
    return f"{moment:%d %b %H:%M} UTC"


def _queue() -> str:
    return f"{settings.PUBLIC_URL}/admin/notifications/incident/"
