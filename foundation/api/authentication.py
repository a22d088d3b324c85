"""Bearer tokens for APIs (SPEC S1): short access tokens, refresh tokens that rotate with exactly one winner."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken, Token
from rest_framework_simplejwt.utils import get_md5_hash_password

from foundation.errors import APIError
from foundation.models import User


class TokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access token>`; the user must still exist and be active, and their password be the same.

    The scheme's name may be written in any case, as HTTP has it.
    """

    def get_raw_token(self, header: bytes) -> bytes | None:
        scheme, blank, token = header.partition(b" ")
        return super().get_raw_token(scheme.lower().capitalize() + blank + token)

    def get_user(self, validated_token: Token) -> Any:
        try:
            return super().get_user(validated_token)
        except ValidationError as error:  # a subject that is no id of ours
            raise AuthenticationFailed("User not found", code="user_not_found") from error


class TokenSubject(NamedTuple):
    """Whom a good access token names: a user's public id, and the digest of the password that they had then."""

    public_id: UUID
    password_digest: str


def read_token_subject(header: str) -> TokenSubject | None:
    """Whom a good `Authorization` header names, by its signature alone; None: it names nobody. Whether that user still
    exists, is active and has the same password is for the caller to ask."""
    reader = TokenAuthentication()
    try:
        raw = reader.get_raw_token(header.encode("latin-1"))
        if raw is None:
            return None
        claims = reader.get_validated_token(raw)
        public_id = UUID(claims[str(settings.SIMPLE_JWT["USER_ID_CLAIM"])])
        return TokenSubject(public_id, str(claims[str(api_settings.REVOKE_TOKEN_CLAIM)]))
    except (AuthenticationFailed, KeyError, ValueError, TypeError, AttributeError):
        return None


def token_subject_of_user(user: User) -> TokenSubject:
    """As a token that `user` is given now names them."""
    return TokenSubject(user.public_id, get_md5_hash_password(user.password))


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    target_class = "foundation.api.authentication.TokenAuthentication"
    name = "bearer"


class TokenRefused(APIError):
    status = 401
    code = "TOKEN_REFUSED"


def issue_tokens(user: User) -> dict[str, str | int]:
    """A fresh pair of tokens: `{access, refresh, expires_in, role}` (`expires_in` in seconds)."""
    refresh = RefreshToken.for_user(user)
    refresh.set_exp(lifetime=timedelta(days=settings.REFRESH_TOKEN_DAYS))
    # The row is what makes a refresh token good once; the token itself opens doors for a month and is not left in it.
    expires_at = datetime.fromtimestamp(refresh["exp"], UTC)
    OutstandingToken.objects.filter(jti=refresh["jti"]).update(token="", expires_at=expires_at)
    access = refresh.access_token
    access.set_exp(lifetime=timedelta(minutes=settings.ACCESS_TOKEN_MINUTES))
    access["role"] = user.role
    return {
        "access": str(access),
        "refresh": str(refresh),
        "expires_in": settings.ACCESS_TOKEN_MINUTES * 60,
        "role": user.role,
    }


def rotate_token(token: str) -> dict[str, str | int]:
    """Trade a refresh token for a new pair. Of parallel calls with one token exactly one wins: its row is locked."""
    with transaction.atomic():
        return issue_tokens(_spend_token(token))


def revoke_token(token: str) -> None:
    with transaction.atomic():
        _spend_token(token)


def _spend_token(token: str) -> User:
    """Use a refresh token up: its row goes, so that there are no more rows than tokens that are still good.

    Raises TokenRefused when it is bad, old, or was used before.
    """
    try:
        refresh = RefreshToken(token)  # type: ignore[arg-type]
    except TokenError as error:
        raise TokenRefused("Token is invalid or expired") from error
    row = OutstandingToken.objects.select_for_update(of=("self",)).filter(jti=refresh["jti"]).first()
    if row is None or row.user is None or not row.user.is_active:
        raise TokenRefused("Token is invalid or expired, or was used before")
    if refresh.get(api_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(row.user.password):
        raise TokenRefused("The password was changed since")
    row.delete()
    return row.user
