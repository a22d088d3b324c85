"""Two people put through by phone, neither of whom sees the other's number."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F

from foundation.errors import Conflict, NotEnabled
from foundation.models import OutboundCall
from foundation.work import WorkState
from notifications import masked_calls, tasks
from notifications.models import PhoneCall

pytestmark = pytest.mark.django_db(transaction=True)
LANE = next(lane for lane in tasks.QUEUES if lane.model is PhoneCall)
ASHA, RAVI = "+918012345678", "+919812345610"


def connect(caller: str = ASHA, callee: str = RAVI, order_ref: str = "o_1") -> PhoneCall:
    return masked_calls.enqueue_call(
        caller, callee, order_ref=order_ref, greeting='Tom & "Ravi" <soon>', language="en-US"
    )


def rung(sandbox) -> list[tuple[str, str, str]]:
    return [
        (one["to"], one["title"], one["body"]) for one in sandbox.control("GET", "messages?channel=call")["messages"]
    ]


# spec: T3
def test_who_asked_is_rung_first_and_both_see_our_number(sandbox, settings):
    call = connect()
    LANE.drain_once()
    ours = settings.TWILIO_FROM_NUMBER
    assert rung(sandbox) == [
        (ASHA, f"Call from {ours}", 'Tom & "Ravi" <soon>'),
        (RAVI, f"Call from {ours}", ""),
    ]
    call.refresh_from_db()
    assert (call.state, call.provider_id[:2]) == (WorkState.DONE, "CA")
    kept = OutboundCall.objects.get()
    assert (kept.purpose, kept.reference, kept.outcome) == ("call.connect", f"phone_call:{call.pk}", "ok")
    assert ASHA not in str(kept.request)
    assert RAVI not in str(kept.request)


def test_the_phone_rings_once_for_an_impatient_thumb(sandbox):
    connect()
    with pytest.raises(Conflict) as refused:
        connect()
    assert refused.value.code == "RINGING"
    connect(order_ref="o_2")
    PhoneCall.objects.update(created_at=F("created_at") - masked_calls.FRESH)
    connect()


def test_there_is_an_end_to_it(monkeypatch, sandbox):
    monkeypatch.setattr(masked_calls, "MOST_PER_ORDER", 2)
    for _ in range(2):
        connect()
        PhoneCall.objects.update(created_at=F("created_at") - timedelta(minutes=5))
    with pytest.raises(Conflict) as refused:
        connect()
    assert refused.value.code == "TOO_MANY_CALLS"


@pytest.mark.parametrize(("caller", "callee"), [("", RAVI), (ASHA, ""), ("8012345678", RAVI), (ASHA, "x")])
def test_without_two_numbers_there_is_no_call(sandbox, caller: str, callee: str):
    with pytest.raises(NotEnabled):
        connect(caller, callee)


def test_without_twilio_there_is_no_call(sandbox, settings):
    settings.TWILIO_AUTH_TOKEN = ""
    assert not masked_calls.is_enabled()
    with pytest.raises(NotEnabled):
        connect()


def test_a_call_that_waited_is_not_made_any_more(sandbox):
    call = connect()
    PhoneCall.objects.update(created_at=F("created_at") - masked_calls.FRESH)
    LANE.drain_once()
    call.refresh_from_db()
    assert (call.state, rung(sandbox)) == (WorkState.IGNORED, [])


def test_a_number_that_cannot_be_rung_may_be_asked_for_again(sandbox):
    call = connect("+15005550001")
    LANE.drain_once()
    call.refresh_from_db()
    assert (call.state, call.error_message) == (WorkState.IGNORED, "")
    assert OutboundCall.objects.get().outcome == "permanent"
    connect()


def test_a_call_whose_fate_is_unknown_is_not_made_again(sandbox):
    sandbox.control("POST", "faults", {"provider": "twilio", "direction": "answer", "kind": "lost_answer", "times": 1})
    call = connect()
    LANE.drain_once()
    PhoneCall.objects.filter(state=WorkState.PENDING).update(due_at=F("created_at"))
    LANE.drain_once()
    call.refresh_from_db()
    assert (call.state, len(rung(sandbox))) == (WorkState.IGNORED, 2)


def test_a_provider_that_is_down_is_asked_again(sandbox, settings):
    base, settings.TWILIO_API_BASE = settings.TWILIO_API_BASE, "http://127.0.0.1:9"
    call = connect()
    LANE.drain_once()
    call.refresh_from_db()
    assert (call.state, call.started_at) == (WorkState.PENDING, None)
    settings.TWILIO_API_BASE = base
    PhoneCall.objects.update(due_at=F("created_at"))
    LANE.drain_once()
    assert len(rung(sandbox)) == 2


def test_of_many_workers_one_makes_the_call(sandbox):
    connect()
    barrier = threading.Barrier(8)

    def work(_: int) -> None:
        try:
            barrier.wait()
            LANE.drain_once()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(rung(sandbox)) == 2
