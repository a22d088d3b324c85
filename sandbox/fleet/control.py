"""The control calls every courier company has, at /_control/<company>/: jobs, moves by hand, pace, behaviour."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest

from sandbox.engine import runtime
from sandbox.engine.control import MOST_ROWS, body_of, control_view
from sandbox.engine.http import BadRequest, query_number
from sandbox.engine.provider import Route
from sandbox.engine.store import Transaction
from sandbox.fleet import behaviour as fleet_behaviour
from sandbox.fleet import geocoding, jobs, timeline
from sandbox.fleet.jobs import Job
from sandbox.fleet.rules import CourierRules
from sandbox.fleet.stages import Stage, may_follow


class FleetControl:
    def __init__(self, company: CourierRules) -> None:
        self._company = company

    def list_routes(self) -> Iterable[Route]:
        return (
            Route("GET", "jobs", control_view(self.list_jobs)),
            Route("POST", "jobs/<str:job_id>/move", control_view(self.move_job)),
            Route("POST", "pace", control_view(self.set_pace)),
            Route("POST", "behaviour", control_view(self.set_behaviour)),
            Route("POST", "webhooks", control_view(self.drop_webhooks)),
            Route("POST", "places", control_view(self.learn_place)),
            Route("POST", "quotes/expire", control_view(self.expire_quotes)),
        )

    def list_jobs(self, request: HttpRequest) -> dict[str, Any]:
        """?external_id=&limit= ; newest first."""
        wanted = {"external_id": request.GET["external_id"]} if request.GET.get("external_id") else {}
        limit = min(int(query_number(request, "limit", 500)), MOST_ROWS)
        with runtime.current_runtime().store.transaction() as tx:
            found = tx.find_documents(jobs.document_kind(self._company.name), wanted, limit=limit)
            return {"jobs": [self._job_shown(tx, job) for job in found]}

    def move_job(self, request: HttpRequest, job_id: str) -> dict[str, Any]:
        """{"to": one of the company's own words, "reason"?}. The job is known by its own id or by ours."""
        body = body_of(request)
        company, word = self._company, str(body.get("to", ""))
        to = company.stage_of(word)
        if to is None:
            raise BadRequest("to", f"one of {', '.join(dict.fromkeys([*company.words.values(), *company.more_words]))}")
        with runtime.current_runtime().store.transaction() as tx:
            job = jobs.get(tx, company.name, job_id) or jobs.by_external_id(tx, company.name, job_id)
            if job is None:
                raise BadRequest("id", "no such job")
            if not may_follow(Stage(job["stage"]), to):
                raise BadRequest("to", f"a job that is {company.status_word(job)} does not become {word}")
            timeline.move_job(tx, company, job, to, str(body.get("reason") or ""))
            return self._job_shown(tx, job)

    def set_pace(self, request: HttpRequest) -> dict[str, Any]:
        """{"speed"?, "by_itself"?}"""
        with runtime.current_runtime().store.transaction() as tx:
            pace = fleet_behaviour.set_pace(tx, self._company.name, body_of(request))
            timeline.replan_jobs(tx, self._company)
        return pace

    def set_behaviour(self, request: HttpRequest) -> dict[str, Any]:
        """Any part of `behaviour.BEHAVIOUR`."""
        with runtime.current_runtime().store.transaction() as tx:
            behaviour = fleet_behaviour.set_behaviour(tx, self._company.name, body_of(request))
            timeline.replan_jobs(tx, self._company)
        return behaviour

    def drop_webhooks(self, request: HttpRequest) -> dict[str, Any]:
        """{"drop": share}: a short word for that part of the behaviour."""
        with runtime.current_runtime().store.transaction() as tx:
            return fleet_behaviour.set_behaviour(
                tx, self._company.name, {"drop_webhooks": body_of(request).get("drop")}
            )

    def learn_place(self, request: HttpRequest) -> dict[str, Any]:
        """{"address", "lat", "lng"}: where an address is, for companies that are only told addresses."""
        body = body_of(request)
        place = geocoding.read_point(body.get("lat"), body.get("lng"))
        if place is None:
            raise BadRequest("lat", "lat and lng must be degrees")
        with runtime.current_runtime().store.transaction() as tx:
            return geocoding.locate_address(tx, str(body.get("address", "")), place)

    def expire_quotes(self, request: HttpRequest) -> dict[str, Any]:
        """All that were given until now, "<company>.quote" with `expires_at`."""
        with runtime.current_runtime().store.transaction() as tx:
            ended = tx.sql.execute(
                "UPDATE documents SET body = json_set(body, '$.expires_at', 0) WHERE kind = ?",
                (f"{self._company.name}.quote",),
            ).rowcount
        return {"expired": ended}

    def _job_shown(self, tx: Transaction, job: Job) -> dict[str, Any]:
        return {
            "id": job["id"],
            "external_id": job["external_id"],
            "status": self._company.status_word(job),
            "live": jobs.is_live(job),
            "stage": job["stage"],
            "reason": job["reason"],
            "driver": job["driver"]["name"] if job["driver"] else None,
            "position": self._company.driver_position(tx, job),
            "distance_m": job["distance_m"],
            "times_created": job["times_created"],
            "notices": job["notices"],
            "created_at": jobs.format_iso(job["created"]),
            "history": [{"stage": past["stage"], "at": jobs.format_iso(past["at"])} for past in job["history"]],
        }
