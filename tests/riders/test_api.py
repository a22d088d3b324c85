"""The riders' endpoints of this room over HTTP: envelope, roles, and every kind of bad input."""

from typing import Any

import pytest
from django.test import Client

from foundation.api.authentication import issue_tokens
from foundation.models import Role, User
from notifications.models import PushToken
from riders import positions, referrals
from riders.models import Referral, Rider
from tests.builders import CENTRE, applicant, rider

PATHS = [
    ("get", "/api/v1/rider/me"),
    ("patch", "/api/v1/rider/availability"),
    ("post", "/api/v1/rider/push-token"),
    ("delete", "/api/v1/rider/push-token"),
    ("get", "/api/v1/rider/referral"),
    ("post", "/api/v1/rider/referral"),
    ("get", "/api/v1/rider/referral/top"),
]


def call(user: User | None, method: str, path: str, body: Any = None) -> tuple[int, dict]:
    headers = {"Authorization": f"Bearer {issue_tokens(user)['access']}"} if user else {}
    sent = {} if body is None else {"data": body, "content_type": "application/json"}
    reply = getattr(Client(headers=headers), method)(path, **sent)
    return reply.status_code, reply.json()


# spec: R9
@pytest.mark.django_db
def test_a_rider_goes_online_and_sees_it():
    one = rider("Ravi", online=False)
    status, body = call(one.user, "patch", "/api/v1/rider/availability", {"online": True, "lat": 12.5, "lng": 77.25})
    assert (status, body["success"], body["message"]) == (200, True, "Availability updated successfully")
    assert (body["data"]["online"], body["data"]["name"], body["data"]["maxConcurrentOrders"]) == (True, "Ravi", 3)
    assert positions.find_spot(one.pk).point == (12.5, 77.25)
    status, again = call(one.user, "get", "/api/v1/rider/me")
    assert (status, again["data"]) == (200, body["data"])
    assert body["data"]["lastSeenAt"].endswith("Z")
    status, body = call(one.user, "patch", "/api/v1/rider/availability", {"online": False})
    assert (status, body["data"]["online"], body["data"]["lastSeenAt"]) == (200, False, None)


# spec: R9, W7
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "online"),
        ({"online": "perhaps"}, "online"),
        ({"online": True, "lat": 91, "lng": 0}, "lat"),
        ({"online": True, "lat": 0, "lng": -180.1}, "lng"),
        ({"online": True, "lat": 12.5}, "lng"),
        ({"online": True, "lat": "12.5", "lng": 77}, "lat"),
        ({"online": True, "lat": True, "lng": 77}, "lat"),
        ({"online": True, "lat": 10**400, "lng": 77}, "lat"),
        ([], ""),
        ('"online"', ""),
        (None, ""),
    ],
)
@pytest.mark.django_db
def test_bad_availability_is_refused_naming_the_field(body: Any, field: str):
    status, answer = call(rider(online=False).user, "patch", "/api/v1/rider/availability", body)
    assert (status, answer["success"], answer["errorCode"]) == (400, False, "VALIDATION_ERROR")
    assert field in answer["message"]
    assert not Rider.objects.get().is_online


# spec: W7
@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b'{"online": NaN}', b'{"online": "\\u0000"}', b"[" * 5_000])
@pytest.mark.django_db
def test_bodies_that_are_no_json_are_400(raw: bytes):
    one = rider(online=False)
    client = Client(headers={"Authorization": f"Bearer {issue_tokens(one.user)['access']}"})
    for method, path in PATHS:
        if method != "get":
            reply = getattr(client, method)(path, data=raw, content_type="application/json")
            assert (reply.status_code, reply.json()["success"]) == (400, False)


# spec: S1
@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.django_db
def test_riders_only(method: str, path: str):
    assert call(None, method, path)[0] == 401
    for role in set(Role) - {Role.RIDER}:
        status, body = call(User.objects.create_user(f"a {role}", role=role), method, path)
        assert (status, body["success"], body["errorCode"]) == (403, False, "FORBIDDEN")
    nobody = User.objects.create_user("profileless", role=Role.RIDER)
    status, body = call(nobody, method, path, {"online": True, "token": "t", "code": "c"} if method != "get" else None)
    if path != "/api/v1/rider/referral/top":
        assert (status, body["errorCode"]) == (403, "NOT_A_RIDER")


@pytest.mark.django_db
def test_a_device_is_registered_and_given_up_by_its_owner_only():
    one, other = rider(), rider()
    path, device = "/api/v1/rider/push-token", {"token": "device-1", "platform": "ios"}
    assert call(one.user, "post", path, device)[0] == 200
    assert call(other.user, "delete", path, device)[0] == 200
    row = PushToken.objects.get()
    assert (row.recipient_id, row.platform, row.retired_at) == (one.recipient_id, "ios", None)
    assert call(one.user, "delete", path, device)[0] == 200
    row.refresh_from_db()
    assert row.retired_at is not None
    for bad in ({}, {"token": ""}, {"token": "x" * 301}, {"token": "a\tb\u0007"}, {"token": "t", "platform": "fax"}):
        assert call(one.user, "post", path, bad)[0] == 400


# spec: R9
@pytest.mark.django_db
def test_referral_codes_over_http():
    referrer, new = rider("Asha"), applicant("Ravi")
    status, body = call(referrer.user, "get", "/api/v1/rider/referral")
    assert (status, body["data"]["bonusPaise"], body["data"]["referred"]) == (200, 50_000, [])
    code = body["data"]["code"]
    assert call(new.user, "post", "/api/v1/rider/referral", {"code": code})[0] == 200
    assert Referral.objects.get().referrer == referrer
    (line,) = call(referrer.user, "get", "/api/v1/rider/referral")[1]["data"]["referred"]
    assert (line["name"], line["deliveries"], line["deliveriesNeeded"], line["earnedAt"]) == ("Ravi", 0, 20, None)
    assert call(referrer.user, "get", "/api/v1/rider/referral/top")[1]["data"] == [
        {"rank": 1, "name": "Asha", "referred": 1, "earned": 0}
    ]
    status, body = call(rider().user, "post", "/api/v1/rider/referral", {"code": code})
    assert (status, body["errorCode"]) == (409, "REFERRAL_TOO_LATE")
    for bad in (
        {},
        {"code": ""},
        {"code": "NOBODY22"},
        {"code": "x" * 99},
        {"code": referrals.ensure_referral_code(new.pk)},
    ):
        assert call(new.user, "post", "/api/v1/rider/referral", bad)[0] == 400


@pytest.mark.django_db
def test_a_position_far_away_at_going_online_is_believed():
    one = rider(at=CENTRE, online=False)
    body = {"online": True, "lat": -33.9, "lng": 151.2}
    assert call(one.user, "patch", "/api/v1/rider/availability", body)[0] == 200
    assert positions.find_spot(one.pk).point == (-33.9, 151.2)
