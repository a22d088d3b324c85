"""Whether providers and customers reach us (SPEC W6): a worker calls our own public address, as they would.

Each call is kept like any other, so what happened is known to every worker, and to who looks later.
"""

from django.conf import settings

from foundation import http
from foundation.errors import CallFailed
from foundation.models import OutboundCall
from notifications import incidents
from notifications.incidents import Trouble
from notifications.models import Severity

PROVIDER, PURPOSE = "handoff", "self_check"
UNREACHABLE = "unreachable_from_outside"
IN_A_ROW = 3  # one that fails may be a deploy
TIMEOUT_S = 5.0


def watch() -> None:
    if settings.SELF_CHECK:
        _knock()
        lately = list(_lately())
        failing = len(lately) == IN_A_ROW and all(call.outcome != "ok" for call in lately)
        incidents.hold(UNREACHABLE, [_trouble(lately[0])] if failing else [], resolution="it answers again")
    else:
        incidents.hold(UNREACHABLE, [], resolution="nobody looks any more: SELF_CHECK is off")


def _knock() -> None:
    try:
        http.request("GET", f"{settings.PUBLIC_URL}/ready", provider=PROVIDER, purpose=PURPOSE, timeout_s=TIMEOUT_S)
    except CallFailed:
        return  # it is on record, with the reason: that is what is looked at


def _lately() -> "list[OutboundCall]":
    calls = OutboundCall.objects.filter(provider=PROVIDER, purpose=PURPOSE)
    return list(calls.order_by("-created_at")[:IN_A_ROW])


def _trouble(last: OutboundCall) -> Trouble:
    title = f"{settings.PUBLIC_URL} does not answer from outside: webhooks and customers do not reach us either"
    return Trouble(UNREACHABLE, title, Severity.CRITICAL, detail={"error": last.error, "status": last.status_code})
