"""Orders that do not get there: refused, called off, declined, unanswered. The money goes back, and all are told."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from notifications.models import Incident, Message
from orders.models import Store
from payouts.models import PayeeKind
from tests.flows.people import Placed, Scene

TOTAL_MINOR = 5_000


def refunded_in_full(scene: Scene, placed: Placed) -> None:
    scene.wait_for_status(placed, "refunded")
    assert scene.read_charge(placed) == (TOTAL_MINOR, TOTAL_MINOR)
    scene.expect_balance(PayeeKind.STORE, scene.store.pk, 0, 0)


# spec: O5, O7, P4, W3, N2, M7
def test_the_kitchen_refuses(scene):
    placed = scene.place_order()
    scene.plan_kitchen(placed, outcome="cancel", cancel_reason="Out of paneer")
    assert scene.pay(placed).ok
    refunded_in_full(scene, placed)
    assert placed.row.cancel_reason == "Out of paneer"
    assert placed.row.failed_at is not None
    scene.expect_emails(scene.email_of(placed), "Order cancelled", "Refund on its way")


# spec: O5, O7, P4
def test_the_pos_does_not_take_the_order(scene):
    scene.dies = {"pos": 1}  # ops may still want to see what the POS said
    placed = scene.place_order()
    scene.plan_kitchen(placed, outcome="refuse")
    assert scene.pay(placed).ok
    refunded_in_full(scene, placed)
    assert Incident.objects.filter(order_ref=placed.ref, kind="pos_relay_failed").exists()
    scene.expect_emails(scene.email_of(placed), "Order cancelled", "Refund on its way")


# spec: O7, O1, M1
def test_cancelled_after_the_store_said_yes_costs_the_fee(scene):
    scene.store.cancellation_fee_minor = 400
    scene.store.save(update_fields=["cancellation_fee_minor"])
    placed = scene.place_order()
    scene.plan_kitchen(placed, ready_after_s=600)
    assert scene.pay(placed).ok
    scene.wait_for_status(placed, "confirmed")
    rider = scene.add_rider()
    scene.wait_for_offer(rider, placed)
    cancel = {"status": "CANCELLED", "reason": "changed their mind"}
    answer = scene.storefront.call("PUT", f"/orders/tracking/{placed.ref}/status", cancel)
    assert (answer.status, answer.body["current_status"]) == (200, "CANCELLED")
    scene.wait_for(lambda: scene.read_charge(placed) == (TOTAL_MINOR, TOTAL_MINOR - 400), "the refund less the fee")
    scene.expect_balance(PayeeKind.STORE, scene.store.pk, 0, 3_700 * 400 // TOTAL_MINOR)
    scene.wait_for(lambda: placed.row.refunded_minor == TOTAL_MINOR - 400, "Stripe's word about the refund")
    assert placed.status == "cancelled"
    late = rider.accept(placed)
    assert (late.status, late.code) == (409, "OFFER_WITHDRAWN")
    told = [message["title"] for message in scene.list_messages("push", rider.push_token)]
    assert told[0].startswith("New order assigned")
    again = scene.storefront.call("PUT", f"/orders/tracking/{placed.ref}/status", {"status": "READY_FOR_PICKUP"})
    assert (again.status, again.code) == (400, "INVALID_STATUS_TRANSITION")


# spec: P3, O7
def test_cancelled_before_it_is_paid_nobody_can_pay_any_more(scene):
    placed = scene.place_order()
    answer = scene.storefront.call("PUT", f"/orders/tracking/{placed.ref}/status", {"status": "CANCELLED"})
    assert answer.status == 200
    scene.wait_for(lambda: scene.read_stripe(f"payment_intents/{placed.intent}")["status"] == "canceled", "the intent")
    assert scene.pay(placed).status_code == 400
    scene.wait_for(lambda: placed.row.payment == "cancelled", "Stripe's word about it")
    scene.expect_emails(scene.email_of(placed), "Order cancelled")


# spec: O8, O7, P8
def test_cancelling_races_the_payment_and_nobody_loses_money(scene):
    """Whoever is faster: the order ends called off, and what was charged is given back, to the cent."""
    orders = [scene.place_order() for _ in range(6)]

    def cancel(placed: Placed) -> int:
        return scene.storefront.call("PUT", f"/orders/tracking/{placed.ref}/status", {"status": "CANCELLED"}).status

    with ThreadPoolExecutor(8) as threads:
        paying = [threads.submit(scene.pay, placed) for placed in orders]
        cancelling = [threads.submit(cancel, placed) for placed in orders]
        assert {future.result() for future in cancelling} == {200}
        assert {future.result().status_code for future in paying} <= {200, 400}
    for placed in orders:
        scene.wait_for_status(placed, "cancelled", "refunded")
        scene.wait_for(lambda p=placed: _square(scene, p), lambda p=placed: f"{p.ref}: {scene.read_charge(p)}")
    scene.expect_balance(PayeeKind.STORE, scene.store.pk, 0, 0)


def _square(scene: Scene, placed: Placed) -> bool:
    captured, refunded = scene.read_charge(placed)
    return captured == refunded and placed.row.payment in ("refunded" if captured else "cancelled")


# spec: P2, P1
def test_declined_then_paid(scene):
    placed = scene.place_order()
    declined = scene.pay(placed, "pm_card_chargeDeclined")
    assert (declined.status_code, declined.json()["error"]["code"]) == (402, "card_declined")
    scene.expect_emails(scene.email_of(placed), "Payment failed")
    assert (placed.status, placed.row.payment_error) == ("pending", "Your card was declined.")
    scene.plan_kitchen(placed, ready_after_s=600)
    assert scene.pay(placed).ok
    scene.wait_for_status(placed, "confirmed")
    assert placed.row.payment_error == ""
    assert scene.read_charge(placed) == (TOTAL_MINOR, 0)


@pytest.fixture
def tablet(scene: Scene) -> Scene:
    """A store that works with a tablet and gives up after ten minutes."""
    scene.store = scene.open_store(pos_kind=Store.Pos.TABLET, cancel_unacknowledged_s=600)  # type: ignore[misc]
    return scene


# spec: O5, N2, N5
def test_nobody_acknowledges(tablet):
    placed, store = tablet.place_and_pay(), tablet.store
    tablet.wait_for_status(placed, "store_notified")
    tablet.expect_emails(store.recipient.email, "New order")
    tablet.pass_time(placed, 100)
    tablet.settle()
    assert not Message.objects.filter(order_ref=placed.ref, event="store.acknowledge_reminder").exists()
    tablet.pass_time(placed, 50)
    tablet.expect_emails(store.recipient.email, "New order", "Order still waiting")
    assert not Incident.objects.filter(order_ref=placed.ref).exists()

    tablet.pass_time(placed, 150)
    tablet.wait_for(lambda: Incident.objects.filter(order_ref=placed.ref).exists(), "the alert")
    incident = Incident.objects.get(order_ref=placed.ref)
    assert (incident.kind, incident.severity) == ("order_unacknowledged", "critical")
    tablet.wait_for(lambda: _mailed_to_ops(tablet, placed), "the mail to ops")
    assert placed.status == "store_notified"

    tablet.pass_time(placed, 300)
    refunded_in_full(tablet, placed)
    tablet.expect_emails(tablet.email_of(placed), "Order cancelled", "Refund on its way")
    late = tablet.storefront.call("POST", f"/orders/tracking/{placed.ref}/acknowledge", {})
    assert (late.status, late.code) == (400, "INVALID_STATUS_TRANSITION")


def _mailed_to_ops(scene: Scene, placed: Placed) -> bool:
    mails = scene.list_messages("email", scene.house.environment["OPS_EMAIL"])
    return any(placed.order_id in mail["title"] for mail in mails)


# spec: O5
def test_the_store_acknowledges_at_its_tablet_in_time(tablet):
    placed = tablet.place_and_pay()
    tablet.wait_for_status(placed, "store_notified")
    answer = tablet.storefront.call("POST", f"/orders/tracking/{placed.ref}/acknowledge", {"prep_minutes": 20})
    assert (answer.status, answer.body["current_status"]) == (200, "STORE_ACKNOWLEDGED")
    tablet.pass_time(placed, 700)
    tablet.settle()
    assert placed.status == "confirmed"
    assert not Incident.objects.filter(order_ref=placed.ref, kind="order_unacknowledged").exists()
