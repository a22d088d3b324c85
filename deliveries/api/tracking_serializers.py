"""What the tracking API reads and shows (SPEC T1, O4): the contract's OrderTracking, with times and amounts."""

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from deliveries.api.position_serializer import ConfirmedPositionSerializer
from deliveries.tracking.ratings import LONGEST_COMMENT, MOST_STARS
from foundation.api.fields import AmountField, BooleanField, IntegerField, MomentField, NumberField, TextField
from orders.lifecycle import TRACKING_WORDS, OrderStatus, PaymentState, SubstitutionPreference, SubstitutionStatus
from orders.line_items import LineState
from orders.models import Substitution
from orders.place_order import OrderCustomer, OrderRequest, RequestedItem
from orders.substitutions import MAX_REASON, ProposedSubstitution, SubstitutionDecision
from riders.api.fields import latitude_field, longitude_field

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
    timestamp = MomentField(help_text="When it happened.")
    recorded_at = MomentField(help_text="When we learned it.")
    by = serializers.CharField()
    reason = serializers.CharField()


class DriverDetails(Serializer):
    name = serializers.CharField()
    phone = serializers.CharField(help_text="Empty once the delivery has ended.")
    vehicle = serializers.CharField()
    assigned_at = MomentField(allow_null=True)
    picked_up_at = MomentField(allow_null=True)


class GeoLocation(Serializer):
    latitude = serializers.FloatField(source="point.lat")
    longitude = serializers.FloatField(source="point.lng")
    recorded_at = MomentField()


class ItemNow(Serializer):
    """A line as it stands; one that is left out as it was before that. `position` names it in proposals."""

    position = serializers.IntegerField(source="item.position")
    id = serializers.CharField(source="external_id", help_text="The storefront's; of a replacement, the store's.")
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    price_minor = serializers.IntegerField(help_text="For one piece.")
    state = serializers.ChoiceField(choices=[str(state) for state in LineState])


class Replacement(Serializer):
    id = serializers.CharField(source="external_id")
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    price_minor = serializers.IntegerField(help_text="For one piece.")


class ReplacedItem(Replacement):
    position = serializers.IntegerField(source="item.position")


class ItemSubstitution(Serializer):
    """What the store proposes for an item, and what came of it. Refused: the item is left out."""

    substitution_id = serializers.CharField(source="row.public_id")
    item = ReplacedItem(help_text="As it was before.")
    replacement = Replacement(allow_null=True, help_text="null: there is none, the item is left out.")
    reason = serializers.CharField(source="row.reason")
    status = serializers.ChoiceField(choices=SubstitutionStatus.choices, source="row.status")
    proposed_at = MomentField(source="row.created_at")
    decide_by = MomentField(source="row.decide_by", help_text="Then the standing preference decides.")
    decided_at = MomentField(source="row.decided_at", allow_null=True)
    decided_by = serializers.CharField(help_text="What kind of party, never who.")
    how = serializers.ChoiceField(choices=Substitution.How.choices, source="row.how", allow_blank=True)


class OrderTracking(Serializer):
    """The contract's shape. `public_id` is our own id of the order; `version` counts up with all that happens to it."""

    order_id = serializers.CharField(source="order.order_id")
    public_id = serializers.CharField(source="order.public_id")
    store_id = serializers.CharField(source="order.store.slug")
    customer_id = serializers.CharField(source="order.customer.external_id")
    current_status = serializers.ChoiceField(choices=WORDS)
    delivery_provider = serializers.CharField(source="carrier_name")
    status_history = OrderStatusUpdate(many=True, source="history")
    driver_details = DriverDetails(source="driver_view", allow_null=True)
    driver_location = GeoLocation(source="last_fix", allow_null=True, help_text="Only while the order is on its way.")
    items = ItemNow(many=True)
    substitutions = ItemSubstitution(many=True)
    substitution_preference = serializers.ChoiceField(
        choices=SubstitutionPreference.choices, source="order.substitution_preference"
    )
    metadata = serializers.DictField()
    payment_status = serializers.ChoiceField(choices=PaymentState.choices, source="order.payment")
    cancel_reason = serializers.CharField(source="order.cancel_reason")
    currency = serializers.CharField(source="order.currency")
    authorised_minor = serializers.IntegerField(
        source="order.authorised_minor", help_text="What the customer agreed to pay, and is charged."
    )
    total_minor = serializers.IntegerField(
        source="order.total_minor", help_text="What it costs by now; what is less is refunded."
    )
    refunded_minor = serializers.IntegerField(source="order.refunded_minor")
    promised_at = MomentField(source="order.promised_at", allow_null=True)
    eta = MomentField(source="arrival_at", allow_null=True)
    tracking_url = serializers.CharField(
        allow_null=True, help_text="The customer's page, for the storefront and ops; null once its time is over."
    )
    created_at = MomentField(source="order.created_at")
    version = serializers.IntegerField(source="order.version")


class PlacedOrder(OrderTracking):
    client_secret = serializers.CharField(
        source="order.client_secret", help_text="What the customer's browser pays with."
    )


# ── read ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class CustomerBody(Serializer):
    id = TextField(max_length=ID_LENGTH)
    name = TextField(max_length=120, required=False, allow_blank=True, default="")
    email = serializers.EmailField(required=False, allow_blank=True, default="", max_length=254)
    phone = TextField(max_length=20, required=False, allow_blank=True, default="")
    language = TextField(max_length=8, required=False, default="en")


class ItemBody(Serializer):
    id = TextField(max_length=64, required=False, allow_blank=True, default="")
    name = TextField(max_length=200)
    quantity = IntegerField(min_value=1, max_value=MOST_PIECES)
    price_minor = AmountField(help_text="For one piece.")
    instructions = TextField(max_length=300, required=False, allow_blank=True, default="")


class AddressBody(Serializer):
    """Without coordinates the order is refused: it cannot be delivered."""

    label = TextField(max_length=60, required=False, allow_blank=True, default="")  # type: ignore[assignment]
    address = TextField(max_length=500)
    latitude = latitude_field(required=False, allow_null=True, default=None)
    longitude = longitude_field(required=False, allow_null=True, default=None)
    landmark = TextField(max_length=200, required=False, allow_blank=True, default="")


class PreferencesBody(Serializer):
    contact_free = BooleanField(required=False, default=False)
    call_before_arriving = BooleanField(required=False, default=False)
    entrance = TextField(max_length=200, required=False, allow_blank=True, default="")


class PlacementBody(Serializer):
    order_id = TextField(max_length=ID_LENGTH, help_text="The storefront's: A-Z, a-z, 0-9, _ and -.")
    store_id = TextField(max_length=60)
    customer = CustomerBody()
    items = serializers.ListField(child=ItemBody(), min_length=1, max_length=MOST_ITEMS)
    address = AddressBody()
    currency = TextField(min_length=3, max_length=3)
    tax_minor = AmountField(required=False, default=0)
    tip_minor = AmountField(required=False, default=0)
    delivery_fee_minor = AmountField(required=False, default=0)
    total_minor = AmountField(required=False, allow_null=True, default=None, help_text="Checked against the parts.")
    instructions = TextField(max_length=500, required=False, allow_blank=True, default="")
    delivery_preferences = PreferencesBody(required=False, default=dict)
    delivery_provider = serializers.ChoiceField(choices=PROVIDERS, required=False, allow_blank=True, default="")
    substitution_preference = serializers.ChoiceField(
        choices=SubstitutionPreference.choices,
        required=False,
        default=SubstitutionPreference.REFUSE,
        help_text="What a customer who does not answer in time wants done about a missing item.",
    )
    promised_at = MomentField(required=False, allow_null=True, default=None)
    payment_intent_id = TextField(max_length=80, required=False, allow_null=True, default=None)
    metadata = serializers.DictField(required=False, default=dict)

    def validate_metadata(self, value: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(value)) > MOST_METADATA:
            raise serializers.ValidationError(f"must not be larger than {MOST_METADATA} characters of JSON")
        return value

    def order_request(self) -> OrderRequest:
        """The validated body as orders.place_order wants it."""
        body = dict(self.validated_data)
        customer = body.pop("customer")
        items = tuple(RequestedItem(external_id=item.pop("id"), **item) for item in map(dict, body.pop("items")))
        return OrderRequest(
            store=body.pop("store_id"),
            buyer=OrderCustomer(external_id=customer["id"], **{key: customer[key] for key in customer if key != "id"}),
            items=items,
            address={key: value for key, value in body.pop("address").items() if value not in ("", None)},
            provider_preference=body.pop("delivery_provider"),
            delivery_preferences=dict(body.pop("delivery_preferences")),
            **body,
        )


class RiderClaim(ConfirmedPositionSerializer):
    """Where the rider is who confirms on the spot."""

    time_field = "recorded_at"

    recorded_at = MomentField(required=False, allow_null=True, help_text="When the phone took the position.")


class StatusBody(RiderClaim):
    """`lat`, `lng`, `accuracy` and `recorded_at` are the rider's, where the status is confirmed on the spot."""

    status = serializers.ChoiceField(choices=SETTABLE)
    reason = TextField(max_length=300, required=False, allow_blank=True, default="")


class AcknowledgeBody(Serializer):
    prep_minutes = IntegerField(min_value=1, max_value=MOST_PREP_MINUTES, required=False, allow_null=True, default=None)


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}]})
class ItemName(serializers.Field):
    """An item by its position (a number) or the storefront's id of it (text)."""

    default_error_messages = {"invalid": "Must be an item's position or its id."}

    def to_internal_value(self, data: Any) -> int | str:
        if isinstance(data, bool) or not isinstance(data, int | str):
            self.fail("invalid")
        return data


class ReplacementBody(Serializer):
    id = TextField(max_length=64, required=False, allow_blank=True, default="")
    name = TextField(max_length=200)
    quantity = IntegerField(min_value=1, max_value=MOST_PIECES)
    price_minor = AmountField(help_text="For one piece.")


class ProposalBody(Serializer):
    item = ItemName(help_text="Its position, or the storefront's id of it.")
    replacement = ReplacementBody(allow_null=True, help_text="null: there is none, the item is left out.")
    reason = TextField(max_length=MAX_REASON, required=False, allow_blank=True, default="")


class DecisionBody(Serializer):
    substitution_id = TextField(max_length=40)
    accepted = BooleanField(help_text="false: leave the item out.")


class SubstitutionsBody(Serializer):
    """Either of the two: what the store proposes, or what the customer has decided."""

    proposals = serializers.ListField(child=ProposalBody(), min_length=1, max_length=MOST_ITEMS, required=False)
    decisions = serializers.ListField(child=DecisionBody(), min_length=1, max_length=MOST_ITEMS, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Send either proposals or decisions")
        return attrs

    def list_proposals(self) -> list[ProposedSubstitution]:
        return [_build_proposal(dict(one)) for one in self.validated_data.get("proposals", ())]

    def list_decisions(self) -> list[SubstitutionDecision]:
        return [SubstitutionDecision(**one) for one in self.validated_data.get("decisions", ())]


def _build_proposal(said: dict[str, Any]) -> ProposedSubstitution:
    wanted = said["replacement"]
    replacement = None if wanted is None else RequestedItem(external_id=wanted.pop("id"), **wanted)
    return ProposedSubstitution(item=said["item"], replacement=replacement, reason=said["reason"])


class DriverBody(Serializer):
    """Ops names another rider by `driver_id`; a rider says how they travel and can be called today."""

    driver_id = serializers.UUIDField(required=False, format="hex_verbose")
    phone = TextField(max_length=20, required=False, allow_blank=True)
    vehicle = TextField(max_length=60, required=False, allow_blank=True)


class LocationBody(Serializer):
    lat = latitude_field()
    lng = longitude_field()
    accuracy = NumberField(min_value=0, max_value=1_000_000, required=False, allow_null=True, default=None)
    recorded_at = MomentField(required=False, allow_null=True, default=None)


class RatingBody(Serializer):
    stars = IntegerField(min_value=1, max_value=MOST_STARS)
    comment = TextField(max_length=LONGEST_COMMENT, required=False, allow_blank=True, default="")


class RatingShown(Serializer):
    """What was kept."""

    order_id = serializers.CharField(source="delivery.order.order_id")
    attempt = serializers.IntegerField(source="delivery.attempt")
    stars = serializers.IntegerField()
    comment = serializers.CharField()
    created_at = MomentField()


class DeliveredBody(RiderClaim):
    """`reason` is required of ops, who were not there."""

    reason = TextField(max_length=300, required=False, allow_blank=True, default="")
