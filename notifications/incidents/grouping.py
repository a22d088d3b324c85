"""Storms of incidents (SPEC N5): many that open within a few minutes are folded into one that stands for all of them.

More than MOST_ALONE of one kind fold into that kind's own; more than MOST_IN_ALL, of whatever kinds, fold into one for
everything. The folded ones stay rows of their own, are counted up and resolved as ever, and lie under it in the
console; ops is told of the one. What was resolved meanwhile counts too: what comes and goes is a storm as well.

Called by the one sweep that runs at a time (notifications/incidents/alerting.py): two of them never fold the same.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Count, Min, QuerySet

from foundation.events import Cause
from notifications.incidents import service
from notifications.models import STANDING, STORM, Incident, IncidentStatus, Severity

WINDOW = timedelta(minutes=10)
MOST_ALONE = 5
MOST_IN_ALL = 20
EVERYTHING = "*"
CALM = "all of it is over"


def fold_storms(untold: Sequence[Incident], now: datetime) -> set[int]:
    """Fold what belongs to a storm, as of these incidents that nobody was told of yet (locked). Returns which of them
    are seen to."""
    seen_to = _find_worsened([incident for incident in untold if incident.folded_into_id], now)
    alone = {incident.kind for incident in untold if not incident.folded_into_id} - {STORM}
    if not alone:
        return seen_to
    lately = Incident.objects.filter(first_at__gt=now - WINDOW).exclude(kind=STORM)
    opened = dict(lately.order_by().values_list("kind").annotate(many=Count("id")))
    storms = [kind for kind, many in opened.items() if many > MOST_ALONE]
    for kind in alone.intersection(storms):
        seen_to |= _gather_storm(kind, lately.filter(kind=kind), now)
    rest = {kind: many for kind, many in opened.items() if kind not in storms}
    if sum(rest.values()) > MOST_IN_ALL and alone.intersection(rest):
        seen_to |= _gather_storm(EVERYTHING, lately.filter(kind__in=list(rest)), now)
    return seen_to


def settle_storms(now: datetime) -> None:
    """A storm that is over, with all that it was made of, is resolved."""
    calm = Incident.objects.filter(STANDING, kind=STORM, last_at__lt=now - WINDOW)
    for umbrella in _list_free(calm.values_list("pk", flat=True)):
        if not service.members_of(umbrella).exists():
            service.write_status(umbrella, IncidentStatus.RESOLVED, Cause("system"), CALM)


def _find_worsened(folded: Sequence[Incident], now: datetime) -> set[int]:
    """These were folded before, and have become worse: so is what stands for them."""
    for umbrella in _list_free({incident.folded_into_id for incident in folded if incident.folded_into_id}):
        _renew_figures(umbrella, now)
    keys = {incident.pk for incident in folded}
    Incident.objects.filter(pk__in=keys).update(reported_at=now)
    return keys


def _gather_storm(kind: str, opened: QuerySet[Incident], now: datetime) -> set[int]:
    """Put those that stand, and lie under nothing yet, under the umbrella of this kind.

    Whatever somebody holds at this moment is left to the next sweep: nobody waits, so nobody waits in a circle.
    """
    alone = opened.filter(STANDING, folded_into=None).order_by("pk")
    rows = list(alone.select_for_update(no_key=True, skip_locked=True, of=("self",)))
    members = {row.pk for row in rows}
    umbrella = _find_umbrella(kind, min(row.first_at for row in rows), now) if rows else None
    if umbrella is not None:
        Incident.objects.filter(pk__in=members).update(folded_into=umbrella, reported_at=now)
        _renew_figures(umbrella, now)
    return members


def _find_umbrella(kind: str, since: datetime, now: datetime) -> Incident | None:
    """The one that stands for this kind, locked. None: somebody decides about it right now."""
    standing = Incident.objects.filter(STANDING, dedupe_key=f"{STORM}:{kind}")
    known = next(iter(_list_free(standing.values_list("pk", flat=True))), None)
    if known is not None:
        if known.last_at < now - WINDOW:  # it had calmed down: this is another storm, and ops hears of it anew
            known.reported_at = None
        return known
    if standing.exists():
        return None
    words = {"title": f"{STORM}:{kind}", "severity": Severity.INFO, "detail": {"of": kind}}
    return Incident.objects.create(kind=STORM, dedupe_key=f"{STORM}:{kind}", first_at=since, last_at=now, **words)


def _list_free(keys: Iterable[int]) -> list[Incident]:
    rows = Incident.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    return list(rows.filter(STANDING, pk__in=list(keys)).order_by("pk"))


def _renew_figures(umbrella: Incident, now: datetime) -> None:
    """Its figures are those of what is folded into it; as bad as the worst of them, and never less than it was."""
    folded = Incident.objects.filter(folded_into=umbrella)
    kinds = dict(folded.order_by().values_list("kind").annotate(many=Count("id")))
    worst = folded.filter(STANDING).aggregate(rank=Min("rank"))["rank"]
    if worst is not None and worst < umbrella.rank:
        umbrella.severity = next(one for one, rank in _RANKS.items() if rank == worst)
        umbrella.reported_at = None
    umbrella.count = sum(kinds.values())
    umbrella.title = _storm_title(umbrella.count, kinds)
    umbrella.detail = {**umbrella.detail, "kinds": kinds}
    umbrella.last_at = now
    umbrella.save(update_fields=["severity", "reported_at", "count", "title", "detail", "last_at"])


_RANKS = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


def _storm_title(count: int, kinds: dict[str, int]) -> str:
    most = sorted(kinds, key=lambda kind: -kinds[kind])
    words = ", ".join(kind.replace("_", " ").replace(".", ": ") for kind in most[:4])
    return f"{count} × {words}" + (" and more" if len(most) > 4 else "")
