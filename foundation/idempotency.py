"""`Idempotency-Key`: the same request twice is one effect and one answer (SPEC O4)."""

import hashlib
from typing import Any

from foundation.errors import Conflict, Invalid
from foundation.models import IdempotencyKey, User

MAX_LENGTH = 255


def request_fingerprint(method: str, path: str, body: bytes) -> str:
    return hashlib.sha256(b"\n".join((method.encode(), path.encode(), body))).hexdigest()


def find_remembered(user: User, key: str, fingerprint: str) -> IdempotencyKey | None:
    """The key's row when it was used before. Raises Conflict when it was used for another request."""
    if not key:
        return None
    if len(key) > MAX_LENGTH or not key.isprintable():
        raise Invalid(f"must be at most {MAX_LENGTH} printable characters", field="Idempotency-Key")
    row = IdempotencyKey.objects.filter(user=user, key=key).first()
    if row:
        _require_same(row, fingerprint)
    return row


def claim_key(user: User, key: str, fingerprint: str) -> IdempotencyKey | None:
    """Take the key in the transaction of the effect: its row, locked; `status` is not 0 if it was answered before.

    A racing request waits here until the first one has committed, and then sees its row. Raises Conflict when the key
    was used for another request.
    """
    if not key:
        return None
    row, created = IdempotencyKey.objects.get_or_create(user=user, key=key, defaults={"fingerprint": fingerprint})
    if not created:
        row = IdempotencyKey.objects.select_for_update(no_key=True, of=("self",)).get(pk=row.pk)
        _require_same(row, fingerprint)
    return row


def _require_same(row: IdempotencyKey, fingerprint: str) -> None:
    if row.fingerprint != fingerprint:
        raise Conflict(
            "This Idempotency-Key was used for another request", code="IDEMPOTENCY_KEY_REUSED", field="Idempotency-Key"
        )


def store_answer(user: User, key: str, status: int, answer: Any) -> None:
    if key:
        IdempotencyKey.objects.filter(user=user, key=key).update(status=status, answer=answer)
