"""`POST /api/v1/rider/location` (SPEC R7): one position or many, answered with a result per point."""

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api.rider_serializers import RiderPoint, RiderPoints, RiderPointTaken
from deliveries.fulfilment import location_reports
from foundation import clock, geo
from foundation.api.errors import first_message
from riders.api.envelope import RiderView, envelope_schema, read_body, success_response
from riders.positions import FixOutcome, FixResult, PositionFix

MESSAGE = "Location updated successfully"
POINT = RiderPoint()  # one for all points: making a serializer takes five times as long as reading with it


class LocationView(RiderView):
    @extend_schema(
        request=PolymorphicProxySerializer("RiderLocation", [RiderPoint, RiderPoints], resource_type_field_name=None),
        responses=envelope_schema("RiderLocation", RiderPointTaken(many=True)),
        operation_id="rider_location",
        tags=["riders"],
    )
    def post(self, request: Request) -> Response:
        """Where the rider is, or was: `{lat, lng}` or `{points: [...]}` (a bare list will do).

        A batch is answered 200 even where some of its points are no good, so that the phone can forget them all.
        Positions are kept only while a delivery is under way.
        """
        points = read_points(request.data)
        results = location_reports.take_report(
            self.rider, [point for point in points if isinstance(point, PositionFix)]
        )
        return success_response(MESSAGE, describe_results(points, results))


def describe_results(points: Sequence[PositionFix | str], results: Sequence[FixResult]) -> list[dict[str, Any]]:
    """The answer's `data`: what became of each point that was sent. `results` are those of the ones that could be
    read."""
    verdicts = iter(results)
    return [
        {"index": index, "accepted": False, "result": "invalid", "reason": point}
        if isinstance(point, str)
        else {"index": index, **_told_of(next(verdicts).outcome)}
        for index, point in enumerate(points)
    ]


def _told_of(verdict: FixOutcome) -> dict[str, Any]:
    return {"accepted": verdict == FixOutcome.ACCEPTED, "result": str(verdict), "reason": None}


def read_points(body: Any) -> list[PositionFix | str]:
    """The points of a body; in a batch a bad one is what is wrong with it. Raises ValidationError for the rest."""
    if isinstance(body, list):
        body = {"points": body}
    if not isinstance(body, dict) or "points" not in body:
        return [_read_fix(body)]
    return [_read_one(point) for point in read_body(RiderPoints, body)["points"]]


def _read_one(body: Any) -> PositionFix | str:
    try:
        return _read_fix(body)
    except ValidationError as error:
        return first_message(error.detail)


def _read_fix(body: Any) -> PositionFix:
    try:
        point = POINT.run_validation(body)
    except ValidationError:
        point = read_body(RiderPoint, body)  # says what is wrong with it, as everywhere
    return PositionFix(geo.Point(point["lat"], point["lng"]), point["recordedAt"] or clock.now(), point["accuracy"])
