"""Column types that Django lacks and every room may use."""

from typing import Any

from django.db import models


def max_length(model: type[models.Model], field: str) -> int:
    """How many characters a text column takes. Raises FieldDoesNotExist, and TypeError for one without a limit."""
    longest = getattr(model._meta.get_field(field), "max_length", None)
    if longest is None:
        raise TypeError(f"{model._meta.label}.{field} has no limit")
    return int(longest)


class PlanePoint(models.Field):
    """PostgreSQL's native `point`, as an (x, y) tuple: nearest neighbours by GiST and `<->`, without any extension."""

    description = "A point on a plane (x, y)"

    def db_type(self, connection: Any) -> str:
        return "point"

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> tuple[float, float] | None:
        if value is None:
            return None
        x, y = value.strip("()").split(",")
        return float(x), float(y)

    def get_prep_value(self, value: tuple[float, float] | None) -> str | None:
        return None if value is None else f"({float(value[0])!r},{float(value[1])!r})"
