"""The position lane: `POST /api/v1/rider/location` answered in front of Django where all is as it should be (SPEC R7).

Phones report every ten seconds; Django's request, middleware and authentication cost more than all there is to do. The
lane reads the body with the view's own reader, knows the rider by the token's signature, and writes down together what
arrives together. It refuses nobody: what is not plainly good, and whoever is left out of a group, goes on to Django,
whose view (rider_location.py) says the same in the good case and what is wrong in any other.
"""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import structlog
from django.db import OperationalError, connection
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer

from deliveries.api.rider_location import MESSAGE, describe_results, read_points
from deliveries.fulfilment import location_reports
from deliveries.fulfilment.location_reports import LocationReport
from foundation.api import authentication
from foundation.api.parsers import MAX_BYTES, UnreadableBody, strict_json
from foundation.group_commit import GroupCommit
from riders.api.envelope import success_body
from riders.positions import PositionFix

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
PATH = "/api/v1/rider/location"
MOST = 100  # reports that share a transaction
PATIENCE_S = 10.0  # groups wait for no lock: whoever waits this long is better off alone
log = structlog.get_logger(__name__)


class LocationFastLane:
    """A WSGI application around Django's."""

    def __init__(self, django_application: Application) -> None:
        self._django = django_application
        self._group = GroupCommit(location_reports.take_together, max_items=MOST, timeout_s=PATIENCE_S)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH or not _is_plain(environ):
            return self._django(environ, start_response)
        raw = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        body = self._answer_report(environ, raw)
        if body is None:
            return self._django({**environ, "wsgi.input": BytesIO(raw)}, start_response)
        length = ("Content-Length", str(len(body)))
        start_response("200 OK", [("Content-Type", "application/json"), length, ("X-Content-Type-Options", "nosniff")])
        return [body]

    def _answer_report(self, environ: dict[str, Any], raw: bytes) -> bytes | None:
        """The body of a 200, once all is committed. None: for Django to say."""
        user = authentication.read_token_subject(environ.get("HTTP_AUTHORIZATION", ""))
        if user is None:
            return None
        try:
            points = read_points(strict_json(raw))
            taken = self._group.submit_item(
                LocationReport(user, [point for point in points if isinstance(point, PositionFix)])
            )
            if taken is None:
                return None
            location_reports.follow_up(taken)
            return JSONRenderer().render(success_body(MESSAGE, describe_results(points, taken.results)))
        except (UnreadableBody, ValidationError, OperationalError):
            return None
        except Exception:  # the plain way tries it again, and says what is wrong
            log.exception("location_lane_failed")
            return None
        finally:
            if not connection.in_atomic_block:
                connection.close()


def _is_plain(environ: dict[str, Any]) -> bool:
    """A request that cannot be meant in any other way."""
    announced, accept = str(environ.get("CONTENT_LENGTH") or ""), str(environ.get("HTTP_ACCEPT") or "*/*")
    return (
        environ["REQUEST_METHOD"] == "POST"
        and not environ.get("QUERY_STRING")
        and str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower() == "application/json"
        and ";" not in accept
        and not {"*/*", "application/json"}.isdisjoint(part.strip() for part in accept.split(","))
        and announced.isascii()
        and announced.isdigit()
        and len(announced) < len(str(MAX_BYTES))
    )
