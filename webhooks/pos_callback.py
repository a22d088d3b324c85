"""PetPooja's callback, `/pp_callback/{slug}/`: taken while it waits, answered in its contract's words (SPEC W3).

Nothing is signed, so orders.pos_status decides what it may prove. The callback, its effect and its row in
webhook_events are one transaction; a refused one is only counted.
"""

from typing import Any

import structlog
from django.db import OperationalError, transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from foundation.api.parsers import BadBody, strict_json
from foundation.clock import now
from foundation.errors import Invalid, Problem
from foundation.evidence import Verdict
from foundation.webhook import Refused
from foundation.work import WorkState
from orders import pos_status
from orders.evidence import PosStatus
from orders.models import Order
from orders.pos import petpooja
from webhooks import attempts, intake
from webhooks.attempts import Attempt
from webhooks.models import WebhookEvent
from webhooks.petpooja import PROVIDER

log = structlog.get_logger(__name__)
TRIES = 3  # a deadlock or a lock held too long is over a moment later, and whether PetPooja calls again is unknown


@csrf_exempt
def pp_callback(request: HttpRequest, slug: str) -> JsonResponse:
    """POST /pp_callback/{slug}/: 200 `{success: true, message, order_id, new_status}`, else 400, 401, 404 or 500 with
    `{success: false, message, order_id}`."""
    raw, payload = b"", None
    try:
        raw = _body(request)
        payload = strict_json(raw)
        order = _take(petpooja.read(slug, payload, token=_token(request)), raw)
    except BadBody as error:
        return _refuse(request, raw, payload, Invalid(str(error), code="BAD_BODY"))
    except Refused as refused:
        return _refuse(request, raw, payload, Problem(refused.detail, code=refused.reason, status=refused.status))
    except Problem as problem:
        return _refuse(request, raw, payload, problem)
    except Exception:
        log.exception("pos_callback_failed", slug=slug[:60])
        return _answer(500, petpooja.refused("Something went wrong here", payload))
    finally:
        attempts.LOG.settle()
    return _answer(200, petpooja.accepted(order))


def _body(request: HttpRequest) -> bytes:
    if request.method != "POST":
        raise Refused(405, "wrong_method", "only POST is answered here")
    if request.content_type != "application/json":
        raise Refused(415, "wrong_content_type", "Content-Type must be application/json")
    return intake.read_body(request.META)


def _token(request: HttpRequest) -> str:
    """From the query, or from Authorization as PetPooja's dashboard sets it: bare or behind a scheme."""
    return request.GET.get("token") or request.headers.get("Authorization", "").rpartition(" ")[2]


def _take(callback: PosStatus, raw: bytes) -> Order:
    for left in reversed(range(TRIES)):
        try:
            with transaction.atomic():
                verdict, order = pos_status.take(callback)
                _keep(callback, raw, verdict)
                return order
        except OperationalError as error:
            if not left:
                raise
            log.warning("pos_callback_tried_again", order=callback.order_ref, error=repr(error))
    raise AssertionError("unreachable")


def _keep(callback: PosStatus, raw: bytes, verdict: Verdict) -> None:
    """The row, after the effect: the webhook lane locks in the same order when it replays one."""
    event_type, event_id = petpooja.identify(callback.payload)
    event = WebhookEvent(
        provider=PROVIDER,
        event_type=event_type,
        event_id=event_id,
        payload=callback.payload,
        body=raw,
        state=WorkState.IGNORED if verdict is Verdict.IGNORED else WorkState.DONE,
        retry_count=1,
        processed_at=now(),
    )
    WebhookEvent.objects.bulk_create([event], ignore_conflicts=True)


def _refuse(request: HttpRequest, raw: bytes, payload: Any, problem: Problem) -> JsonResponse:
    remote, reason = str(request.META.get("REMOTE_ADDR", "")), problem.code.lower()
    log.warning("pos_callback_refused", status=problem.status, reason=reason, detail=problem.message)
    attempts.LOG.note(Attempt.of(PROVIDER, problem.status, reason, problem.message, remote, raw))
    return _answer(problem.status, petpooja.refused(problem, payload))


def _answer(status: int, body: dict[str, Any]) -> JsonResponse:
    return JsonResponse(body, status=status, headers={"Allow": "POST"} if status == 405 else {})
