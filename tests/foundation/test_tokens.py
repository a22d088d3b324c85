"""Tokens: who signs in gets a pair, a refresh token is good once, and nothing forged or old is good at all."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import jwt
import pytest
import time_machine
from django.db import connection
from django.test import Client
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from foundation import clock
from foundation.api import authentication
from foundation.api.authentication import TokenRefused
from foundation.api.permissions import require_roles
from foundation.models import Role, User
from ops import retention

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def rider() -> User:
    return User.objects.create_user("asha", password=PASSWORD, role=Role.RIDER)


def post(client: Client, path: str, **body):
    return client.post(f"/api/v1/auth/{path}", body, content_type="application/json")


def forged(token: str, **claims) -> str:
    """The token with other claims, signed by somebody who does not know our key."""
    known = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(known | claims, "x" * 64, algorithm="HS256")


def unsigned(token: str) -> str:
    known = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(known, None, algorithm="none")


class RidersOnly(APIView):
    permission_classes = (require_roles(Role.RIDER),)

    def get(self, request):
        return Response({"user": request.user.username})


def knock(token: str | None) -> int:
    headers = {} if token is None else {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    return RidersOnly.as_view()(APIRequestFactory().get("/x", **headers)).status_code


# spec: S1
def test_signing_in_gives_a_pair_that_opens_what_the_role_may(client, rider):
    answer = post(client, "token", username="asha", password=PASSWORD)
    assert answer.status_code == 200
    pair = answer.json()
    assert set(pair) == {"access", "refresh", "expires_in", "role"}
    assert (pair["role"], pair["expires_in"]) == ("rider", 15 * 60)
    assert jwt.decode(pair["access"], options={"verify_signature": False})["sub"] == str(rider.public_id)
    assert knock(pair["access"]) == 200


# spec: S1
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"username": "asha", "password": "wrong"}, 401),
        ({"username": "nobody", "password": PASSWORD}, 401),
        ({"username": "asha"}, 400),
        ({"username": "asha", "password": ""}, 400),
        ({"username": ["asha"], "password": PASSWORD}, 400),
        ({"username": "x" * 200, "password": PASSWORD}, 400),
        ({}, 400),
    ],
)
def test_signing_in_wrongly_is_refused(client, rider, body, status):
    answer = client.post("/api/v1/auth/token", body, content_type="application/json")
    assert answer.status_code == status
    assert set(answer.json()) == {"detail", "code", "timestamp", "path"}


# spec: S1
def test_a_refresh_token_is_good_once(client, rider):
    first = post(client, "token", username="asha", password=PASSWORD).json()
    second = post(client, "refresh", refresh=first["refresh"])
    assert second.status_code == 200
    assert second.json()["refresh"] != first["refresh"]
    again = post(client, "refresh", refresh=first["refresh"])
    assert (again.status_code, again.json()["code"]) == (401, "TOKEN_REFUSED")
    assert post(client, "refresh", refresh=second.json()["refresh"]).status_code == 200


# spec: S1
@pytest.mark.django_db(transaction=True)
def test_of_eight_refreshes_at_once_one_wins(rider):
    refresh = str(authentication.issue_tokens(rider)["refresh"])
    together = threading.Barrier(8)

    def rotate(_: int) -> str:
        try:
            together.wait()
            authentication.rotate_token(refresh)
        except TokenRefused:
            return "refused"
        finally:
            connection.close()
        return "won"

    with ThreadPoolExecutor(8) as crowd:
        outcomes = sorted(crowd.map(rotate, range(8)))
    assert outcomes == ["refused"] * 7 + ["won"]
    assert OutstandingToken.objects.count() - BlacklistedToken.objects.count() == 1


# spec: S1
def test_logging_out_takes_the_refresh_token_back(client, rider):
    pair = post(client, "token", username="asha", password=PASSWORD).json()
    assert post(client, "logout", refresh=pair["refresh"]).status_code == 204
    assert post(client, "refresh", refresh=pair["refresh"]).status_code == 401
    assert post(client, "logout", refresh=pair["refresh"]).status_code == 401


# spec: S1
def test_a_user_who_was_switched_off_is_out_at_once(client, rider):
    pair = post(client, "token", username="asha", password=PASSWORD).json()
    User.objects.update(is_active=False)
    assert knock(pair["access"]) == 401
    assert post(client, "refresh", refresh=pair["refresh"]).status_code == 401
    assert post(client, "token", username="asha", password=PASSWORD).status_code == 401


# spec: S1
def test_old_tokens_are_refused(client, rider):
    pair = authentication.issue_tokens(rider)
    with time_machine.travel(clock.now() + timedelta(minutes=14), tick=False):
        assert knock(str(pair["access"])) == 200
    with time_machine.travel(clock.now() + timedelta(minutes=16), tick=False):
        assert knock(str(pair["access"])) == 401
    with time_machine.travel(clock.now() + timedelta(days=31), tick=False):
        assert post(client, "refresh", refresh=pair["refresh"]).status_code == 401
    with time_machine.travel(clock.now() + timedelta(days=29), tick=False):
        assert post(client, "refresh", refresh=pair["refresh"]).status_code == 200


# spec: S1
def test_a_token_that_others_signed_is_refused(client, rider):
    pair = authentication.issue_tokens(rider)
    for refresh in (forged(pair["refresh"]), unsigned(pair["refresh"]), pair["access"]):
        assert post(client, "refresh", refresh=refresh).status_code == 401
    stranger = str(uuid.uuid4())
    for access in (forged(pair["access"]), unsigned(pair["access"]), forged(pair["access"], sub=stranger)):
        assert knock(access) == 401
    assert knock(str(pair["refresh"])) == 401
    assert post(client, "refresh", refresh=pair["refresh"]).status_code == 200  # the true one is still good


# spec: S1 W7
@pytest.mark.parametrize("refresh", ["", "x", "a.b.c", "é" * 10, "x" * 3000, None, 7, ["x"], {"a": 1}])
def test_what_is_no_token_is_refused_clearly(client, refresh):
    for path in ("refresh", "logout"):
        answer = client.post(f"/api/v1/auth/{path}", {"refresh": refresh}, content_type="application/json")
        assert answer.status_code in (400, 401)
        assert answer.json()["code"] in ("VALIDATION_ERROR", "TOKEN_REFUSED")


# spec: S1
def test_without_a_token_or_with_another_role_nothing_opens(rider):
    customer = User.objects.create_user("ravi", role=Role.CUSTOMER)
    assert knock(None) == 401
    assert knock("nonsense") == 401
    assert knock(str(authentication.issue_tokens(customer)["access"])) == 403


# spec: S1
def test_a_role_that_changed_counts_at_once(rider):
    access = str(authentication.issue_tokens(rider)["access"])
    User.objects.update(role=Role.CUSTOMER)
    assert knock(access) == 403


# spec: S1
def test_a_new_password_ends_what_was_signed_in_with_the_old_one(client, rider):
    pair = post(client, "token", username="asha", password=PASSWORD).json()
    rider.set_password("another long password")
    rider.save()
    assert knock(pair["access"]) == 401
    assert post(client, "refresh", refresh=pair["refresh"]).status_code == 401
    fresh = post(client, "token", username="asha", password="another long password").json()
    assert knock(fresh["access"]) == 200
    assert post(client, "refresh", refresh=fresh["refresh"]).status_code == 200


# spec: S1
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_written_as_it_likes(rider, scheme):
    access = authentication.issue_tokens(rider)["access"]
    request = APIRequestFactory().get("/x", HTTP_AUTHORIZATION=f"{scheme} {access}")
    assert RidersOnly.as_view()(request).status_code == 200


# spec: S1
@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "Bearer x.y.z", "Basic eDp5", "é"])
def test_a_header_that_proves_nothing_is_refused_in_plain_words(header):
    answer = RidersOnly.as_view()(APIRequestFactory().get("/x", HTTP_AUTHORIZATION=header))
    assert (answer.status_code, answer.data["code"]) == (401, "NOT_AUTHENTICATED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert not answer.data["detail"].startswith("detail")


# spec: S1
def test_tokens_that_were_spent_leave_no_rows_and_those_that_ran_out_are_forgotten(client, rider):
    refresh = post(client, "token", username="asha", password=PASSWORD).json()["refresh"]
    for _ in range(5):
        refresh = post(client, "refresh", refresh=refresh).json()["refresh"]
    assert OutstandingToken.objects.count() == 1
    OutstandingToken.objects.update(expires_at=clock.now() - timedelta(days=2))
    authentication.issue_tokens(rider)
    assert retention.forget_old_rows()["token_blacklist_outstandingtoken"] == 1
    assert OutstandingToken.objects.count() == 1


# spec: S2
def test_the_database_holds_no_token_that_could_be_used(rider):
    pair = authentication.issue_tokens(rider)
    row = OutstandingToken.objects.get()
    assert row.token == ""
    assert str(pair["refresh"]) not in str(vars(row))
    assert timedelta(days=29) < row.expires_at - clock.now() < timedelta(days=31)
