"""Bearer tokens for APIs (SPEC S1): short access tokens, refresh tokens that rotate with exactly one winner."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed, TokenError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken, Token

from foundation.errors import Problem
from foundation.models import User


class TokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access token>`; the user must still exist and be active."""

    def get_user(self, validated_token: Token) -> Any:
        try:
            return super().get_user(validated_token)
        except ValidationError as error:  # a subject that is no id of ours
            raise AuthenticationFailed("User not found", code="user_not_found") from error


def subject_of(header: str) -> UUID | None:
    """Whom a good `Authorization` header names, by its signature alone; None: it names nobody. Whether that user still
    exists and is active is for the caller to ask."""
    reader = TokenAuthentication()
    try:
        raw = reader.get_raw_token(header.encode("latin-1"))
        return None if raw is None else UUID(reader.get_validated_token(raw)[str(settings.SIMPLE_JWT["USER_ID_CLAIM"])])
    except (AuthenticationFailed, KeyError, ValueError, TypeError, AttributeError):
        return None


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    target_class = "foundation.api.authentication.TokenAuthentication"
    name = "bearer"


class TokenRefused(Problem):
    status = 401
    code = "TOKEN_REFUSED"


def issue(user: User) -> dict[str, str | int]:
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


def rotate(token: str) -> dict[str, str | int]:
    """Trade a refresh token for a new pair. Of parallel calls with one token exactly one wins: its row is locked."""
    with transaction.atomic():
        return issue(_spend(token))


def revoke(token: str) -> None:
    with transaction.atomic():
        _spend(token)


def _spend(token: str) -> User:
    """Use a refresh token up. Raises TokenRefused when it is bad, old, or was used before."""
    try:
        refresh = RefreshToken(token)  # type: ignore[arg-type]
    except TokenError as error:
        raise TokenRefused("Token is invalid or expired") from error
    row = OutstandingToken.objects.select_for_update(of=("self",)).filter(jti=refresh["jti"]).first()
    if row is None or row.user is None or not row.user.is_active:
        raise TokenRefused("Token is invalid or expired")
    if not BlacklistedToken.objects.get_or_create(token=row)[1]:
        raise TokenRefused("Token was used before")
    return row.user
