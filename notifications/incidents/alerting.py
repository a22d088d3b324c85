"""How ops hears of incidents (SPEC N5): the console always, by mail what is worth it, and a storm once.

One sweep every few seconds settles it for all that nobody was told of: a critical one is mailed at once, warnings
gather for a digest, information stays in the console. It looks at everything together, which is why a hundred that open
in the same moment are one mail, whoever opened them (notifications/incidents/grouping.py). One sweep runs at a time; a
second one finds the lock taken and leaves.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from foundation import clock
from notifications.incidents import emails, grouping
from notifications.models import STANDING, Incident, IncidentStatus, Message, Severity

GATHER = timedelta(seconds=5)  # what opens together is told together
AT_ONCE = 1_000
LOCK = 7_302_019  # of this sweep, among PostgreSQL's advisory locks


def alert_ops() -> bool:
    """Settle what is to be told. False: another sweep is at it."""
    with transaction.atomic():
        if not _take_sweep_lock():
            return False
        now = clock.database_now()
        news = _list_unreported(now)
        folded = grouping.fold_storms(news, now)
        untold = [incident for incident in news if incident.pk not in folded]
        _mail_at_once(untold, now)
        _send_digest(untold, now)
        _mark_times((one for one in untold if one.severity == Severity.INFO), reported_at=now)
        _send_reminder(now)
        grouping.settle_storms(now)
        return True


def _take_sweep_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _list_unreported(now: datetime) -> list[Incident]:
    """Locked; those that somebody holds at this moment are left to the next sweep, so that nobody waits for anybody.
    What was right again before its time came is never told."""
    rows = Incident.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    return list(rows.filter(STANDING, reported_at=None, first_at__lte=now - GATHER).order_by("first_at")[:AT_ONCE])


def _mail_at_once(untold: list[Incident], now: datetime) -> None:
    critical = [incident for incident in untold if incident.severity == Severity.CRITICAL]
    for incident in critical:
        emails.mail_opened(incident, now)
    _mark_times(critical, reported_at=now, mailed_at=now if settings.OPS_EMAIL else None)


def _send_digest(untold: list[Incident], now: datetime) -> None:
    """New warnings in one mail, at most every OPS_DIGEST_MINUTES; what somebody looks into already is not listed."""
    warnings = [incident for incident in untold if incident.severity == Severity.WARNING]
    if not warnings or not _digest_is_due(now):
        return
    if new := [incident for incident in warnings if incident.status == IncidentStatus.OPEN]:
        emails.mail_digest(new, now)
    _mark_times(warnings, reported_at=now)


def _digest_is_due(now: datetime) -> bool:
    if not settings.OPS_EMAIL:
        return True
    since = now - timedelta(minutes=settings.OPS_DIGEST_MINUTES)
    sent = Message.objects.filter(recipient=emails.ops_recipient(), event=emails.DIGEST, created_at__gt=since)
    return not sent.exists()


def _send_reminder(now: datetime) -> None:
    """Critical ones that were mailed and that nobody acknowledged, all in one mail, every OPS_REMIND_MINUTES."""
    minutes = settings.OPS_REMIND_MINUTES
    rows = Incident.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    critical = rows.filter(STANDING, folded_into=None, rank=0, status=IncidentStatus.OPEN)
    waiting = list(critical.filter(mailed_at__lt=now - timedelta(minutes=minutes)).order_by("first_at")[:AT_ONCE])
    if waiting:
        emails.mail_reminder(waiting, minutes, now)
        _mark_times(waiting, mailed_at=now)


def _mark_times(rows: Iterable[Incident], **times: datetime | None) -> None:
    if keys := [incident.pk for incident in rows]:
        Incident.objects.filter(pk__in=keys).update(**times)
