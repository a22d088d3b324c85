"""How a job moves: by hand, or by itself at the company's pace. One scheduled action is the next step of each job."""

import json
from typing import Any

from sandbox.engine import runtime
from sandbox.engine.store import Transaction, json_field
from sandbox.fleet import behaviour, eta, jobs
from sandbox.fleet.jobs import Job
from sandbox.fleet.rules import CourierRules
from sandbox.fleet.stages import ENDS, FOLLOWING, ORDER, Stage

PATIENCE_S = 600.0  # how long a company looks for a driver before it gives a job up
CLOSEST_REPORTS_S = 1.0  # in real time, however fast the pace: a fast day must not drown who listens
WITHOUT_DRIVER = (Stage.WAITING, Stage.CANCELLED, Stage.FAILED)


def begin_job(tx: Transaction, company: CourierRules, job: Job, stage: Stage = Stage.WAITING) -> None:
    job["stage"] = stage
    job["history"].append({"stage": stage, "at": tx.now})
    jobs.save(tx, company.name, job)
    plan_next(tx, company, job)


def move_job(tx: Transaction, company: CourierRules, job: Job, to: Stage, reason: str = "") -> None:
    """The job is there now, and whoever is to hear of it does. The caller has made sure that it may go there."""
    before = Stage(job["stage"])
    if job["driver"] is None and to not in WITHOUT_DRIVER:
        jobs.hire_driver(job)
    if to in (Stage.FAILED, Stage.CANCELLED, Stage.RETURNING, Stage.RETURNED):
        job["reason"] = reason or job["reason"] or _reason_for(company, job, before, to)
    job["stage"] = to
    job["history"].append({"stage": to, "at": tx.now})
    jobs.save(tx, company.name, job)
    company.tell_change(tx, job, before)
    plan_next(tx, company, job)


def plan_next(tx: Transaction, company: CourierRules, job: Job) -> None:
    """Schedule what comes next; what was scheduled before is forgotten."""
    dispatcher, pace = runtime.current_runtime().dispatcher, behaviour.load_pace(tx, company.name)
    dispatcher.cancel_actions(tx, company.name, job["id"])
    if not jobs.is_live(job):
        return
    if pace["by_itself"]:
        due_at = next(iter(eta.expected_times(job, pace["speed"], tx.now).values()))
        if job["stage"] == Stage.WAITING and behaviour.load_behaviour(tx, company.name)["no_couriers"]:
            due_at = max(tx.now, job["created"] + PATIENCE_S / pace["speed"])
        payload = {"job": job["id"], "stage": job["stage"]}
        dispatcher.schedule_action(tx, company.name, "step", subject=job["id"], payload=payload, due_at=due_at)
    if company.is_reporting(job, by_itself=pace["by_itself"]):
        every_s = max(CLOSEST_REPORTS_S, company.report_every_s / pace["speed"])
        due_at = max(tx.now, job.setdefault("reported_at", tx.now) + every_s)
        jobs.save(tx, company.name, job)
        dispatcher.schedule_action(
            tx, company.name, "report", subject=job["id"], payload={"job": job["id"]}, due_at=due_at
        )


def take_step(tx: Transaction, company: CourierRules, payload: dict[str, Any]) -> None:
    """The action: one step further, or the end that fate and the company's behaviour have in store."""
    job = jobs.get(tx, company.name, payload["job"])
    if job is not None and job["stage"] == payload["stage"] and jobs.is_live(job):
        move_job(tx, company, job, _next_stage(tx, company, job))


def report_position(tx: Transaction, company: CourierRules, payload: dict[str, Any]) -> None:
    """The action: say where the driver is, and when to say so again."""
    job = jobs.get(tx, company.name, payload["job"])
    if job is not None and jobs.is_live(job):
        job["reported_at"] = tx.now
        company.report_position(tx, job)
        plan_next(tx, company, job)


def replan_jobs(tx: Transaction, company: CourierRules) -> None:
    """After a change of pace or behaviour: everybody on the road goes by the new one."""
    unfinished = f"{json_field('stage')} NOT IN (SELECT value FROM json_each(?))"  # noqa: S608
    for job in tx.find_documents(
        jobs.document_kind(company.name), clauses=[(unfinished, json.dumps(sorted(ENDS)))], limit=100_000
    ):
        plan_next(tx, company, job)


def _next_stage(tx: Transaction, company: CourierRules, job: Job) -> Stage:
    to, how = FOLLOWING[Stage(job["stage"])], behaviour.load_behaviour(tx, company.name)
    if job.get("trip_back"):
        return to
    if to is Stage.ASSIGNED and how["no_couriers"]:
        return Stage.CANCELLED
    if to is Stage.PICKED_UP and behaviour.does_happen(how["cancel"], company.name, job["number"], "cancel"):
        return Stage.CANCELLED
    if to is Stage.DELIVERED and behaviour.does_happen(how["fail"], company.name, job["number"], "fail"):
        return company.stage_undelivered(job)
    return to


def _reason_for(company: CourierRules, job: Job, before: Stage, to: Stage) -> str:
    if before is Stage.WAITING:
        return company.nobody
    return company.absent if to is not Stage.CANCELLED or ORDER[before] >= ORDER[Stage.PICKED_UP] else company.gave_up
