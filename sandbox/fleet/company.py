"""A courier company as a provider: what each of them must say for itself, and what all of them do alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, cast

from sandbox.engine import runtime
from sandbox.engine.provider import Action, Panel, Provider, Route
from sandbox.engine.store import Transaction
from sandbox.fleet import forecast, jobs, mood, timeline
from sandbox.fleet.conductor import Conductor
from sandbox.fleet.ground import Point
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage

PANEL_ROWS = 20


def running(name: str) -> Company:
    """The company of that name in this process."""
    return cast(Company, runtime.current().providers[name])


class Company(Provider):
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

    def tell(self, tx: Transaction, job: Job, before: Stage) -> None:
        """Send what its customers hear of a job that moved here from `before`."""
        raise NotImplementedError

    def report(self, tx: Transaction, job: Job) -> None:
        """Send where the driver is."""

    def reports(self, job: Job, *, by_itself: bool) -> bool:
        """Whether such reports are sent at this point of the job."""
        return False

    def undelivered(self, job: Job) -> Stage:
        """Where a job goes whose customer is not there."""
        return Stage.FAILED

    def company_routes(self) -> Iterable[Route]:
        """Control calls that only this company has."""
        return ()

    # --- what all of them do alike ---

    def word(self, job: Job) -> str:
        return self.words[Stage(job["stage"])]

    def stage_of(self, word: str) -> Stage | None:
        """The first stage that one of its words stands for."""
        return self.more_words.get(word) or next((stage for stage, own in self.words.items() if own == word), None)

    def position(self, tx: Transaction, job: Job) -> Point | None:
        return forecast.position(job, mood.pace(tx, self.name)["speed"], tx.now)

    def ahead(self, tx: Transaction, job: Job) -> dict[Stage, float]:
        """When it expects to be where, in Unix seconds."""
        return forecast.times(job, mood.pace(tx, self.name)["speed"], tx.now)

    def send(self, tx: Transaction, job: Job, topic: str, body: str, url: str = "") -> None:
        """A webhook about this job, to Handoff's door where no `url` is given."""
        job["notices"] += 1
        jobs.save(tx, self.name, job)
        now = runtime.current()
        share = mood.behaviour(tx, self.name)["drop_webhooks"]
        now.dispatcher.send(
            tx,
            self.name,
            topic=topic,
            url=url or f"{now.handoff_url}/webhooks/{self.name}",
            body=body,
            reference=job["id"],
            lost=mood.happens(share, self.name, job["number"], "notice", job["notices"]),
        )

    def control_routes(self) -> Iterable[Route]:
        return (*Conductor(self).routes(), *self.company_routes())

    def actions(self) -> Mapping[str, Action]:
        return {
            "step": lambda tx, payload: timeline.step(tx, self, payload),
            "report": lambda tx, payload: timeline.report(tx, self, payload),
        }

    def retry_delay_s(self, tries: int) -> float | None:
        if tries > len(self.retry_after_s):
            return None
        return self.retry_after_s[tries - 1] / mood.speed(self.name)

    def panels(self, tx: Transaction) -> Iterable[Panel]:
        columns = ("id", "our id", "status", "driver", "m", "reason", "asked for", "webhooks")
        found = tx.find(jobs.kind(self.name), limit=PANEL_ROWS)
        yield Panel(
            f"{self.title} jobs",
            columns,
            [
                (
                    job["id"],
                    job["external_id"],
                    self.word(job),
                    job["driver"]["name"] if job["driver"] else "",
                    job["distance_m"],
                    job["reason"],
                    job["times_created"],
                    job["notices"],
                )
                for job in found
            ],
        )
