"""What the tracking API reads and shows (SPEC T1, O4): the contract's OrderTracking, with times and amounts."""

import json
from typing import Any

from rest_framework import serializers

from deliveries.api.claims import ClaimSerializer
from deliveries.ratings import LONGEST_COMMENT, MOST_STARS
from foundation.api.fields import Amount, Flag, Moment, Number, Text, Whole
from orders.lifecycle import TRACKING_WORDS, OrderStatus, PaymentState
from orders.placing import Buyer, Item, Placement
from riders.api.fields import latitude, longitude

WORDS = sorted(set(TRACKING_WORDS.values()))
STATUSES = {word: OrderStatus(status) for status, word in TRACKING_WORDS.items() if word != "SUBMITTED"}
SETTABLE = sorted(STATUSES)
ID_LENGTH = 64
MOST_ITEMS = 200
MOST_PIECES = 10_000
MOST_METADATA = 10_000
MOST_PREP_MINUTES = 24 * 60
PROVIDERS = ("in_house", "cooco", "uber", "doordash")

Serializer = serializers.Serializer


# ── shown ────────────────────────────────────────────────────────────────────────────────────────────────────────
class OrderStatusUpdate(Serializer):
    status = serializers.ChoiceField(choices=WORDS)
    timestamp = Moment(help_text="When it happened.")
    recorded_at = Moment(help_text="When we learned it.")
    by = serializers.CharField()
    reason = serializers.CharField()


class DriverDetails(Serializer):
    name = serializers.CharField()
    phone = serializers.CharField(help_text="Empty once the delivery has ended.")
    vehicle = serializers.CharField()
    assigned_at = Moment(allow_null=True)
    picked_up_at = Moment(allow_null=True)


class GeoLocation(Serializer):
    latitude = serializers.FloatField(source="point.lat")
    longitude = serializers.FloatField(source="point.lng")
    recorded_at = Moment()


class OrderTracking(Serializer):
    """The contract's shape. `public_id` is our own id of the order; `version` counts up with all that happens to it."""

    order_id = serializers.CharField(source="order.order_id")
    public_id = serializers.CharField(source="order.public_id")
    store_id = serializers.CharField(source="order.store.slug")
    customer_id = serializers.CharField(source="order.customer.external_id")
    current_status = serializers.ChoiceField(choices=WORDS)
    delivery_provider = serializers.CharField(source="provider")
    status_history = OrderStatusUpdate(many=True, source="history")
    driver_details = DriverDetails(source="driver", allow_null=True)
    driver_location = GeoLocation(source="seen", allow_null=True, help_text="Only while the order is on its way.")
    substitutions = serializers.ListField(child=serializers.DictField())
    metadata = serializers.DictField()
    payment_status = serializers.ChoiceField(choices=PaymentState.choices, source="order.payment")
    cancel_reason = serializers.CharField(source="order.cancel_reason")
    currency = serializers.CharField(source="order.currency")
    total_minor = serializers.IntegerField(source="order.total_minor")
    refunded_minor = serializers.IntegerField(source="order.refunded_minor")
    promised_at = Moment(source="order.promised_at", allow_null=True)
    eta = Moment(source="arrival_at", allow_null=True)
    tracking_url = serializers.CharField(
        allow_null=True, help_text="The customer's page, for the storefront and ops; null once its time is over."
    )
    created_at = Moment(source="order.created_at")
    version = serializers.IntegerField(source="order.version")


class PlacedOrder(OrderTracking):
    client_secret = serializers.CharField(
        source="order.client_secret", help_text="What the customer's browser pays with."
    )


# ── read ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class CustomerBody(Serializer):
    id = Text(max_length=ID_LENGTH)
    name = Text(max_length=120, required=False, allow_blank=True, default="")
    email = serializers.EmailField(required=False, allow_blank=True, default="", max_length=254)
    phone = Text(max_length=20, required=False, allow_blank=True, default="")
    language = Text(max_length=8, required=False, default="en")


class ItemBody(Serializer):
    id = Text(max_length=64, required=False, allow_blank=True, default="")
    name = Text(max_length=200)
    quantity = Whole(min_value=1, max_value=MOST_PIECES)
    price_minor = Amount(help_text="For one piece.")
    instructions = Text(max_length=300, required=False, allow_blank=True, default="")


class AddressBody(Serializer):
    """Without coordinates the order is refused: it cannot be delivered."""

    label = Text(max_length=60, required=False, allow_blank=True, default="")  # type: ignore[assignment]
    address = Text(max_length=500)
    latitude = latitude(required=False, allow_null=True, default=None)
    longitude = longitude(required=False, allow_null=True, default=None)
    landmark = Text(max_length=200, required=False, allow_blank=True, default="")


class PreferencesBody(Serializer):
    contact_free = Flag(required=False, default=False)
    call_before_arriving = Flag(required=False, default=False)
    entrance = Text(max_length=200, required=False, allow_blank=True, default="")


class PlacementBody(Serializer):
    order_id = Text(max_length=ID_LENGTH, help_text="The storefront's: A-Z, a-z, 0-9, _ and -.")
    store_id = Text(max_length=60)
    customer = CustomerBody()
    items = serializers.ListField(child=ItemBody(), min_length=1, max_length=MOST_ITEMS)
    address = AddressBody()
    currency = Text(min_length=3, max_length=3)
    tax_minor = Amount(required=False, default=0)
    tip_minor = Amount(required=False, default=0)
    delivery_fee_minor = Amount(required=False, default=0)
    total_minor = Amount(required=False, allow_null=True, default=None, help_text="Checked against the parts.")
    instructions = Text(max_length=500, required=False, allow_blank=True, default="")
    delivery_preferences = PreferencesBody(required=False, default=dict)
    delivery_provider = serializers.ChoiceField(choices=PROVIDERS, required=False, allow_blank=True, default="")
    promised_at = Moment(required=False, allow_null=True, default=None)
    payment_intent_id = Text(max_length=80, required=False, allow_null=True, default=None)
    metadata = serializers.DictField(required=False, default=dict)

    def validate_metadata(self, value: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(value)) > MOST_METADATA:
            raise serializers.ValidationError(f"must not be larger than {MOST_METADATA} characters of JSON")
        return value

    def placement(self) -> Placement:
        """The validated body as orders.placing wants it."""
        body = dict(self.validated_data)
        customer = body.pop("customer")
        items = tuple(Item(external_id=item.pop("id"), **item) for item in map(dict, body.pop("items")))
        return Placement(
            store=body.pop("store_id"),
            buyer=Buyer(external_id=customer["id"], **{key: customer[key] for key in customer if key != "id"}),
            items=items,
            address={key: value for key, value in body.pop("address").items() if value not in ("", None)},
            provider_preference=body.pop("delivery_provider"),
            delivery_preferences=dict(body.pop("delivery_preferences")),
            **body,
        )


class RiderClaim(ClaimSerializer):
    """Where the rider is who confirms on the spot."""

    time_field = "recorded_at"

    recorded_at = Moment(required=False, allow_null=True, help_text="When the phone took the position.")


class StatusBody(RiderClaim):
    """`lat`, `lng`, `accuracy` and `recorded_at` are the rider's, where the status is confirmed on the spot."""

    status = serializers.ChoiceField(choices=SETTABLE)
    reason = Text(max_length=300, required=False, allow_blank=True, default="")


class AcknowledgeBody(Serializer):
    prep_minutes = Whole(min_value=1, max_value=MOST_PREP_MINUTES, required=False, allow_null=True, default=None)


class DriverBody(Serializer):
    """Ops names another rider by `driver_id`; a rider says how they travel and can be called today."""

    driver_id = serializers.UUIDField(required=False, format="hex_verbose")
    phone = Text(max_length=20, required=False, allow_blank=True)
    vehicle = Text(max_length=60, required=False, allow_blank=True)


class LocationBody(Serializer):
    lat = latitude()
    lng = longitude()
    accuracy = Number(min_value=0, max_value=1_000_000, required=False, allow_null=True, default=None)
    recorded_at = Moment(required=False, allow_null=True, default=None)


class RatingBody(Serializer):
    stars = Whole(min_value=1, max_value=MOST_STARS)
    comment = Text(max_length=LONGEST_COMMENT, required=False, allow_blank=True, default="")


class RatingShown(Serializer):
    """What was kept."""

    order_id = serializers.CharField(source="delivery.order.order_id")
    attempt = serializers.IntegerField(source="delivery.attempt")
    stars = serializers.IntegerField()
    comment = serializers.CharField()
    created_at = Moment()


class DeliveredBody(RiderClaim):
    """`reason` is required of ops, who were not there."""

    reason = Text(max_length=300, required=False, allow_blank=True, default="")
