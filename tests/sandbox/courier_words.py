"""Short words for what the tests of all courier companies do over and over."""

from __future__ import annotations

import json
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes, hmac

from tests.sandbox.process import Receiver, Sandbox, until

STORE = {"lat": 30.2672, "lng": -97.7431}
HOME = {"lat": 30.275, "lng": -97.75}
FAST = 600.0  # ten minutes of theirs in a second


def hmac_sha256(key: bytes, text: bytes) -> bytes:
    """By the library of `cryptography`, not the one the sandbox signs with."""
    mac = hmac.HMAC(key, hashes.SHA256())
    mac.update(text)
    return mac.finalize()


def move(sandbox: Sandbox, company: str, job_id: str, *words: str, reason: str = "") -> dict[str, Any]:
    job: dict[str, Any] = {}
    for word in words:
        body = {"to": word, **({"reason": reason} if reason else {})}
        job = sandbox.control("POST", f"{company}/jobs/{job_id}/move", body)
    return job


def let_go(sandbox: Sandbox, company: str, speed: float = FAST) -> None:
    """Jobs move by themselves from now on."""
    sandbox.control("POST", f"{company}/pace", {"speed": speed, "by_itself": True})


def behave(sandbox: Sandbox, company: str, **how: Any) -> None:
    sandbox.control("POST", f"{company}/behaviour", how)


def jobs(sandbox: Sandbox, company: str) -> list[dict[str, Any]]:
    return sandbox.control("GET", f"{company}/jobs")["jobs"]


def ended(sandbox: Sandbox, company: str, count: int = 1) -> list[dict[str, Any]]:
    """All jobs, once `count` are over; oldest first."""

    def over() -> list[dict[str, Any]]:
        found = [job for job in jobs(sandbox, company) if not job["live"]]
        return found if len(found) >= count else []

    return sorted(until(over, f"{count} ended jobs of {company}"), key=lambda job: job["history"][0]["at"])


def bodies(handoff: Receiver, company: str, count: int) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in handoff.at(f"/webhooks/{company}", count)]


def refused_control(sandbox: Sandbox, path: str, body: Any) -> str:
    """The field that a control call was refused for."""
    response = requests.post(f"{sandbox.url}/_control/{path}", json=body, timeout=5)
    assert response.status_code == 400
    return response.json()["error"]["field"]


def states_of_webhooks(sandbox: Sandbox, company: str) -> list[str]:
    return [row["state"] for row in sandbox.control("GET", f"webhooks?provider={company}")["webhooks"]]
