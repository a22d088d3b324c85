"""The riders' API family: `{success, message, data}`, and the view every endpoint of it starts from (SPEC 7)."""

from typing import Any, TypeVar

from django.utils.functional import cached_property
from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from foundation.api.permissions import require_roles
from foundation.events import Cause
from foundation.models import Role
from riders import locks
from riders.models import Rider

Data = TypeVar("Data", bound=serializers.Serializer)


@extend_schema_field({"type": "null"})
class EmptyData(serializers.Field):
    """`data` of an answer that has nothing to say, for the schema."""


def success_response(message: str, data: Any = None, *, status: int = 200, **beside: Any) -> Response:
    """`beside` travels next to `data` (say, a cursor)."""
    return Response(success_body(message, data, **beside), status=status)


def success_body(message: str, data: Any = None, **beside: Any) -> dict[str, Any]:
    return {"success": True, "message": message, "data": data, **beside}


def envelope_schema(name: str, data: Any) -> Any:
    """The envelope around `data`, for the schema."""
    fields = {"success": serializers.BooleanField(), "message": serializers.CharField(), "data": data}
    return inline_serializer(f"{name}Envelope", fields)


def read_body(kind: type[Data], body: Any) -> dict[str, Any]:
    """The body as `kind` validates it. Raises ValidationError naming the first field that is wrong."""
    serializer = kind(data=body)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


class RiderView(APIView):
    """An endpoint for riders only; `self.rider` is the one who asks, `self.request_cause` the cause of what they do."""

    error_family = "rider"
    permission_classes = (require_roles(Role.RIDER),)

    @cached_property
    def rider(self) -> Rider:
        return locks.rider_of_user(self.request.user)

    @property
    def request_cause(self) -> Cause:
        return Cause(f"rider:{self.rider.pk}", "api")
