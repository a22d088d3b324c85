"""What somebody has seconds to act on waits behind nothing (SPEC D2, N2)."""

from threading import Thread
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from foundation.work import WorkState
from notifications import tasks
from notifications.content.catalogue import CATALOGUE
from notifications.models import Message, Recipient
from notifications.outbox import enqueue
from tests.notifications import sent_messages as talk
from tests.notifications.sent_messages import inbox, say, work
from tests.sandbox.process import until

pytestmark = pytest.mark.django_db(transaction=True)
OFFER = {
    "store": "Chai Point",
    "distance_m": 1234,
    "fee": "₹50.00",
    "deadline": "soon",
    "orderId": "6f1c",
    "offerId": 42,
}


@pytest.fixture
def asha(sandbox) -> Recipient:
    return talk.reachable()


# spec: D2 N2
def test_an_offer_leaves_at_once_while_the_mails_hang_at_their_provider(asha, sandbox):
    say(asha, dedupe="before", channels=["push"])  # the first push of a process takes its time
    work()
    sandbox.fault("sendgrid", "answer", "timeout", share=1, seconds=6)
    for number in range(tasks.ORDINARY.threads):
        say(asha, dedupe=f"delivery:{number}", channels=["email"])
    mails = Thread(target=_drain_ordinary)
    mails.start()
    try:
        until(lambda: len(_mails(sandbox)) >= tasks.ORDINARY.threads, "all hands of the lane to be at the provider")
        enqueue.enqueue_message(asha.pk, "offer.made", OFFER, dedupe="offer:42")
        assert tasks.URGENT.drain_once() == 1
        assert Message.objects.get(event="offer.made").state == WorkState.DONE
        assert inbox(sandbox)[-1] == ("push", talk.TOKEN)
        hanging = Message.objects.filter(event="delivery.completed", state=WorkState.LEASED)
        assert hanging.count() == tasks.ORDINARY.threads  # the offer has overtaken every one of them
    finally:
        mails.join()


def _mails(sandbox) -> list[dict[str, Any]]:
    return sandbox.control("GET", "messages?channel=email")["messages"]


def _drain_ordinary() -> None:
    try:
        tasks.ORDINARY.drain_once()
    finally:
        connection.close()


# spec: D2
def test_the_lanes_share_the_table_and_no_row(asha, sandbox):
    assert {event for event, template in CATALOGUE.items() if template.urgent} == {"offer.made", "offer.withdrawn"}
    say(asha)
    enqueue.enqueue_message(asha.pk, "offer.made", OFFER, dedupe="offer:42")
    urgent = Message.claim_batch(limit=10, lease_s=60, only=tasks.URGENT.only)
    ordinary = Message.claim_batch(limit=10, lease_s=60, only=tasks.ORDINARY.only)
    assert [message.event for message in urgent] == ["offer.made"]
    assert [message.event for message in ordinary] == ["delivery.completed"]


# spec: W5
@pytest.mark.parametrize(("lane", "found"), [(tasks.URGENT, 5), (tasks.ORDINARY, 64)], ids=["urgent", "ordinary"])
def test_each_lane_reads_its_own_end_of_the_index_whatever_waits_in_the_other(lane, found):
    asha = Recipient.objects.create(name="Asha")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notifications_message (public_id, recipient_id, event, dedupe_key, order_ref, params, urgent,"
            " channels, channel, title, body, provider_id, state, due_at, created_at)"
            " SELECT gen_random_uuid(), %s, 'delivery.completed', 'd:' || n, '', '{}', n %% 4000 = 0, '[]', '', '', '',"
            " '', 'pending', clock_timestamp() - make_interval(secs => n), clock_timestamp()"
            " FROM generate_series(1, 20000) n",
            [asha.pk],
        )
        cursor.execute("ANALYZE notifications_message")
    with CaptureQueriesContext(connection) as queries:
        assert len(Message.claim_batch(limit=lane.batch, lease_s=60, only=lane.only)) == found
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Scan using message_due_by_urgency" in plan
    assert "Sort Key" not in plan
