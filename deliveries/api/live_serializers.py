"""What the live addresses show (SPEC T2): a store's orders at work, and where a socket is."""

from typing import Any

from rest_framework import serializers

from deliveries.api.tracking_serializers import WORDS, Serializer
from foundation.api.fields import MomentField
from orders.lifecycle import TRACKING_WORDS


class StatusWord(serializers.ChoiceField):
    """The status as callers know it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=WORDS, **kwargs)

    def to_representation(self, value: str) -> str:
        return TRACKING_WORDS[value]


class StoreOrder(Serializer):
    """One line of a store's list; all about the order is at `/orders/tracking/{public_id}`."""

    order_id = serializers.CharField()
    public_id = serializers.CharField()
    current_status = StatusWord(source="status")
    version = serializers.IntegerField()
    undecided_substitutions = serializers.IntegerField(help_text="Replacements that wait for the customer's word.")
    promised_at = MomentField(allow_null=True)
    eta = MomentField(source="eta_at", allow_null=True, help_text="As it was last worked out.")
    created_at = MomentField()


class StoreOrdersShown(Serializer):
    """Paid and not over, the most urgent first; `truncated`: there are more than these."""

    store_id = serializers.CharField(source="store.slug")
    orders = StoreOrder(many=True)
    truncated = serializers.BooleanField()


class SocketTicket(Serializer):
    url = serializers.CharField(help_text="Where the socket is; good for opening it until `expires_in` is over.")
    expires_in = serializers.IntegerField(help_text="Seconds.")
