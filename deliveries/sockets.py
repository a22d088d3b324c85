"""The sockets process (SPEC T2, T4): `/ws/orders/{ref}?token=…` tells whoever may see an order that it changed, and
`/ws/track?token=<ticket>` the customer's page (deliveries/page).

A plain ASGI application: Django under ASGI costs a multiple, and nothing here renders a page. On connecting comes a
snapshot, then hints `{topic, version, name}`: fetch the order again when you care. A socket that is slow gets the
newest hint of each name only. One subscription serves the process; versions are compared every few seconds besides, so
that a lost hint is only a late one. A socket closes when its token expires.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import structlog
from django.db import DatabaseError

from deliveries import socket_access
from deliveries.live import HUB, Watcher
from deliveries.page import watching
from deliveries.page.watching import LinkVisitor
from deliveries.socket_access import Visitor
from foundation.errors import Problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = structlog.get_logger(__name__)
PATH = re.compile(r"^/ws/orders/([^/]{1,64})$")
PAGE = "/ws/track"
EXPIRED = 4401
UNWELCOME = 4403
SOCKET_REFUSED = 4400


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    match scope["type"]:
        case "lifespan":
            await _lifespan(receive, send)
        case "http":
            await _answer_http(scope, send)
        case "websocket":
            await _serve(scope, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    socket_access.keep_tokens_out_of_logs()
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            HUB.start()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await HUB.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _answer_http(scope: Scope, send: Send) -> None:
    """`GET /health`: the process is alive; `live` says whether it hears the broker."""
    if scope["path"] == "/health":
        await _respond(send, "http.response", 200, {"status": "ok", "live": HUB.hears, "sockets": HUB.size})
    else:
        await _respond(send, "http.response", 404, {"detail": "Only WebSockets live here", "code": "NOT_FOUND"})


# ── one socket ───────────────────────────────────────────────────────────────────────────────────────────────────
async def _serve(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()  # websocket.connect
    try:
        visitor = await _admit(scope)
    except Problem as problem:
        log.info("socket_refused", path=scope["path"], status=problem.status, code=problem.code)
        await _refuse(scope, send, problem)
        return
    except DatabaseError as error:
        log.error("database_unavailable", error=repr(error))
        await _refuse(scope, send, Problem("Please try again in a moment", status=503, code="UNAVAILABLE"))
        return
    watcher = Watcher(visitor.topic)
    HUB.add(watcher)  # before the snapshot: what happens meanwhile is then either in it or hinted at
    try:
        snapshot = await socket_access.in_thread(visitor.snapshot)
        watcher.version = snapshot["version"]
        await send({"type": "websocket.accept"})
        await _say(send, {"topic": visitor.topic, "version": watcher.version, "name": "snapshot", "data": snapshot})
        await _tell(watcher, visitor, receive, send)
    finally:
        HUB.remove(watcher)


async def _admit(scope: Scope) -> Visitor | LinkVisitor:
    """Who comes, and may they see this order? Raises Problem."""
    path = PATH.match(scope["path"])
    if path is None and scope["path"] != PAGE:
        raise Problem("There is no socket at this address", status=404, code="NOT_FOUND")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    socket_access.require_known_origin(headers.get("origin"))
    query = parse_qs(scope["query_string"].decode("latin-1"))
    token = query.get("token", [""])[0] or headers.get("authorization", "").removeprefix("Bearer ")
    if path is None:
        return await socket_access.in_thread(lambda: watching.admit(token))
    ref = path[1]
    return await socket_access.in_thread(lambda: socket_access.admit(token, ref))


async def _tell(watcher: Watcher, visitor: Visitor | LinkVisitor, receive: Receive, send: Send) -> None:
    """Hints as they come, until the client leaves or the token ends. What the client says is not listened to."""
    leaving = asyncio.create_task(_until_gone(receive))
    try:
        welcome = await _still_welcome(visitor)  # a link may have been taken back while its snapshot was made
        while welcome:
            news = asyncio.create_task(watcher.news())
            done, _ = await asyncio.wait(
                {leaving, news}, timeout=visitor.seconds_left(), return_when=asyncio.FIRST_COMPLETED
            )
            if leaving in done:
                news.cancel()
                return
            if news not in done:
                news.cancel()
                await send({"type": "websocket.close", "code": EXPIRED, "reason": "token expired"})
                return
            hints = news.result()
            if any(hint["version"] is not None for hint in hints):  # taking a link back is an event of its order
                welcome = await _still_welcome(visitor)
            for hint in hints if welcome else ():
                await _say(send, hint)
        await send({"type": "websocket.close", "code": UNWELCOME, "reason": "link is over"})
    except OSError:  # the client is gone, and the server has noticed before us
        return
    finally:
        leaving.cancel()


async def _still_welcome(visitor: Visitor | LinkVisitor) -> bool:
    return isinstance(visitor, Visitor) or await socket_access.in_thread(visitor.still_welcome)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def _say(send: Send, message: Any) -> None:
    await send({"type": "websocket.send", "text": json.dumps(message, separators=(",", ":"))})


async def _refuse(scope: Scope, send: Send, problem: Problem) -> None:
    """As an HTTP answer where the server can give one: a client can read why."""
    if "websocket.http.response" in scope.get("extensions", {}):
        body = {"detail": problem.message, "code": problem.code}
        await _respond(send, "websocket.http.response", problem.status, body)
    else:
        await send({"type": "websocket.close", "code": SOCKET_REFUSED, "reason": problem.code})


async def _respond(send: Send, kind: str, status: int, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": content})
