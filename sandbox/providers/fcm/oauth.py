"""Google's OAuth token endpoint for service accounts: an RS256 assertion becomes an access token (RFC 7523).

Documented at developers.google.com/identity/protocols/oauth2/service-account.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.http import HttpRequest, HttpResponse

from sandbox.engine import runtime
from sandbox.engine.http import json_answer
from sandbox.keys import SERVICE_ACCOUNT_FILE

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"  # google-auth signs for this whatever the token_uri is
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
BROADER_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LIFETIME_S = 3599
CLOCK_SKEW_S = 300


def grant_token(request: HttpRequest) -> HttpResponse:
    if request.POST.get("grant_type") != GRANT_TYPE:
        return _token_refused("unsupported_grant_type", f"Invalid grant_type: {request.POST.get('grant_type', '')}")
    account, public_key = _service_account(runtime.current_runtime().home)
    try:
        claims: dict[str, Any] = jwt.decode(
            request.POST.get("assertion", ""),
            public_key,
            algorithms=["RS256"],
            audience=[GOOGLE_AUDIENCE, f"{runtime.current_runtime().base_url}/fcm/token"],
            issuer=account["client_email"],
            leeway=CLOCK_SKEW_S,
            options={"require": ["exp", "iat", "aud", "iss"]},
        )
    except jwt.InvalidTokenError as error:
        return _token_refused("invalid_grant", f"Invalid JWT: {error}")
    if not {SCOPE, BROADER_SCOPE} & set(str(claims.get("scope", "")).split()):
        return _token_refused("invalid_scope", "The scope of Firebase messaging is missing.")
    return json_answer({"access_token": _issue_token(), "expires_in": LIFETIME_S, "token_type": "Bearer"})


def is_valid(token: str) -> bool:
    """Tokens carry their expiry and a seal, so that nothing needs to be remembered about them."""
    expires_at, _, seal = token.removeprefix("ya29.").partition(".")
    return expires_at.isdigit() and int(expires_at) > time.time() and hmac.compare_digest(seal, _seal_token(expires_at))


def _issue_token() -> str:
    expires_at = str(int(time.time()) + LIFETIME_S)
    return f"ya29.{expires_at}.{_seal_token(expires_at)}"


def _seal_token(expires_at: str) -> str:
    secret = runtime.current_runtime().keys["fcm_access_token_secret"]
    return hmac.new(secret.encode(), expires_at.encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=1)
def _service_account(home: Path) -> tuple[dict[str, str], RSAPublicKey]:
    account = json.loads((home / SERVICE_ACCOUNT_FILE).read_text())
    private_key = load_pem_private_key(account["private_key"].encode(), password=None)
    return account, cast(RSAPublicKey, private_key.public_key())


def _token_refused(error: str, description: str) -> HttpResponse:
    return json_answer({"error": error, "error_description": description}, status=400)
