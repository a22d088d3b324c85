"""The token that each call to DoorDash Drive carries: a JWT that we sign ourselves."""

import base64
import binascii
import time

import jwt
from django.conf import settings

from foundation.errors import Permanent

LIFE_S = 300  # DoorDash takes at most 1800
SKEW_S = 5  # issued a little earlier, should our clock be ahead of theirs


def make_token() -> str:
    """Raises Permanent when DOORDASH_SIGNING_SECRET is not what DoorDash hands out."""
    issued_at = int(time.time()) - SKEW_S
    claims = {
        "aud": "doordash",
        "iss": settings.DOORDASH_DEVELOPER_ID,
        "kid": settings.DOORDASH_KEY_ID,  # here, and not in the header, where JWTs have it
        "iat": issued_at,
        "exp": issued_at + LIFE_S,
    }
    return jwt.encode(claims, _decode_secret(), algorithm="HS256", headers={"dd-ver": "DD-JWT-V1"})


def _decode_secret() -> bytes:
    """The secret's bytes: base64url, shown without its padding."""
    text = settings.DOORDASH_SIGNING_SECRET.strip().rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Permanent("DOORDASH_SIGNING_SECRET is not base64url", code="401") from error
