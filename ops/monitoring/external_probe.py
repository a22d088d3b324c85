"""Whether providers and customers reach us (SPEC W6): a worker calls our own public address, as they would.

Each call is kept like any other, so what happened is known to every worker, and to who looks later.
"""

from django.conf import settings

from foundation import http
from foundation.errors import CallFailed
from foundation.models import OutboundCall
from notifications.incidents import service
from notifications.incidents.service import Problem
from notifications.models import Severity

PROVIDER, PURPOSE = "handoff", "self_check"
UNREACHABLE = "unreachable_from_outside"
IN_A_ROW = 3  # one that fails may be a deploy
TIMEOUT_S = 5.0


def watch_public_url() -> None:
    if settings.SELF_CHECK:
        _probe_public_url()
        lately = list(_recent_probes())
        failing = len(lately) == IN_A_ROW and all(call.outcome != "ok" for call in lately)
        service.sync_incidents(UNREACHABLE, [_problem_of(lately[0])] if failing else [], resolution="it answers again")
    else:
        service.sync_incidents(UNREACHABLE, [], resolution="nobody looks any more: SELF_CHECK is off")


def _probe_public_url() -> None:
    try:
        http.request_json(
            "GET", f"{settings.PUBLIC_URL}/ready", provider=PROVIDER, purpose=PURPOSE, timeout_s=TIMEOUT_S
        )
    except CallFailed:
        return  # it is on record, with the reason: that is what is looked at


def _recent_probes() -> "list[OutboundCall]":
    calls = OutboundCall.objects.filter(provider=PROVIDER, purpose=PURPOSE)
    return list(calls.order_by("-created_at")[:IN_A_ROW])


def _problem_of(last: OutboundCall) -> Problem:
    title = f"{settings.PUBLIC_URL} does not answer from outside: webhooks and customers do not reach us either"
    return Problem(UNREACHABLE, title, Severity.CRITICAL, detail={"error": last.error, "status": last.status_code})
