"""`/notifications/…`: preferences, devices and WhatsApp in the contract's words; acknowledging a push (SPEC N1, N3).

Customers, riders and store staff speak for themselves (store staff for their store). A storefront speaks for a customer
of its own, named by `customer_id`, in the query or the body. Every endpoint answers with the preferences as they are.
"""

from functools import cache
from typing import Any, TypeVar

from django.conf import settings
from django.utils.module_loading import import_string
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from foundation.api.fields import TextField
from foundation.api.permissions import require_roles
from foundation.errors import Invalid
from foundation.models import Role
from notifications.channels import CHANNELS
from notifications.contacts import recipients
from notifications.models import PushToken, Recipient
from notifications.outbox import delivery_reports, preferences

TAGS = ["notifications"]
CUSTOMER_ID = OpenApiParameter("customer_id", str, description="For storefronts: whose. May stand in the body instead.")
Body = TypeVar("Body", bound=serializers.Serializer)


class WhoseBody(serializers.Serializer):
    customer_id = TextField(max_length=64, required=False, help_text="For storefronts: whose.")


class PreferenceBody(WhoseBody):
    """What is left out stays as it is. An address that is null or empty is forgotten."""

    channels = serializers.ListField(
        child=serializers.ChoiceField(choices=list(CHANNELS)), required=False, max_length=20, help_text="In order."
    )
    email = serializers.EmailField(required=False, allow_null=True, allow_blank=True, max_length=254)
    phone = TextField(required=False, allow_null=True, allow_blank=True, max_length=30, help_text="With country code.")


class DeviceBody(WhoseBody):
    token = TextField(max_length=recipients.TOKEN_LENGTH)
    platform = serializers.ChoiceField(choices=["android", "ios", "web"], required=False, default="android")


class UnregisterBody(WhoseBody):
    token = TextField(max_length=recipients.TOKEN_LENGTH)


class NotificationPreference(serializers.Serializer):
    """The contract's shape. `channels` are those by which the person would hear now: none of a retired address."""

    customer_id = serializers.CharField()
    channels = serializers.ListField(child=serializers.CharField())
    email = serializers.CharField(allow_null=True)
    phone = serializers.CharField(allow_null=True)
    push_tokens = serializers.ListField(child=serializers.CharField())
    whatsapp_opted_in = serializers.BooleanField()


@cache
def _recipient_of() -> Any:
    """Who stands behind a user is known to rooms above: ops and config names the function (settings.RECIPIENT_OF)."""
    return import_string(settings.RECIPIENT_OF)


class PreferenceView(APIView):
    permission_classes = (require_roles(Role.CUSTOMER, Role.RIDER, Role.STORE_STAFF, Role.STOREFRONT),)

    @property
    def actor_name(self) -> str:
        return f"user:{self.request.user.pk}"

    def read_body(self, kind: type[Body]) -> dict[str, Any]:
        body = kind(data=self.request.data)
        body.is_valid(raise_exception=True)
        return body.validated_data

    def find_recipient(self, body: dict[str, Any] | None = None) -> Recipient:
        """The recipient who is meant. Raises Invalid, Forbidden, NotFound."""
        said = {*self.request.query_params.getlist("customer_id"), (body or {}).get("customer_id", "")} - {""}
        if len(said) > 1:
            raise Invalid("different ones are named", field="customer_id")
        recipient, self.known_as = _recipient_of()(self.request.user, said.pop() if said else "")
        return recipient

    def preference_response(self, recipient: Recipient) -> Response:
        fresh = Recipient.objects.get(pk=recipient.pk)
        return Response({"customer_id": self.known_as, **preferences.preferences_body(fresh)})


class PreferencesView(PreferenceView):
    @extend_schema(
        responses=NotificationPreference, parameters=[CUSTOMER_ID], operation_id="notification_preferences", tags=TAGS
    )
    def get(self, request: Request) -> Response:
        """By which channels the person hears, and at which addresses."""
        return self.preference_response(self.find_recipient())

    @extend_schema(
        request=PreferenceBody,
        responses=NotificationPreference,
        parameters=[CUSTOMER_ID],
        operation_id="notification_preferences_change",
        tags=TAGS,
    )
    def put(self, request: Request) -> Response:
        """Change them. No channel at all: only what is about money and orders under way is told from now on.

        A channel that is listed again brings an address back that had bounced or was unsubscribed.
        """
        body = self.read_body(PreferenceBody)
        recipient = self.find_recipient(body)
        body.pop("customer_id", None)
        preferences.change_preferences(recipient, self.actor_name, **body)
        return self.preference_response(recipient)


class RegisterTokenView(PreferenceView):
    @extend_schema(
        request=DeviceBody,
        responses=NotificationPreference,
        parameters=[CUSTOMER_ID],
        operation_id="push_token_register",
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Push to this device from now on, and only to its latest registrant."""
        body = self.read_body(DeviceBody)
        recipient = self.find_recipient(body)
        recipients.register_token(recipient, body["token"], body["platform"])
        return self.preference_response(recipient)


class UnregisterTokenView(PreferenceView):
    @extend_schema(
        request=UnregisterBody,
        responses={200: NotificationPreference},
        parameters=[CUSTOMER_ID],
        operation_id="push_token_unregister",
        tags=TAGS,
    )
    def delete(self, request: Request) -> Response:
        """Push to this device no more; a device that is somebody else's by now is left alone."""
        body = self.read_body(UnregisterBody)
        recipient = self.find_recipient(body)
        if PushToken.objects.filter(token=body["token"], recipient=recipient).exists():
            recipients.retire_token(body["token"], "signed out")
        return self.preference_response(recipient)


class AcknowledgeView(PreferenceView):
    @extend_schema(
        request=None,
        parameters=[CUSTOMER_ID],
        responses=inline_serializer("Acknowledged", {"acknowledged": serializers.BooleanField()}),
        operation_id="notification_acknowledge",
        tags=TAGS,
    )
    def post(self, request: Request, message_id: str) -> Response:
        """The app showed this push (`messageId` of its data), so no other channel needs to tell it."""
        delivery_reports.acknowledge_message(self.find_recipient(), message_id)
        return Response({"acknowledged": True})


class WhatsAppOptInView(PreferenceView):
    @extend_schema(
        request=WhoseBody,
        responses=NotificationPreference,
        parameters=[CUSTOMER_ID],
        operation_id="whatsapp_opt_in",
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """The person wants to be written to by WhatsApp, at their phone number."""
        recipient = self.find_recipient(self.read_body(WhoseBody))
        recipients.opt_in_to_whatsapp(recipient, self.actor_name)
        return self.preference_response(recipient)


class WhatsAppOptOutView(PreferenceView):
    @extend_schema(
        request=WhoseBody,
        responses=NotificationPreference,
        parameters=[CUSTOMER_ID],
        operation_id="whatsapp_opt_out",
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """No more WhatsApp."""
        recipient = self.find_recipient(self.read_body(WhoseBody))
        recipients.opt_out_of_whatsapp(recipient, "opted out")
        return self.preference_response(recipient)
