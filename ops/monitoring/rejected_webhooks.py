"""Webhooks that were not let in (SPEC W1, W6), by the log of refused requests: figures, nothing of what they brought.

One bad request is a stranger at the webhook endpoint and a line in the log. So many in a window are worth a look; where
nothing of that provider gets in any more, its secret is probably another one by now, and its news is being lost.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from foundation import clock
from notifications.incidents import service
from notifications.incidents.service import Problem
from notifications.models import Severity
from webhooks.intake import UNKNOWN
from webhooks.models import WebhookEvent

FORGED, REFUSED = "signature_failures", "webhooks_refused"
MISSING = "missing_signature"  # what strangers bring: it says nothing about our secret
SIGNATURES = frozenset({MISSING, "wrong_signature", "old_signature", "wrong_secret", "wrong_token", "token_refused"})
FEW = 3  # enough, where not one gets in
_REJECTIONS = """
    SELECT provider, reason, sum(count)::int, max(created_at), min(created_at) FROM webhooks_webhookattempt
    WHERE created_at > %s AND provider <> %s
    GROUP BY provider, reason ORDER BY provider, sum(count) DESC
"""


def watch_rejections() -> None:
    now = clock.database_now()
    forged, refused = dict[str, list[Any]](), dict[str, list[Any]]()
    for row in _count_rejections(now):
        (forged if row[1] in SIGNATURES else refused).setdefault(row[0], []).append(row)
    resolution = f"none for {settings.ALERT_WINDOW_MINUTES} minutes"
    service.sync_incidents(FORGED, _list_problems(FORGED, forged), resolution=resolution)
    service.sync_incidents(REFUSED, _list_problems(REFUSED, refused), resolution=resolution)


def _list_problems(kind: str, rejections: dict[str, list[Any]]) -> list[Problem]:
    before = service.open_keys(kind)
    found = (_problem_of(kind, name, rows, f"{kind}:{name}" in before) for name, rows in rejections.items())
    return [problem for problem in found if problem]


def _count_rejections(now: datetime) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(_REJECTIONS, [now - timedelta(minutes=settings.ALERT_WINDOW_MINUTES), UNKNOWN])
        return cursor.fetchall()


def _problem_of(kind: str, provider: str, rows: list[Any], was_reported: bool) -> Problem | None:
    """None: too few to speak of. What was reported once is over when the window is clean."""
    many = sum(row[2] for row in rows)
    closed = kind == FORGED and any(row[1] != MISSING for row in rows) and _is_locked_out(provider, rows)
    if not was_reported and many < (FEW if closed else settings.ALERT_SIGNATURE_FAILURES):
        return None
    reasons = {row[1]: row[2] for row in rows}
    words = ", ".join(f"{reason} {times}" for reason, times in reasons.items())
    end = "and not one got in: has its secret changed?" if closed else words
    what = "webhooks with a bad signature" if kind == FORGED else "webhooks refused"
    return Problem(
        f"{kind}:{provider}",
        f"{provider}: {what}, {end}",
        Severity.CRITICAL if closed and many >= settings.ALERT_SIGNATURE_FAILURES else Severity.WARNING,
        many,
        detail={"provider": provider, "reasons": reasons, "last_at": clock.format_wire(max(row[3] for row in rows))},
    )


def _is_locked_out(provider: str, rows: list[Any]) -> bool:
    """Since the first of them nothing was accepted, although it was before."""
    heard = WebhookEvent.objects.filter(provider=provider).order_by("-created_at").values_list("created_at", flat=True)
    last = heard.first()
    return last is not None and last < min(row[4] for row in rows)
