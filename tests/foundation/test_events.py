"""Events: one numbered history per subject, with its reactions, in the transaction of the fact."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction

from foundation import clock, events
from foundation.events import Cause
from foundation.models import Event, Job

pytestmark = pytest.mark.django_db
TEST = Cause("system", "test")

REACTIONS = {"group.renamed": ["probe.look", "probe.listen"]}


@pytest.fixture(autouse=True)
def reactions(settings) -> None:
    settings.REACTIONS = f"{__name__}.REACTIONS"


# spec: O2
def test_a_fact_is_written_with_its_cause_and_both_its_times():
    group = Group.objects.create(name="first")
    happened = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    before = clock.now()
    events.record_event(
        "group.renamed",
        group,
        by=Cause("stripe", "webhook:stripe:evt_1"),
        data={"to": "x", "at": happened, "fee": Decimal("1.50"), "id": uuid.UUID(int=1)},
        order_ref="order-7",
        occurred_at=happened,
    )
    event = Event.objects.get()
    assert (event.name, event.subject, event.version) == ("group.renamed", f"group:{group.pk}", 1)
    assert (event.order_ref, event.actor, event.cause) == ("order-7", "stripe", "webhook:stripe:evt_1")
    assert event.data == {
        "to": "x",
        "at": "2026-11-20T09:30:00Z",
        "fee": "1.50",
        "id": "00000000-0000-0000-0000-000000000001",
    }
    assert event.occurred_at == happened
    assert event.recorded_at > before
    assert event.announced is False


# spec: O2
def test_versions_count_up_per_subject():
    first, second = Group.objects.create(name="first"), Group.objects.create(name="second")
    versions = [events.record_event("group.renamed", row, by=TEST) for row in (first, first, second, first)]
    assert versions == [1, 2, 1, 3]


@pytest.mark.django_db(transaction=True)
def test_versions_have_no_gap_and_no_double_under_the_rows_lock():
    group = Group.objects.create(name="contended")
    together = threading.Barrier(8)

    def rename(_: int) -> list[int]:
        try:
            together.wait()
            versions = []
            for _again in range(5):
                with transaction.atomic():
                    row = Group.objects.select_for_update(no_key=True).get(pk=group.pk)
                    versions.append(events.record_event("group.renamed", row, by=TEST))
            return versions
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as crowd:
        versions = [version for share in crowd.map(rename, range(8)) for version in share]
    assert sorted(versions) == list(range(1, 41))


def test_the_database_refuses_a_version_twice():
    group = Group.objects.create(name="first")
    events.record_event("group.renamed", group, by=TEST)
    with pytest.raises(IntegrityError, match="event_version_once"), transaction.atomic():
        Event.objects.create(name="x", subject=f"group:{group.pk}", version=1, actor="system", occurred_at=clock.now())


def test_reactions_are_due_with_the_fact_and_gone_without_it():
    group = Group.objects.create(name="first")
    with transaction.atomic():
        events.record_event("group.renamed", group, by=TEST)
        transaction.set_rollback(True)
    assert not Event.objects.exists()
    assert not Job.objects.exists()

    events.record_event("group.renamed", group, by=TEST)
    events.record_event("group.renamed", group, by=TEST)
    events.record_event("group.forgotten", group, by=TEST)
    about = f"group:{group.pk}"
    assert sorted(Job.objects.values_list("handler", "subject")) == [("probe.listen", about), ("probe.look", about)]
