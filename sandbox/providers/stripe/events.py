"""Events: recorded, sent to Handoff signed as Stripe signs, and listed for those who missed some.

Signature (stripe-python `_webhook.py`): `t=<unix>,v1=<hex HMAC-SHA256 of "{t}.{body}" with the whsec_ string>`.
Undelivered events are resent for three days with a growing delay, and can be fetched with
`GET /v1/events?delivery_success=false` (docs.stripe.com/webhooks/process-undelivered-events). Events of connected
accounts carry a top-level `account` and are signed with the Connect endpoint's own secret
(docs.stripe.com/connect/webhooks).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from sandbox.engine import runtime
from sandbox.engine.store import Transaction
from sandbox.providers.stripe import resources
from sandbox.providers.stripe.operation import API_VERSION, Call, stripe_operation

HANDOFF_PATH = "/webhooks/stripe"
LONGEST_RETRY_DELAY_S = 300.0
RETRIED_FOR_S = 3 * 24 * 3600

Object = dict[str, Any]


def emit_event(
    tx: Transaction,
    event_type: str,
    obj: Object,
    *,
    account: str | None = None,
    previous: Object | None = None,
    call: Call | None = None,
) -> Object:
    """Record an event about `obj` as it is now, and send it. `previous` are the former values of what changed."""
    event: Object = {
        "id": resources.new_id("event"),
        "object": "event",
        "api_version": API_VERSION,
        "created": int(tx.now),
        "data": {"object": obj} | ({"previous_attributes": previous} if previous else {}),
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": call.request_id if call else None, "idempotency_key": call.key if call else None},
        "type": event_type,
    }
    if account:
        event["account"] = account
    resources.save(tx, event)
    now = runtime.current_runtime()
    now.dispatcher.send_webhook(
        tx,
        "stripe",
        topic=event_type,
        url=now.handoff_url + HANDOFF_PATH,
        body=json.dumps(event),
        reference=event["id"],
        signer="connect" if account else "platform",
    )
    return event


def sign_body(signer: str, body: str, now: float, *, wrong: bool) -> dict[str, str]:
    keys = runtime.current_runtime().keys
    secret = keys["stripe_connect_webhook_secret" if signer == "connect" else "stripe_webhook_secret"]
    if wrong:
        secret = secret[::-1]
    timestamp = int(now)
    digest = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={timestamp},v1={digest}"}


def retry_delay_s(tries: int) -> float | None:
    """1, 2, 4, ... up to 5 minutes apart, for three days. Faster than the real one at first: a demo day is short."""
    return None if tries * LONGEST_RETRY_DELAY_S > RETRIED_FOR_S else min(2.0 ** (tries - 1), LONGEST_RETRY_DELAY_S)


@stripe_operation()
def retrieve_event(call: Call, object_id: str) -> Object:
    return _with_pending(call.tx, resources.fetch_object(call.tx, "event", object_id))


@stripe_operation(f"{resources.LIST_PARAMS} type types delivery_success")
def list_all(call: Call) -> Object:
    """Of the platform, or of the connected account named by Stripe-Account."""
    types = call.params.get_names("types") or call.params.get_names("type")
    clauses: list[tuple[str, Any]] = [("json_extract(body, '$.account') IS ?", call.account)]
    if types:
        patterns = json.dumps([name.replace("*", "%") for name in types])
        clauses.append(("EXISTS (SELECT 1 FROM json_each(?) WHERE json_extract(body, '$.type') LIKE value)", patterns))
    if success := call.params.one_of("delivery_success", ("true", "false")):
        delivered = "id {} (SELECT reference FROM webhooks WHERE provider = ? AND state = 'delivered')"
        clauses.append((delivered.format("IN" if success == "true" else "NOT IN"), "stripe"))
    found = resources.list_objects(call.tx, "event", call.params, "/v1/events", {}, clauses)
    found["data"] = [_with_pending(call.tx, event) for event in found["data"]]
    return found


def _with_pending(tx: Transaction, event: Object) -> Object:
    row = tx.sql.execute(
        "SELECT count(*) AS waiting FROM webhooks WHERE reference = ? AND state = 'pending'", (event["id"],)
    ).fetchone()
    return event | {"pending_webhooks": row["waiting"]}
