"""The JWT that comes with every call: HS256 with the base64url-decoded signing secret.

Header {"dd-ver": "DD-JWT-V1"}; payload aud "doordash", iss the developer's id, kid the key's id (here, not in the
header), iat not in the future, exp at most half an hour later (developer.doordash.com/en-US/docs/drive/reference/JWTs).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import Any

import jwt

from sandbox.engine import runtime

LONGEST_LIFE_S = 1800
VERSION = "DD-JWT-V1"


def find_problem(authorization: str) -> str:
    """What is wrong with an Authorization header, "" if nothing."""
    keys = runtime.current_runtime().keys
    scheme, _, token = authorization.partition(" ")
    if scheme != "Bearer" or not token:
        return "The [Authorization] header is required to be a Bearer token"
    secret = keys["doordash_signing_secret"]
    try:
        version = jwt.get_unverified_header(token).get("dd-ver")
        claims: dict[str, Any] = jwt.decode(
            token,
            urlsafe_b64decode(secret + "=" * (-len(secret) % 4)),
            algorithms=["HS256"],
            audience="doordash",
            issuer=keys["doordash_developer_id"],
            options={"require": ["aud", "iss", "exp", "iat"]},
        )
    except jwt.InvalidTokenError as error:
        return f"The token was not accepted: {error}"
    if version != VERSION:
        return f"The header dd-ver must be {VERSION}"
    if claims.get("kid") != keys["doordash_key_id"]:
        return "The payload's kid is no key of this developer"
    if claims["exp"] > claims["iat"] + LONGEST_LIFE_S:
        return f"exp must be at most {LONGEST_LIFE_S} seconds after iat"
    return ""
