"""How a confirmation says where the rider is (SPEC R4): `lat`, `lng` and, if the phone knows them, how accurate that is
and when it was taken. Both APIs that riders confirm through read it here."""

from typing import Any, ClassVar

from rest_framework import serializers

from deliveries.positions import geofence
from foundation import clock
from foundation.api.fields import NumberField
from riders.api.fields import PositionSerializer
from riders.positions import PositionFix

WORST_ACCURACY_M = 1_000_000


class ConfirmedPositionSerializer(PositionSerializer):
    """The position is then `validated["claim"]`, a Seen (None: not given). Without a time it is of now.

    Wants a field of the name `time_field`, with the source `recorded_at`.
    """

    time_field: ClassVar[str]

    accuracy = NumberField(
        min_value=0, max_value=WORST_ACCURACY_M, required=False, allow_null=True, help_text="Metres."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        position, accuracy_m = attrs.pop("position"), attrs.pop("accuracy", None)
        recorded_at = attrs.pop("recorded_at", None)
        if position is None:
            if accuracy_m is not None or recorded_at is not None:
                raise serializers.ValidationError({"lat": "An accuracy or a time tells of a position: where is it?"})
            return {**attrs, "claim": None}
        now = clock.now()
        if recorded_at is not None and (wrong := geofence.not_of_now(recorded_at, now=now)):
            raise serializers.ValidationError({self.time_field: f"This {wrong}."})
        return {**attrs, "claim": PositionFix(position, recorded_at or now, accuracy_m)}
