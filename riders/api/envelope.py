"""The riders' API family: `{success, message, data}`, and the view every endpoint of it starts from (SPEC 7)."""

from typing import Any, TypeVar

from django.utils.functional import cached_property
from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from foundation.api.permissions import roles
from foundation.events import Cause
from foundation.models import Role
from riders import rows
from riders.models import Rider

Data = TypeVar("Data", bound=serializers.Serializer)


@extend_schema_field({"type": "null"})
class Nothing(serializers.Field):
    """`data` of an answer that has nothing to say, for the schema."""


def answer(message: str, data: Any = None, *, status: int = 200, **beside: Any) -> Response:
    """`beside` travels next to `data` (say, a cursor)."""
    return Response(said(message, data, **beside), status=status)


def said(message: str, data: Any = None, **beside: Any) -> dict[str, Any]:
    return {"success": True, "message": message, "data": data, **beside}


def envelope(name: str, data: Any) -> Any:
    """The envelope around `data`, for the schema."""
    fields = {"success": serializers.BooleanField(), "message": serializers.CharField(), "data": data}
    return inline_serializer(f"{name}Envelope", fields)


def read(kind: type[Data], body: Any) -> dict[str, Any]:
    """The body as `kind` validates it. Raises ValidationError naming the first field that is wrong."""
    serializer = kind(data=body)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


class RiderView(APIView):
    """An endpoint for riders only; `self.rider` is the one who asks, `self.by` the cause of what they do."""

    error_family = "rider"
    permission_classes = (roles(Role.RIDER),)

    @cached_property
    def rider(self) -> Rider:
        return rows.of(self.request.user)

    @property
    def by(self) -> Cause:
        return Cause(f"rider:{self.rider.pk}", "api")
