"""What the fleet asks of a courier company, so that jobs move without knowing which company they belong to."""

from collections.abc import Mapping
from typing import ClassVar, Protocol

from sandbox.engine.store import Transaction
from sandbox.fleet.geocoding import Point
from sandbox.fleet.jobs import Job
from sandbox.fleet.stages import Stage


class CourierRules(Protocol):
    """`words` are the company's own statuses by stage, `more_words` others that a move by hand takes. `nobody`,
    `gave_up` and `absent` are its reasons for a job without a courier, for one that it dropped before pickup, and for a
    customer who is not there. `report_every_s`: seconds between two reports of the driver's position, 0 for none.
    """

    name: ClassVar[str]
    words: ClassVar[Mapping[Stage, str]]
    more_words: ClassVar[Mapping[str, Stage]]
    nobody: ClassVar[str]
    gave_up: ClassVar[str]
    absent: ClassVar[str]
    report_every_s: ClassVar[float]

    def tell_change(self, tx: Transaction, job: Job, before: Stage) -> None: ...

    def report_position(self, tx: Transaction, job: Job) -> None: ...

    def is_reporting(self, job: Job, *, by_itself: bool) -> bool: ...

    def stage_undelivered(self, job: Job) -> Stage: ...

    def status_word(self, job: Job) -> str: ...

    def stage_of(self, word: str) -> Stage | None: ...

    def driver_position(self, tx: Transaction, job: Job) -> Point | None: ...
