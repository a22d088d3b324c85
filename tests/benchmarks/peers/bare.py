"""The limit: a WSGI application without any framework, that verifies a Stripe event and inserts the same row."""

import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Iterable
from typing import Any

import psycopg

SECRET = os.environ["STRIPE_WEBHOOK_SECRET"].encode()
BODY = b'{"received": true}'
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]
INSERT = """
    INSERT INTO webhook_events (provider, event_type, event_id, payload, body, signature, state)
    VALUES ('stripe', %s, %s, %s::jsonb, %b, %s, 'pending') ON CONFLICT (provider, event_id) DO NOTHING
"""
_thread = threading.local()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    header = environ["HTTP_STRIPE_SIGNATURE"]
    timestamp, _, signature = header.partition(",")
    expected = hmac.new(SECRET, timestamp[2:].encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature[3:]) or time.time() - int(timestamp[2:]) > 300:
        start_response("400 Bad Request", HEADERS)
        return [BODY]
    event = json.loads(body)
    if not hasattr(_thread, "cursor"):
        link = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=0)
        _thread.cursor = link.cursor()
    _thread.cursor.execute(INSERT, (event["type"], event["id"], body.decode(), body, header))
    start_response("200 OK", HEADERS)
    return [BODY]
