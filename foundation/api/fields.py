"""Serializer fields that take what they say and nothing else (SPEC W7).

DRF's own are generous: `true` is a number to it, `12` a text, `"12.5"` a latitude. A caller who sends such things has a
mistake in his program and is better told.
"""

import math
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers

from foundation import clock


class TextField(serializers.CharField):
    """A JSON string without NUL. Numbers are not taken for text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class IntegerField(serializers.IntegerField):
    """A JSON integer: no text, no `1.0`, no `true`. Give it a `max_value`: the database has one."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class AmountField(IntegerField):
    """Money in minor units, zero or more."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": 10**12, **kwargs})


class NumberField(serializers.FloatField):
    """A finite JSON number: no text, no `true`, no 400-digit integer."""

    def to_internal_value(self, data: Any) -> float:
        if not isinstance(data, int | float) or isinstance(data, bool):
            self.fail("invalid")
        try:
            value = float(data)
        except OverflowError:
            self.fail("invalid")
        if not math.isfinite(value):
            self.fail("invalid")
        return value


class BooleanField(serializers.BooleanField):
    """JSON's true or false, not "yes", 1 or "off"."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class MomentField(serializers.DateTimeField):
    """ISO 8601 text that names its offset (`Z`), of a time that can be meant; goes out in UTC with three decimals."""

    default_error_messages = {
        "invalid": "Must be an ISO 8601 time with its offset, as 2026-02-22T10:30:00.000Z.",
        "implausible": "Must be a time between the year 2020 and 400 days from now.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                self.fail("invalid")
            moment = moment.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            self.fail("invalid")
        if not clock.is_plausible(moment):
            self.fail("implausible")
        return moment

    def to_representation(self, value: datetime | None) -> str | None:  # type: ignore[override]
        return clock.format_wire(value)
