"""A courier company as a provider: what each of them must say for itself, and what all of them do alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, cast

from sandbox.engine import runtime
from sandbox.engine.provider import Action, Panel, Provider, Route
from sandbox.engine.store import Transaction
from sandbox.fleet import behaviour, eta, jobs, timeline
from sandbox.fleet.control import FleetControl
from sandbox.fleet.geocoding import Point
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage

PANEL_ROWS = 20


def running_company(name: str) -> CourierCompany:
    """The company of that name in this process."""
    return cast(CourierCompany, runtime.current_runtime().providers[name])


class CourierCompany(Provider):
    """`words` are its own status words by stage; stages that share a word are one to its customers. `more_words` are
    others that `move` takes. `nobody`, `gave_up` and `absent` are its reasons for a job without a courier, for one it
    dropped before pickup, and for a customer who is not there.
    """

    signs_webhooks = True
    words: ClassVar[Mapping[Stage, str]]
    more_words: ClassVar[Mapping[str, Stage]] = {}
    nobody: ClassVar[str]
    gave_up: ClassVar[str]
    absent: ClassVar[str]
    report_every_s: ClassVar[float] = 0.0
    retry_after_s: ClassVar[Sequence[float]]  # what is waited after each failed try of a webhook

    # --- what each company says for itself ---

    def tell_change(self, tx: Transaction, job: Job, before: Stage) -> None:
        """Send what its customers hear of a job that moved here from `before`."""
        raise NotImplementedError

    def report_position(self, tx: Transaction, job: Job) -> None:
        """Send where the driver is."""

    def is_reporting(self, job: Job, *, by_itself: bool) -> bool:
        """Whether such reports are sent at this point of the job."""
        return False

    def stage_undelivered(self, job: Job) -> Stage:
        """Where a job goes whose customer is not there."""
        return Stage.FAILED

    def company_routes(self) -> Iterable[Route]:
        """Control calls that only this company has."""
        return ()

    # --- what all of them do alike ---

    def status_word(self, job: Job) -> str:
        return self.words[Stage(job["stage"])]

    def stage_of(self, word: str) -> Stage | None:
        """The first stage that one of its words stands for."""
        return self.more_words.get(word) or next((stage for stage, own in self.words.items() if own == word), None)

    def driver_position(self, tx: Transaction, job: Job) -> Point | None:
        return eta.expected_position(job, behaviour.load_pace(tx, self.name)["speed"], tx.now)

    def expected_times(self, tx: Transaction, job: Job) -> dict[Stage, float]:
        """When it expects to be where, in Unix seconds."""
        return eta.expected_times(job, behaviour.load_pace(tx, self.name)["speed"], tx.now)

    def send_webhook(self, tx: Transaction, job: Job, topic: str, body: str, url: str = "") -> None:
        """A webhook about this job, to Handoff's webhook endpoint where no `url` is given."""
        job["notices"] += 1
        jobs.save(tx, self.name, job)
        now = runtime.current_runtime()
        share = behaviour.load_behaviour(tx, self.name)["drop_webhooks"]
        now.dispatcher.send_webhook(
            tx,
            self.name,
            topic=topic,
            url=url or f"{now.handoff_url}/webhooks/{self.name}",
            body=body,
            reference=job["id"],
            lost=behaviour.does_happen(share, self.name, job["number"], "notice", job["notices"]),
        )

    def control_routes(self) -> Iterable[Route]:
        return (*FleetControl(self).list_routes(), *self.company_routes())

    def list_actions(self) -> Mapping[str, Action]:
        return {
            "step": lambda tx, payload: timeline.take_step(tx, self, payload),
            "report": lambda tx, payload: timeline.report_position(tx, self, payload),
        }

    def retry_delay_s(self, tries: int) -> float | None:
        if tries > len(self.retry_after_s):
            return None
        return self.retry_after_s[tries - 1] / behaviour.current_speed(self.name)

    def list_panels(self, tx: Transaction) -> Iterable[Panel]:
        columns = ("id", "our id", "status", "driver", "m", "reason", "asked for", "webhooks")
        found = tx.find_documents(jobs.document_kind(self.name), limit=PANEL_ROWS)
        yield Panel(
            f"{self.title} jobs",
            columns,
            [
                (
                    job["id"],
                    job["external_id"],
                    self.status_word(job),
                    job["driver"]["name"] if job["driver"] else "",
                    job["distance_m"],
                    job["reason"],
                    job["times_created"],
                    job["notices"],
                )
                for job in found
            ],
        )
