"""The console's pages of this room (SPEC A3): queues, reasons, roles, and why not Ravi."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deliveries.fraud import flags
from deliveries.fraud.flags import FraudSignal
from deliveries.fulfilment import ops_actions
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery, DispatchDecision, FraudFlag, FraudKind
from foundation import clock
from foundation.events import Cause
from foundation.models import Event, Role
from orders import locks
from orders.models import Refund
from riders.lifecycle import RiderStatus
from tests.admin_client import open_console, run_action
from tests.builders import assigned, courier_job, moved, near, offered, rider, searching

pytestmark = pytest.mark.django_db
DELIVERIES = "/admin/deliveries/delivery/"
FLAGS = "/admin/deliveries/fraudflag/"
OPS = Cause("user:1", "admin")


def failed() -> Delivery:
    delivery = moved(assigned(), DeliveryStatus.PICKED_UP)
    ops_actions.fail_delivery(delivery.order_id, "bike stolen", by=OPS)
    delivery.refresh_from_db()
    return delivery


def flagged() -> FraudFlag:
    delivery = assigned(rider("Ravi"))
    assert delivery.rider
    suspicion = FraudSignal(FraudKind.FAKE_PICKUP, delivery.rider, clock.now(), {"distance_m": 9_001, "allowed_m": 100})
    return flags.raise_flag(suspicion, delivery=delivery, order=locks.find_order(None, delivery.order.public_id))


# ── failed deliveries ────────────────────────────────────────────────────────────────────────────────────────────
# spec: A3
def test_the_failed_ones_are_a_queue():
    broken = failed()
    fine = assigned(broken.rider, searching())
    page = open_console(Role.READ_ONLY).get(f"{DELIVERIES}?queue=failed").content.decode()
    assert broken.external_id in page
    assert "bike stolen" in page
    assert fine.external_id not in page
    live = open_console().get(f"{DELIVERIES}?queue=live").content.decode()
    assert fine.external_id in live
    assert broken.external_id not in live


# spec: A3
def test_a_failed_delivery_is_tried_again_with_a_reason():
    delivery, client = failed(), open_console(Role.OPS_AGENT)
    assert "This field is required" in run_action(client, DELIVERIES, "try_again", delivery, reason=" ")
    assert Delivery.objects.count() == 1
    said = run_action(client, DELIVERIES, "try_again", delivery, reason="customer still wants it")
    assert "attempt 2 looks for a rider" in said
    assert Delivery.objects.filter(status=DeliveryStatus.SEARCHING).count() == 1
    assert "customer still wants it" in LogEntry.objects.get().get_change_message()
    assert "NOT_CARRIABLE" not in run_action(client, DELIVERIES, "try_again", delivery)
    assert Delivery.objects.count() == 2  # a second click finds one under way


# spec: A3, O7
def test_a_failed_delivery_is_refunded_and_closed():
    delivery = failed()
    assert "refund of ₹450.00 requested" in run_action(open_console(), DELIVERIES, "refund_customer", delivery)
    assert Refund.objects.count() == 1
    assert "closed" in run_action(open_console(), DELIVERIES, "close_delivery", delivery)
    assert Event.objects.get(name="delivery.closed").data == {"reason": "customer called"}


# spec: A3
def test_a_live_delivery_is_taken_away_given_up_or_confirmed():
    one = rider("Ravi")
    first, second = assigned(one, searching()), moved(assigned(one, searching()), DeliveryStatus.IN_TRANSIT)
    assert "searches for another rider" in run_action(open_console(Role.OPS_AGENT), DELIVERIES, "search_again", first)
    assert "delivered" in run_action(open_console(), DELIVERIES, "confirm_delivered", second)
    second.refresh_from_db()
    assert second.status == DeliveryStatus.DELIVERED
    assert "failed" in run_action(open_console(), DELIVERIES, "give_up", first)
    first.refresh_from_db()
    assert first.status == DeliveryStatus.FAILED


# spec: A3
def test_what_does_not_work_is_said_row_by_row_and_stops_no_other():
    fine, broken = assigned(), failed()
    said = run_action(open_console(), DELIVERIES, "try_again", fine, broken)
    assert "it is assigned, not failed" in said
    assert "attempt 2 looks for a rider" in said


# spec: A3, A5
@pytest.mark.parametrize(
    ("role", "action"),
    [
        (Role.READ_ONLY, "try_again"),
        (Role.FINANCE, "search_again"),
        (Role.OPS_AGENT, "refund_customer"),
        (Role.OPS_AGENT, "give_up"),
        (Role.OPS_AGENT, "confirm_delivered"),
    ],
)
def test_roles_without_the_right_cannot(role: Role, action: str):
    delivery = failed()
    events = Event.objects.count()
    run_action(open_console(role), DELIVERIES, action, delivery)
    assert Event.objects.count() == events


# ── fraud flags ──────────────────────────────────────────────────────────────────────────────────────────────────
# spec: A3, R11
@pytest.mark.parametrize(("action", "status"), [("uphold_flag", "upheld"), ("dismiss_flag", "dismissed")])
def test_a_flag_is_decided_with_a_reason(action: str, status: str):
    flag = flagged()
    page = open_console(Role.READ_ONLY).get(f"{FLAGS}{flag.pk}/change/").content.decode()
    assert "9001" in page
    assert status in run_action(open_console(Role.OPS_AGENT), FLAGS, action, flag, reason="the pin was wrong")
    flag.refresh_from_db()
    assert (flag.status, flag.decision_note) == (status, "the pin was wrong")
    assert flag.decided_by is not None
    assert flag.decided_by.role == Role.OPS_AGENT
    assert "transition" in run_action(open_console(), FLAGS, action, flag)  # decided once


# spec: A3, R4
def test_a_rider_is_suspended_and_reinstated_from_the_flag():
    flag = flagged()
    assert "Ravi is suspended" in run_action(open_console(), FLAGS, "suspend_rider", flag)
    flag.rider.refresh_from_db()
    assert flag.rider.standing == RiderStatus.SUSPENDED
    assert "Ravi is reinstated" in run_action(open_console(), FLAGS, "reinstate_rider", flag)
    flag.rider.refresh_from_db()
    assert flag.rider.standing == RiderStatus.VERIFIED
    run_action(open_console(Role.OPS_AGENT), FLAGS, "suspend_rider", flag)
    flag.rider.refresh_from_db()
    assert flag.rider.standing == RiderStatus.VERIFIED  # an agent may not


# ── why ──────────────────────────────────────────────────────────────────────────────────────────────────────────
# spec: A3, D1
def test_why_not_ravi_can_be_read():
    rider("Ravi <b>Rao</b>", at=near(north_m=300), load=3)
    offer = offered(rider("Asha"), searching())
    decision = DispatchDecision.objects.get()
    client = open_console(Role.READ_ONLY)
    pages = [f"/admin/deliveries/dispatchdecision/{decision.pk}/change/", f"{DELIVERIES}{offer.delivery_id}/change/"]
    for page in (client.get(url).content.decode() for url in pages):
        assert "Ravi &lt;b&gt;Rao" in page
        assert "Asha" in page
        assert "<b>Rao" not in page


# spec: A3, A5
@pytest.mark.parametrize("name", ["delivery", "offer", "dispatchdecision", "fraudflag", "learnedspeed"])
def test_pages_are_read_only_and_ask_few_questions(name: str):
    for _ in range(3):
        flagged()
    client = open_console()
    url = reverse(f"admin:deliveries_{name}_changelist")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(url).status_code == 200
    assert len(queries) < 12
    assert client.get(f"{url}add/").status_code == 403
    assert client.get(f"{url}?q=nothing").status_code == 200


# spec: A3
@pytest.mark.parametrize("search", ["public_id", "external_id"])
def test_deliveries_are_found_by_exact_ids(search: str):
    delivery, other = assigned(), assigned(rider("Other"))
    text = delivery.order.public_id if search == "public_id" else delivery.external_id
    page = open_console().get(f"{DELIVERIES}?q={text}").content.decode()
    assert delivery.external_id in page
    assert other.external_id not in page


def test_a_companys_job_stands_on_the_deliverys_page():
    delivery = searching()
    page = reverse("admin:deliveries_delivery_change", args=[delivery.pk])
    client = open_console(Role.READ_ONLY)
    assert "our own riders carry it" in client.get(page).content.decode()
    courier_job(delivery, reference="toy-77", status_text="driver_assigned", fee_minor=799)
    shown = client.get(page).content.decode()
    assert all(word in shown for word in ("toy-77", "driver_assigned", "799"))
