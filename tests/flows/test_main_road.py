"""The main road: from the storefront's order to the store's bank, every party by its own door."""

import requests
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from foundation.models import Event, User
from orders.models import Order
from payouts.models import PayeeKind, Payout
from riders.models import Rider
from tests.flows.people import PASSWORD, Phone, RiderPhone, Scene
from webhooks.models import WebhookEvent

SHARE_MINOR = 4_000 - 600 + 300  # the food, less our 15 %, and the tax that the store pays


def sign_in(scene: Scene, username: str) -> Phone:
    answer = requests.post(
        f"{scene.house.url}/api/v1/auth/token", json={"username": username, "password": PASSWORD}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    return Phone(scene.house.url, answer.json()["access"])


# spec: O2, O3, O4, O5, P1, P7, W3, D1, D2, R1, R3, R4, R6, R7, N2, T1, M1, M2, S1, S8
def test_an_order_goes_from_the_storefront_to_the_stores_bank(scene):
    rider = signed_in_rider(scene)
    placed = scene.place_order()
    scene.plan_kitchen(placed, prep_minutes=14)
    assert scene.read_tracking(placed)["current_status"] == "SUBMITTED"
    assert scene.pay(placed).ok

    push = scene.wait_for_offer(rider, placed)
    assert push["title"] == "New order assigned! Accept within 30s"
    listed = rider.get("/api/v1/rider/orders").body["data"]
    assert [(row["id"], row["deliveryStatus"]) for row in listed] == [(placed.ref, "ASSIGNED")]
    assert "deliveryAcceptedAt" not in listed[0]
    assert rider.accept(placed).body["message"] == "Order accepted successfully"
    scene.wait_for_status(placed, "assigned_to_driver")

    assert rider.report_step(placed, "PICKED_UP", scene.centre).status == 200
    assert rider.report_step(placed, "OUT_FOR_DELIVERY").status == 200
    assert rider.report_position(placed.home).body["data"][0]["accepted"] is True
    on_the_way = scene.read_tracking(placed)
    assert on_the_way["driver_location"]["latitude"] == placed.home.lat
    assert rider.report_step(placed, "DELIVERED", placed.home).status == 200

    delivered = scene.read_tracking(placed)
    assert (delivered["current_status"], delivered["driver_location"]) == ("DELIVERED", None)
    scene.expect_emails(scene.email_of(placed), "On the way", "Delivered", "How was it?")
    scene.expect_balance(PayeeKind.RIDER, rider.rider.pk, 0, 500 + 200)
    scene.expect_balance(PayeeKind.STORE, scene.store.pk, 0, SHARE_MINOR)
    the_store_is_paid(scene)
    the_history_tells_it(placed.row, rider.rider)
    scene.settle()
    assert not WebhookEvent.objects.filter(processed=False).exists()


def signed_in_rider(scene: Scene) -> RiderPhone:
    """Signs in with a password, hands in the phone's push token, goes online: as the app does."""
    made = scene.add_rider()
    User.objects.filter(pk=made.rider.user_id).update(password=PBKDF2PasswordHasher().encode(PASSWORD, "salt", 1_000))
    phone = sign_in(scene, made.rider.user.username)
    made.token, made.push_token = phone.token, f"new-{made.push_token}"
    assert made.call("POST", "/api/v1/rider/push-token", {"token": made.push_token}).status == 200
    assert made.go_online().status == 200
    return made


def the_store_is_paid(scene: Scene) -> None:
    """The day's run, Stripe's transfer, and the bank's word that it arrived."""
    account = scene.find_connection(scene.store).stripe_account
    scene.house.manage("pay_stores")
    payout = Payout.objects.get(destination=account)
    scene.wait_for(lambda: _status(payout) == "processing", "the transfer")
    transfers = scene.outside.control("GET", "stripe/summary")["transfers"]
    mine = [transfer for transfer in transfers if transfer["destination"] == account]
    assert [(t["amount"], t["currency"], t["transfer_group"]) for t in mine] == [
        (SHARE_MINOR, "usd", str(payout.public_id))
    ]
    scene.outside.control("POST", "stripe/bank_payout", {"account": account})
    scene.wait_for(lambda: _status(payout) == "paid", "the bank's word")
    assert scene.read_balance(PayeeKind.STORE, scene.store.pk) == (0, 0)


def _status(payout: Payout) -> str:
    payout.refresh_from_db()
    return str(payout.status)


def the_history_tells_it(order: Order, rider: Rider) -> None:
    moves = Event.objects.filter(subject=f"order:{order.pk}", name="order.status_changed").order_by("version")
    steps = [event.data["to"] for event in moves]
    assert steps[0] == "payment_confirmed"
    assert steps[-4:] == ["assigned_to_driver", "picked_up", "in_transit", "delivered"]
    assert moves.last().actor == f"rider:{rider.pk}"
    assert order.minimum_prep_minutes == 14
    assert order.pos_response["status"] == "5"
