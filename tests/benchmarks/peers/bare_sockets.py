"""The limit: an ASGI application that hands out what it hears to its sockets by topic, and asks nobody."""

import asyncio
import json
import os
from typing import Any

from redis import asyncio as redis

CHANNEL, URL = os.environ["BARE_CHANNEL"], os.environ["LIVE_URL"]
sockets: dict[str, set[Any]] = {}
tasks: list["asyncio.Task[None]"] = []


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        tasks.append(asyncio.create_task(listen()))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await serve(scope["path"].rpartition("/")[2], receive, send)


async def serve(ref: str, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": '{"name":"snapshot"}'})
    topic = f"order:{ref}"
    sockets.setdefault(topic, set()).add(send)
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        sockets[topic].discard(send)


async def listen() -> None:
    async with redis.Redis.from_url(URL) as client, client.pubsub() as subscription:
        await subscription.subscribe(CHANNEL)
        async for message in subscription.listen():
            if message["type"] == "message":
                for hint in json.loads(message["data"]):
                    text = json.dumps(hint)
                    for send in list(sockets.get(hint["topic"], ())):
                        await send({"type": "websocket.send", "text": text})
