"""`/api/v1/auth/token`, `/refresh`, `/logout` (SPEC S1)."""

from django.contrib.auth import authenticate
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from foundation import limits
from foundation.api import authentication
from foundation.api.authentication import TokenRefused
from foundation.limits import RateLimitRule
from foundation.models import User

TOO_MANY = OpenApiResponse(description="TOO_MANY_REQUESTS; `Retry-After` says when the next try is let in.")
WRONG_FOR_NAME = RateLimitRule("wrong_sign_in_name", "WRONG_SIGN_INS_PER_NAME", per_s=300)
WRONG_FROM_ADDRESS = RateLimitRule("wrong_sign_in_address", "WRONG_SIGN_INS_PER_ADDRESS", per_s=300)


class SignInSerializer(serializers.Serializer):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=128, trim_whitespace=False)


class RefreshSerializer(serializers.Serializer):
    refresh = serializers.CharField(max_length=2000)


class TokenPairSerializer(serializers.Serializer):
    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds until the access token expires.")
    role = serializers.CharField()


class OpenView(APIView):
    """No token is asked for: these endpoints hand them out or take them back."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class SignInView(OpenView):
    @extend_schema(
        request=SignInSerializer,
        responses={200: TokenPairSerializer, 429: TOO_MANY},
        operation_id="auth_token",
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        """Sign in with username and password. After too many wrong ones none is looked at for a while (429)."""
        data = SignInSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        address = limits.client_address(request)
        counted = ((WRONG_FOR_NAME, f"{data.validated_data['username']} {address}"), (WRONG_FROM_ADDRESS, address))
        for limit, who in counted:
            limits.require_capacity(limit, who)
        user = authenticate(request, **data.validated_data)
        if not isinstance(user, User):
            for limit, who in counted:
                limits.consume_call(limit, who)
            raise TokenRefused("Username or password is wrong", code="WRONG_CREDENTIALS")
        return Response(authentication.issue_tokens(user))


class RefreshView(OpenView):
    @extend_schema(request=RefreshSerializer, responses=TokenPairSerializer, operation_id="auth_refresh", tags=["auth"])
    def post(self, request: Request) -> Response:
        """Trade a refresh token for a new pair; the old one is used up."""
        data = RefreshSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        return Response(authentication.rotate_token(data.validated_data["refresh"]))


class LogoutView(OpenView):
    @extend_schema(request=RefreshSerializer, responses={204: None}, operation_id="auth_logout", tags=["auth"])
    def post(self, request: Request) -> Response:
        """Take a refresh token back."""
        data = RefreshSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        authentication.revoke_token(data.validated_data["refresh"])
        return Response(status=204)
