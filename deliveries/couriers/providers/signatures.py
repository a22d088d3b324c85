"""What couriers sign their webhooks with, compared in constant time against every live secret (SPEC W1)."""

import hashlib
import hmac
from collections.abc import Sequence


def hmac_digests(body: bytes, secrets: Sequence[str]) -> list[str]:
    """The HMAC of the body by each secret, in hex."""
    return [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets]


def matches_any(said: str, expected: Sequence[str]) -> bool:
    """Whether it is any of them; every one is compared, whichever fits."""
    raw = said.encode("utf-8", "replace")
    found = [hmac.compare_digest(one.encode(), raw) for one in expected]
    return any(found)
