# ruff: noqa: N815 - the contract's names are camelCase; each is said here once, and `source` leads to ours
"""What the riders' API reads and shows: the contract's names and shapes (SPEC 7). `…Paise` are minor units."""

from typing import Any

from rest_framework import serializers

from deliveries.api.position_serializer import ConfirmedPositionSerializer
from deliveries.lifecycle import RIDER_WORDS, DeliveryStatus
from foundation.api.fields import MomentField, NumberField, TextField
from riders.api.fields import latitude_field, longitude_field

WORDS = sorted(RIDER_WORDS.values())
MAX_REASON = 200
MAX_POINTS = 500


class ResponseSerializer(serializers.Serializer):
    """A body we send. `left_out`: fields that are not there while they are empty, as in the contract's example (an
    open offer has no `deliveryAcceptedAt`)."""

    left_out: tuple[str, ...] = ()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown = super().to_representation(instance)
        return {name: value for name, value in shown.items() if value is not None or name not in self.left_out}


class RiderStep(ResponseSerializer):
    """Where an order stands with its rider: what accept and status answer."""

    left_out = ("deliveryAcceptedAt", "offerExpiresAt", "pickedUpAt", "outForDeliveryAt", "deliveredAt")

    id = serializers.CharField(source="order.public_id")
    deliveryStatus = serializers.ChoiceField(choices=WORDS, source="status_text")
    assignedAt = MomentField(source="assigned_at")
    deliveryAcceptedAt = MomentField(source="accepted_at", required=False)
    offerExpiresAt = MomentField(source="offer.expires_at", required=False, default=None)
    pickedUpAt = MomentField(source="delivery.picked_up_at", required=False)
    outForDeliveryAt = MomentField(source="delivery.in_transit_at", required=False)
    deliveredAt = MomentField(source="delivered_at", required=False)


class AddressSnapshot(ResponseSerializer):
    """As the storefront gave it when the order was placed."""

    left_out = ("label", "address", "latitude", "longitude", "landmark")

    label = serializers.CharField(required=False, default=None)  # type: ignore[assignment]
    address = serializers.CharField(required=False, default=None)
    latitude = serializers.FloatField(required=False, default=None)
    longitude = serializers.FloatField(required=False, default=None)
    landmark = serializers.CharField(required=False, default=None)


class RiderOrder(RiderStep):
    """One element of the list."""

    chefId = serializers.CharField(source="order.store.slug")
    chefName = serializers.CharField(source="order.store.name")
    customerId = serializers.CharField(source="order.customer.external_id")
    customerName = serializers.CharField(source="order.customer_name")
    customerPhone = serializers.CharField(source="order.customer_phone")
    addressSnapshot = AddressSnapshot(source="order.address_snapshot")
    totalPaise = serializers.IntegerField(source="order.total_minor")
    deliveryFeePaise = serializers.IntegerField(source="delivery.fee_minor")
    currency = serializers.CharField(source="order.currency")
    itemCount = serializers.IntegerField(source="item_count")
    instructions = serializers.CharField(source="order.instructions")
    createdAt = MomentField(source="order.created_at")


class RiderOrderItem(serializers.Serializer):
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    pricePaise = serializers.IntegerField(source="price_minor")
    instructions = serializers.CharField()


class CustomerDetails(serializers.Serializer):
    id = serializers.CharField(source="customer.external_id")
    name = serializers.CharField(source="customer_name")
    phone = serializers.CharField(source="customer_phone")
    avatarUrl = serializers.SerializerMethodField()

    def get_avatarUrl(self, order: Any) -> str | None:  # noqa: N802 - follows the field's name
        """Storefronts give us no pictures of people."""
        return None


class PickupAddress(serializers.Serializer):
    name = serializers.CharField()
    address = serializers.CharField()
    latitude = serializers.FloatField()
    longitude = serializers.FloatField()


class TimelineEntry(serializers.Serializer):
    event = serializers.CharField()
    at = MomentField()


class RiderOrderDetail(RiderOrder):
    """What a rider needs to fetch an order and bring it: whom, what, where, how, by when."""

    items = RiderOrderItem(many=True)
    customerDetails = CustomerDetails(source="order")
    pickupAddress = PickupAddress(source="order.store")
    distanceMeters = serializers.IntegerField(source="delivery.distance_m", allow_null=True)
    deliveryPreferences = serializers.DictField(source="order.delivery_preferences")
    eta = MomentField(source="arrival_at")
    timeline = TimelineEntry(many=True)


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────
_STEPS = (DeliveryStatus.ASSIGNED, DeliveryStatus.PICKED_UP, DeliveryStatus.IN_TRANSIT, DeliveryStatus.DELIVERED)
STEPS = {RIDER_WORDS[status]: status for status in _STEPS}
STEP_WORDS = list(STEPS)


class RiderStepWished(ConfirmedPositionSerializer):
    time_field = "recordedAt"

    status = serializers.ChoiceField(choices=STEP_WORDS)
    recordedAt = MomentField(source="recorded_at", required=False, allow_null=True, help_text="When the phone took it.")


class OfferRejection(serializers.Serializer):
    reason = TextField(max_length=MAX_REASON, required=False, allow_blank=True, allow_null=True, default="")


class RiderPoint(serializers.Serializer):
    """Without `recordedAt` the position is of now."""

    lat = latitude_field()
    lng = longitude_field()
    accuracy = NumberField(min_value=0, max_value=1_000_000, required=False, allow_null=True, default=None)
    recordedAt = MomentField(required=False, allow_null=True, default=None)


class RiderPoints(serializers.Serializer):
    """Each point is read by itself, so that one bad point does not cost the others (the phone keeps sending a batch
    until it is answered 2xx)."""

    points = serializers.ListField(child=serializers.JSONField(allow_null=True), min_length=1, max_length=MAX_POINTS)


class RiderPointTaken(serializers.Serializer):
    index = serializers.IntegerField()
    accepted = serializers.BooleanField()
    result = serializers.CharField(
        help_text="accepted, old, duplicate, future, impossible, or invalid (then `reason` names the field)"
    )
    reason = serializers.CharField(allow_null=True)
