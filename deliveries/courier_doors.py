"""The courier companies' doors, /webhooks/{name}: each company verifies and reads, deliveries/courier_news.py takes."""

from collections.abc import Sequence
from typing import Any

from deliveries import courier_news, couriers
from deliveries.couriers.base import Company
from foundation.evidence import Verdict
from foundation.webhook import Door, Knock, Notice, Seal


class CourierDoor(Door):
    def __init__(self, company: Company) -> None:
        self.company = company
        self.provider = company.name  # type: ignore[misc]  # one door's own word, not the class's
        self.accepted = company.accepted  # type: ignore[misc]

    def verify(self, knock: Knock) -> Seal:
        return self.company.verify(knock)

    def notices(self, payload: Any, seal: Seal) -> Sequence[Notice]:
        return self.company.notices(payload, seal)

    def handle(self, event_type: str, event_id: str, payload: Any) -> Verdict:
        return courier_news.handle(self.company, Notice(event_type, event_id, payload))

    def handle_all(self, notices: Sequence[Notice]) -> Sequence[Verdict]:
        return courier_news.handle_all(self.company, notices)


def doors() -> list[CourierDoor]:
    """One for each company, whether it is configured or not: those that are not answer 503."""
    return [CourierDoor(company) for company in couriers.companies().values()]
