"""Fields that several rider endpoints read."""

from typing import Any

from rest_framework import serializers

from foundation.geo import Point


class DegreesField(serializers.FloatField):
    """A number of degrees within its range, and a number: no string or boolean that looks like one, no NaN, and no
    integer that is too long for a float."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float) or not abs(data) <= 360:
            raise serializers.ValidationError("A number of degrees is required.", code="invalid")
        return super().to_internal_value(data)


def latitude_field(**options: Any) -> DegreesField:
    return DegreesField(min_value=-90, max_value=90, **options)


def longitude_field(**options: Any) -> DegreesField:
    return DegreesField(min_value=-180, max_value=180, **options)


class PositionSerializer(serializers.Serializer):
    """`lat` and `lng`, together or not at all; the position is then `validated["position"]` (None: not given)."""

    lat = latitude_field(required=False, allow_null=True)
    lng = longitude_field(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        lat, lng = attrs.pop("lat", None), attrs.pop("lng", None)
        if (lat is None) != (lng is None):
            missing = "lat" if lat is None else "lng"
            raise serializers.ValidationError({missing: "lat and lng come together."})
        return {**attrs, "position": None if lat is None or lng is None else Point(lat, lng)}
