"""`GET /api/v1/rider/me`, `PATCH /api/v1/rider/availability`, `POST|DELETE /api/v1/rider/push-token` (SPEC R9, N4)."""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from foundation import clock
from notifications.contacts import recipients
from notifications.models import PushToken
from riders import availability, positions
from riders.api.envelope import EmptyData, RiderView, envelope_schema, read_body, success_response
from riders.api.fields import PositionSerializer
from riders.lifecycle import RiderStatus
from riders.models import Rider

PROFILE = inline_serializer(
    "Profile",
    {
        "id": serializers.UUIDField(),
        "name": serializers.CharField(),
        "phone": serializers.CharField(),
        "vehicle": serializers.CharField(),
        "standing": serializers.ChoiceField(choices=RiderStatus.choices),
        "suspendedReason": serializers.CharField(allow_null=True),
        "online": serializers.BooleanField(),
        "lastSeenAt": serializers.CharField(allow_null=True),
        "activeDeliveries": serializers.IntegerField(),
        "openOffers": serializers.IntegerField(),
        "maxConcurrentOrders": serializers.IntegerField(),
        "referralCode": serializers.CharField(allow_null=True),
    },
)


class AvailabilitySerializer(PositionSerializer):
    online = serializers.BooleanField()


class PushTokenSerializer(serializers.Serializer):
    token = serializers.CharField(max_length=recipients.TOKEN_LENGTH)
    platform = serializers.ChoiceField(choices=["android", "ios", "web"], required=False, default="android")


def profile_body(rider: Rider) -> dict[str, Any]:
    spot = positions.find_spot(rider.pk)
    return {
        "id": str(rider.public_id),
        "name": rider.name,
        "phone": rider.phone,
        "vehicle": rider.vehicle,
        "standing": rider.standing,
        "suspendedReason": rider.suspended_reason or None,
        "online": rider.is_online,
        "lastSeenAt": clock.format_wire(spot.recorded_at) if spot else None,
        "activeDeliveries": rider.active_deliveries,
        "openOffers": rider.open_offers,
        "maxConcurrentOrders": rider.max_concurrent,
        "referralCode": rider.referral_code,
    }


class ProfileView(RiderView):
    @extend_schema(responses=envelope_schema("Profile", PROFILE), operation_id="rider_me", tags=["riders"])
    def get(self, request: Request) -> Response:
        """Who is signed in, and what is under way."""
        return success_response("Rider profile retrieved successfully", profile_body(self.rider))


class AvailabilityView(RiderView):
    @extend_schema(
        request=AvailabilitySerializer,
        responses=envelope_schema("Availability", PROFILE),
        operation_id="rider_availability",
        tags=["riders"],
    )
    def patch(self, request: Request) -> Response:
        """Go online (with a position, so that offers come at once) or offline."""
        availability_data = read_body(AvailabilitySerializer, request.data)
        rider = availability.set_online(
            self.rider.pk, availability_data["online"], availability_data["position"], by=self.request_cause
        )
        return success_response("Availability updated successfully", profile_body(rider))


class PushTokenView(RiderView):
    @extend_schema(
        request=PushTokenSerializer,
        responses=envelope_schema("PushToken", EmptyData()),
        operation_id="rider_push_token",
        tags=["riders"],
    )
    def post(self, request: Request) -> Response:
        """Push to this device from now on, and only to its latest registrant."""
        device = read_body(PushTokenSerializer, request.data)
        recipients.register_token(self.rider.recipient, device["token"], device["platform"])
        return success_response("Push token registered successfully")

    @extend_schema(
        request=PushTokenSerializer,
        responses={200: envelope_schema("PushTokenRetired", EmptyData())},
        operation_id="rider_push_token_retire",
        tags=["riders"],
    )
    def delete(self, request: Request) -> Response:
        """Push to this device no more; a device that is somebody else's by now is left alone."""
        device = read_body(PushTokenSerializer, request.data)
        if PushToken.objects.filter(token=device["token"], recipient=self.rider.recipient_id).exists():
            recipients.retire_token(device["token"], "signed out")
        return success_response("Push token removed successfully")
