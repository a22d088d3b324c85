"""Error bodies: each family of APIs says what is wrong in its own shape, and nothing ends as a bare 500."""

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions, serializers
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from foundation.api import errors
from foundation.errors import (
    Conflict,
    Forbidden,
    IllegalMove,
    Invalid,
    NotEnabled,
    NotFound,
    Permanent,
    Transient,
    Unknown,
)


class Fails(APIView):
    permission_classes = ()
    error: Exception = Invalid("no")
    error_family = "tracking"

    def post(self, request):
        raise self.error


def answer(error: Exception, family: str = "tracking"):
    view = Fails.as_view(error=error, error_family=family)
    return view(APIRequestFactory().post("/orders/tracking/init", {}, format="json"))


CASES = [
    (Invalid("must be a number", field="lat"), 400, "VALIDATION_ERROR", "lat: must be a number"),
    (Invalid("lat is missing", field="lat"), 400, "VALIDATION_ERROR", "lat is missing"),
    (Invalid("far away", code="FAKE_PICKUP_DETECTED"), 400, "FAKE_PICKUP_DETECTED", "far away"),
    (IllegalMove("from a to b"), 400, "INVALID_STATUS_TRANSITION", "from a to b"),
    (Forbidden("This order is not assigned to you"), 403, "FORBIDDEN", "This order is not assigned to you"),
    (NotFound("No such order"), 404, "NOT_FOUND", "No such order"),
    (Conflict("too late"), 409, "CONFLICT", "too late"),
    (NotEnabled("Stripe is not configured"), 503, "NOT_ENABLED", "Stripe is not configured"),
    (exceptions.NotAuthenticated("who are you"), 401, "NOT_AUTHENTICATED", "who are you"),
    (exceptions.MethodNotAllowed("PUT"), 405, "METHOD_NOT_ALLOWED", 'Method "PUT" not allowed.'),
    (exceptions.Throttled(wait=3), 429, "TOO_MANY_REQUESTS", "Request was throttled. Expected available in 3 seconds."),
    (Http404(), 404, "NOT_FOUND", "Not found"),
    (PermissionDenied(), 403, "FORBIDDEN", "You may not do this"),
    (OperationalError("server closed the connection"), 503, "UNAVAILABLE", "Please try again in a moment"),
    *(
        (kind("secret details"), 502, "PROVIDER_FAILED", "A provider did not answer as needed; please try again")
        for kind in (Permanent, Transient, Unknown)
    ),
]


# spec: T1
@pytest.mark.parametrize(("error", "status", "code", "message"), CASES)
def test_the_tracking_family(error, status, code, message):
    said = answer(error)
    assert said.status_code == status
    assert said.data.pop("timestamp").endswith("Z")
    assert said.data == {"detail": message, "code": code, "path": "/orders/tracking/init"}


# spec: R4
@pytest.mark.parametrize(("error", "status", "code", "message"), CASES)
def test_the_riders_family(error, status, code, message):
    said = answer(error, "rider")
    assert said.status_code == status
    assert said.data == {"success": False, "message": message, "errorCode": code}


def test_headers_that_clients_need():
    assert answer(exceptions.NotAuthenticated()).headers["WWW-Authenticate"] == "Bearer"
    assert answer(OperationalError()).headers["Retry-After"] == "1"


class ItemSerializer(serializers.Serializer):
    price = serializers.IntegerField()


class OrderSerializer(serializers.Serializer):
    order_id = serializers.RegexField(r"^[\w-]{1,64}$")
    items = ItemSerializer(many=True)


# spec: W7
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"items": []}, "order_id: This field is required."),
        ({"order_id": "a b", "items": []}, "order_id: This value does not match the required pattern."),
        ({"order_id": "a", "items": [{"price": 1}, {"price": "x"}]}, "items[1].price: A valid integer is required."),
        ({"order_id": "a", "items": {}}, 'items: Expected a list of items but got type "dict".'),
        ([], "Invalid data. Expected a dictionary, but got list."),
    ],
)
def test_the_first_complaint_names_its_field(data, message):
    form = OrderSerializer(data=data)
    assert not form.is_valid()
    assert errors.first_message(form.errors) == message


def test_what_is_nobodys_fault_but_ours_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        answer(ZeroDivisionError())


# spec: W7
@pytest.mark.parametrize(("path", "family"), [("/nowhere", "detail"), ("/api/v1/rider/nowhere", "message")])
def test_an_unknown_address_is_answered_as_its_neighbours_are(client, path, family):
    for one in (path, f"{path}/"):
        answer = client.post(one, {}, content_type="application/json")
        assert answer.status_code == 404
        assert answer.json()[family] == "There is nothing at this address"


def test_the_last_resorts_have_bodies_that_can_be_parsed(rf):
    assert errors.server_error(rf.get("/api/v1/rider/me")).status_code == 500
    assert errors.bad_request(rf.get("/x")).status_code == 400
