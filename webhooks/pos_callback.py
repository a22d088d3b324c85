"""PetPooja's callback, `/pp_callback/{slug}/`: taken while it waits, answered in its contract's words (SPEC W3).

Nothing is signed, so orders.pos.callbacks decides what it may prove. The callback, its effect and its row in
webhook_events are one transaction; a refused one is only counted.
"""

from typing import Any

import structlog
from django.db import OperationalError, transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from foundation.api.parsers import UnreadableBody, strict_json
from foundation.clock import now
from foundation.errors import APIError, Invalid
from foundation.evidence import EventOutcome
from foundation.webhook import WebhookRejected
from foundation.work import WorkState
from orders.evidence import PosStatus
from orders.models import Order
from orders.pos import callbacks, petpooja
from orders.pos.stored_callbacks import PROVIDER
from webhooks import intake, rejections
from webhooks.models import WebhookEvent
from webhooks.rejections import Rejection

log = structlog.get_logger(__name__)
MAX_ATTEMPTS = (
    3  # a deadlock or a lock held too long is over a moment later, and whether PetPooja calls again is unknown
)


@csrf_exempt
def pp_callback(request: HttpRequest, slug: str) -> JsonResponse:
    """POST /pp_callback/{slug}/: 200 `{success: true, message, order_id, new_status}`, else 400, 401, 404 or 500 with
    `{success: false, message, order_id}`."""
    raw, payload = b"", None
    try:
        raw = _read_body(request)
        payload = strict_json(raw)
        order = _apply_with_retries(petpooja.read_callback(slug, payload, token=_read_token(request)), raw)
    except UnreadableBody as error:
        return _reply_refused(request, raw, payload, Invalid(str(error), code="BAD_BODY"))
    except WebhookRejected as rejection:
        return _reply_refused(
            request, raw, payload, APIError(rejection.detail, code=rejection.reason, status=rejection.status)
        )
    except APIError as problem:
        return _reply_refused(request, raw, payload, problem)
    except Exception:
        log.exception("pos_callback_failed", slug=slug[:60])
        return _json_reply(500, petpooja.refused_body("Something went wrong here", payload))
    finally:
        rejections.COUNTER.flush_counts()
    return _json_reply(200, petpooja.accepted_body(order))


def _read_body(request: HttpRequest) -> bytes:
    if request.method != "POST":
        raise WebhookRejected(405, "wrong_method", "only POST is answered here")
    if request.content_type != "application/json":
        raise WebhookRejected(415, "wrong_content_type", "Content-Type must be application/json")
    return intake.read_body(request.META)


def _read_token(request: HttpRequest) -> str:
    """From the query, or from Authorization as PetPooja's dashboard sets it: bare or behind a scheme."""
    return request.GET.get("token") or request.headers.get("Authorization", "").rpartition(" ")[2]


def _apply_with_retries(callback: PosStatus, raw: bytes) -> Order:
    for left in reversed(range(MAX_ATTEMPTS)):
        try:
            with transaction.atomic():
                outcome, order = callbacks.apply_callback(callback)
                _store_handled_event(callback, raw, outcome)
                return order
        except OperationalError as error:
            if not left:
                raise
            log.warning("pos_callback_tried_again", order=callback.order_ref, error=repr(error))
    raise AssertionError("unreachable")


def _store_handled_event(callback: PosStatus, raw: bytes, outcome: EventOutcome) -> None:
    """The row, after the effect: the webhook work queue locks in the same order when it replays one."""
    event_type, event_id = petpooja.identify_callback(callback.payload)
    event = WebhookEvent(
        provider=PROVIDER,
        event_type=event_type,
        event_id=event_id,
        payload=callback.payload,
        body=raw,
        state=WorkState.IGNORED if outcome is EventOutcome.IGNORED else WorkState.DONE,
        retry_count=1,
        processed_at=now(),
    )
    WebhookEvent.objects.bulk_create([event], ignore_conflicts=True)


def _reply_refused(request: HttpRequest, raw: bytes, payload: Any, error: APIError) -> JsonResponse:
    remote, reason = str(request.META.get("REMOTE_ADDR", "")), error.code.lower()
    log.warning("pos_callback_refused", status=error.status, reason=reason, detail=error.message)
    rejections.COUNTER.add_rejection(Rejection.build(PROVIDER, error.status, reason, error.message, remote, raw))
    return _json_reply(error.status, petpooja.refused_body(error, payload))


def _json_reply(status: int, body: dict[str, Any]) -> JsonResponse:
    return JsonResponse(body, status=status, headers={"Allow": "POST"} if status == 405 else {})
