"""Positions the usual way, and what no way can beat, on Handoff's settings without middleware.

`application`: a view that knows the user by the database, reads a serializer, and saves the spot and a track point for
each delivery that is carried; it judges nothing. `empty`: a WSGI function that reads the body and answers.
"""

import os
from collections.abc import Iterable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.peers.settings_of_position_views")

import django

django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402  (after the setup)
from django.urls import path  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from deliveries.api.rider_serializers import RiderPoint  # noqa: E402
from deliveries.lifecycle import CARRIED  # noqa: E402
from deliveries.models import Delivery, Track  # noqa: E402
from foundation import geo  # noqa: E402
from riders.models import Rider, RiderSpot  # noqa: E402

ANSWER = b'{"success":true}'


class SavingView(APIView):
    def post(self, request: Request) -> Response:
        point = RiderPoint(data=request.data)
        point.is_valid(raise_exception=True)
        seen = point.validated_data
        rider = Rider.objects.get(user=request.user)
        spot = RiderSpot.objects.get(rider=rider)
        spot.latitude, spot.longitude, spot.accuracy_m = seen["lat"], seen["lng"], seen["accuracy"]
        spot.spot, spot.seen_at = geo.project_mercator(geo.Point(seen["lat"], seen["lng"])), seen["recordedAt"]
        spot.save()
        for delivery in Delivery.objects.filter(rider=rider, status__in=CARRIED):
            Track.objects.create(
                rider=rider,
                delivery=delivery,
                latitude=seen["lat"],
                longitude=seen["lng"],
                accuracy_m=seen["accuracy"],
                recorded_at=seen["recordedAt"],
            )
        return Response({"success": True})


def empty(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))])
    return [ANSWER]


urlpatterns = [path("api/v1/rider/location", SavingView.as_view())]
application = get_wsgi_application()
