"""The sockets process (SPEC T2, T4): `/ws/orders/{ref}` tells whoever may see an order that it changed,
`/ws/stores/{slug}` whoever may see a store's orders about them, `/ws/track` the customer's page (tracking/page).
docs/live.md is the manual for those who connect.

A plain ASGI application: Django under ASGI costs a multiple, and nothing here renders a page. On connecting comes a
snapshot, then hints `{topic, version, name}`: fetch the order again when you care. A socket that is slow gets the
newest hint of each name only. A socket closes when its token expires (4401) and when its right is gone (4401, 4403).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import structlog
from django.db import DatabaseError

from deliveries.realtime import authentication
from deliveries.realtime.hub import HUB, Watcher
from deliveries.realtime.subscriptions import EXPIRED, CloseReason, Subscription
from foundation.errors import APIError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = structlog.get_logger(__name__)
SOCKET_REFUSED = 4400
GONE = CloseReason(0, "the client left")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    match scope["type"]:
        case "lifespan":
            await _handle_lifespan(receive, send)
        case "http":
            await _answer_http(scope, send)
        case "websocket":
            await _serve_socket(scope, receive, send)


async def _handle_lifespan(receive: Receive, send: Send) -> None:
    authentication.keep_tokens_out_of_logs()
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            HUB.start_listening()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await HUB.stop_listening()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _answer_http(scope: Scope, send: Send) -> None:
    """`GET /health`: the process is alive; `live` says whether it hears the broker."""
    if scope["path"] == "/health":
        await _send_response(
            send, "http.response", 200, {"status": "ok", "live": HUB.hears, "sockets": HUB.watcher_count}
        )
    else:
        await _send_response(send, "http.response", 404, {"detail": "Only WebSockets live here", "code": "NOT_FOUND"})


# ── one socket ───────────────────────────────────────────────────────────────────────────────────────────────────
async def _serve_socket(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()  # websocket.connect
    watcher = None
    try:
        subscription = await _admit_client(scope)
        watcher = Watcher(subscription.topic, subscription)
        HUB.add_watcher(watcher)  # before the snapshot: what happens meanwhile is then either in it or hinted at
        first = await _first_words(watcher, subscription)
        with suppress(OSError):  # the client is gone, and the server has noticed before us
            await send({"type": "websocket.accept"})
            await _send_json(send, first)
            del first  # a socket is open for hours
            await _stream_hints(watcher, subscription, receive, send)
    except APIError as problem:
        log.info("socket_refused", path=scope["path"], status=problem.status, code=problem.code)
        await _refuse_socket(scope, send, problem)
    except DatabaseError as error:
        log.error("database_unavailable", error=repr(error))
        await _refuse_socket(scope, send, APIError("Please try again in a moment", status=503, code="UNAVAILABLE"))
    finally:
        if watcher is not None:
            HUB.remove_watcher(watcher)


async def _admit_client(scope: Scope) -> Subscription:
    """Who comes, and may they watch this? Raises APIError."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    authentication.require_known_origin(headers.get("origin"))
    query = scope["query_string"].decode("latin-1")
    return await authentication.in_thread(lambda: authentication.admit_socket(scope["path"], query, headers))


async def _first_words(watcher: Watcher, subscription: Subscription) -> dict[str, Any]:
    snapshot = await authentication.in_thread(subscription.load_snapshot)
    watcher.level_with(subscription.versions_of(snapshot))
    return {"topic": subscription.topic, "version": snapshot.get("version"), "name": "snapshot", "data": snapshot}


async def _stream_hints(watcher: Watcher, subscription: Subscription, receive: Receive, send: Send) -> None:
    """Hints as they come, until the client leaves or may not watch any more."""
    leaving = asyncio.create_task(_until_gone(receive, watcher))
    expiry = asyncio.get_running_loop().call_later(subscription.seconds_left(), watcher.end_watching, EXPIRED)
    try:
        while not watcher.ended:
            for hint in await watcher.next_hints():
                await _send_json(send, hint)
        if watcher.ended is not GONE:
            await send({"type": "websocket.close", "code": watcher.ended.code, "reason": watcher.ended.reason})
    finally:
        expiry.cancel()
        leaving.cancel()


async def _until_gone(receive: Receive, watcher: Watcher) -> None:
    """What the client says is not listened to."""
    while (await receive())["type"] != "websocket.disconnect":
        pass
    watcher.end_watching(GONE)


async def _send_json(send: Send, message: Any) -> None:
    await send({"type": "websocket.send", "text": json.dumps(message, separators=(",", ":"))})


async def _refuse_socket(scope: Scope, send: Send, problem: APIError) -> None:
    """As an HTTP answer where the server can give one: a client can read why."""
    if "websocket.http.response" in scope.get("extensions", {}):
        body = {"detail": problem.message, "code": problem.code}
        await _send_response(send, "websocket.http.response", problem.status, body)
    else:
        await send({"type": "websocket.close", "code": SOCKET_REFUSED, "reason": problem.code})


async def _send_response(send: Send, kind: str, status: int, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": content})
