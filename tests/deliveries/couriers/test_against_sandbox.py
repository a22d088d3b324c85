"""Each courier company, as the sandbox plays it, over real HTTP in both directions.

The sandbox was written from the companies' documents by itself: two readings of them meet here.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from deliveries.couriers import providers
from deliveries.couriers.providers.base import CancellationResult, CannotCancel, CourierProvider, JobReference
from deliveries.couriers.providers.status_update import CourierStage, CourierUpdate
from foundation.errors import Permanent, Transient, Unknown
from foundation.webhook import WebhookRequest
from tests.deliveries.couriers.shipments import EXTERNAL_ID, one_try, parcel
from tests.sandbox import courier_words, process
from tests.sandbox.process import Receiver, Sandbox, until

pytestmark = pytest.mark.django_db

WAYS = {
    "cooco": ("driver_assigned", "picked_up", "in_transit", "completed"),
    "uber": ("pickup", "pickup_imminent", "pickup_complete", "dropoff", "dropoff_imminent", "delivered"),
    "doordash": (
        "confirmed",
        "enroute_to_pickup",
        "arrived_at_pickup",
        "picked_up",
        "enroute_to_dropoff",
        "arrived_at_dropoff",
        "delivered",
    ),
}
FETCHED = {"cooco": "picked_up", "uber": "pickup_complete", "doordash": "picked_up"}
FORWARD = [CourierStage.ASSIGNED, CourierStage.PICKED_UP, CourierStage.IN_TRANSIT, CourierStage.DELIVERED]
LISTS = {
    "COOCO_WEBHOOK_SECRET": "COOCO_WEBHOOK_SECRETS",
    "UBER_WEBHOOK_SIGNING_KEY": "UBER_WEBHOOK_SIGNING_KEYS",
    "DOORDASH_WEBHOOK_AUTHORIZATION": "DOORDASH_WEBHOOK_AUTHORIZATIONS",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Receiver]]:
    """A sandbox whose webhooks come to a receiver that stands in Handoff's place."""
    with process.receiver() as place:
        running = process.start(tmp_path_factory.mktemp("couriers"), place.url)
        yield running, place
        running.stop()


@pytest.fixture
def place(world: tuple[Sandbox, Receiver]) -> Receiver:
    return world[1]


@pytest.fixture
def sandbox(world: tuple[Sandbox, Receiver], settings: Any) -> Sandbox:
    running, place = world
    running.control("POST", "reset")
    place.received.clear()
    settings.PUBLIC_URL = place.url
    for name, value in running.env.items():
        if name.startswith(("COOCO_", "UBER_", "DOORDASH_")):
            setattr(settings, LISTS.get(name, name), [value] if name in LISTS else value)
    return running


@pytest.fixture(params=sorted(WAYS))
def company(request: pytest.FixtureRequest, sandbox: Sandbox) -> CourierProvider:
    return providers.find_provider(request.param)


def heard(company: CourierProvider, place: Receiver, count: int) -> list[CourierUpdate]:
    """What came to its door so far, verified and read."""
    found = []
    for one in place.at(f"/webhooks/{company.name}", count):
        headers = {name.lower(): value for name, value in one.headers.items()}
        seal = company.verify_signature(WebhookRequest(one.body, headers, f"{place.url}/webhooks/{company.name}"))
        for notice in company.list_events(json.loads(one.body), seal):
            news = company.read_event(notice.event_type, notice.payload)
            if news is not None:
                found.append(news)
    return found


# spec: C1 C3 C7
def test_from_quote_to_door(company: CourierProvider, sandbox: Sandbox, place: Receiver):
    quote = company.request_quote(parcel(), one_try())
    assert quote.fee_minor > 0
    made = company.create_job(parcel(), quote.reference, one_try())
    assert (made.external_id, made.stage) == (EXTERNAL_ID, CourierStage.REQUESTED)
    known = JobReference(EXTERNAL_ID, made.courier_ref)
    for word in WAYS[company.name]:
        courier_words.move(sandbox, company.name, made.courier_ref, word)
        if word in company.status_words:
            assert company.get(known, one_try()).stage == company.status_words[word]

    news = heard(company, place, len(WAYS[company.name]) - 2)
    done = until(
        lambda: [one for one in heard(company, place, 1) if one.stage == CourierStage.DELIVERED],
        f"{company.name} to deliver",
    )
    assert {one.external_id for one in done} == {EXTERNAL_ID}
    assert {one.courier_ref for one in done} == {made.courier_ref}
    assert all(one.occurred_at is not None for one in news)
    reached = list(dict.fromkeys(one.stage for one in heard(company, place, 1) if one.stage in FORWARD))
    assert set(reached) >= {CourierStage.ASSIGNED, CourierStage.PICKED_UP, CourierStage.DELIVERED}
    assert any(one.driver.get("name") for one in heard(company, place, 1))


# spec: C2
@pytest.mark.parametrize("quoted", [True, False])
def test_a_lost_answer_makes_no_second_job(company: CourierProvider, sandbox: Sandbox, quoted: bool):
    reference = company.request_quote(parcel(), one_try()).reference if quoted else ""
    path = {"uber": "/v1/customers"}.get(company.name, "")
    sandbox.fault(company.name, "answer", "lost_answer", path=path, times=1)
    first = one_try()
    with pytest.raises(Unknown):
        company.create_job(parcel(), reference, first)
    made = company.create_job(parcel(), reference, one_try(2, first.request_id))
    assert company.create_job(parcel(), reference, one_try(3, first.request_id)).courier_ref == made.courier_ref
    assert len(courier_words.jobs(sandbox, company.name)) == 1


def test_stopping_it(company: CourierProvider, sandbox: Sandbox):
    made = company.create_job(parcel(), "", one_try())
    known = JobReference(EXTERNAL_ID, made.courier_ref)
    for _ in range(2):  # cancelled already is cancelled
        stopped = company.cancel_job(known, "not wanted", one_try())
        assert isinstance(stopped, CancellationResult)
        assert not stopped.fee_minor  # nobody was on the way
    assert company.get(known, one_try()).stage == CourierStage.CANCELLED


def test_what_was_fetched_is_not_stopped(company: CourierProvider, sandbox: Sandbox):
    made = company.create_job(parcel(), "", one_try())
    courier_words.move(sandbox, company.name, made.courier_ref, FETCHED[company.name])
    with pytest.raises(CannotCancel):
        company.cancel_job(JobReference(EXTERNAL_ID, made.courier_ref), "not wanted", one_try())


def test_a_job_that_nobody_knows(company: CourierProvider):
    with pytest.raises(Permanent):
        company.get(JobReference("nobody-1", "nobody-1"), one_try())


# spec: C4
def test_an_outage(company: CourierProvider, sandbox: Sandbox):
    sandbox.fault(company.name, "answer", "error_500", share=1.0)
    with pytest.raises((Unknown, Transient)):
        company.create_job(parcel(), "", one_try())


# spec: C6
def test_a_driver_who_was_assigned_is_paid(sandbox: Sandbox):
    company = providers.find_provider("cooco")
    made = company.create_job(parcel(), "", one_try())
    courier_words.move(sandbox, "cooco", made.courier_ref, "driver_assigned")
    assert company.cancel_job(JobReference(EXTERNAL_ID, made.courier_ref), "x", one_try()) == CancellationResult(
        500, "USD"
    )


def test_a_token_that_was_withdrawn_is_renewed(sandbox: Sandbox):
    company = providers.find_provider("uber")
    made = company.create_job(parcel(), "", one_try())
    sandbox.control("POST", "uber/tokens/expire")
    assert company.get(JobReference(EXTERNAL_ID, made.courier_ref), one_try()).stage == CourierStage.REQUESTED
