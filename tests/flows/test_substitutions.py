"""Something has run out: the store proposes, the customer answers on the page or is silent, and pays for what comes."""

import re
from typing import Any

import pytest
import requests

from orders.models import Refund, Store
from payouts.models import PayeeKind
from tests import builders
from tests.flows.people import Placed, Scene

ITEMS = [
    {"id": "thali", "name": "Thali", "quantity": 1, "price_minor": 3_000},
    {"id": "lassi", "name": "Lassi", "quantity": 2, "price_minor": 500},
]
TOTAL_MINOR = 5_000  # 40.00 of food, 3.00 tax, 2.00 tip, 5.00 for the rider
BIRYANI = {"id": "biryani", "name": "Biryani", "quantity": 1, "price_minor": 2_000}


class Shop:
    """A store with a tablet, and somebody at it."""

    def __init__(self, scene: Scene, **facts: Any) -> None:
        self.scene = scene
        scene.__dict__["store"] = scene.open_store(pos_kind=Store.Pos.TABLET, **facts)
        self.tablet = scene.sign_in(builders.staff_of(scene.store))

    def picks(self, **facts: Any) -> Placed:
        placed = self.scene.place_and_pay(items=ITEMS, **facts)
        self.scene.wait_for_status(placed, "store_notified")
        path = f"/orders/tracking/{placed.ref}"
        assert self.tablet.call("POST", f"{path}/acknowledge", {"prep_minutes": 5}).status == 200
        assert self.tablet.call("PUT", f"{path}/status", {"status": "PICKING_IN_PROGRESS"}).status == 200
        return placed

    def proposes(self, placed: Placed, item: str, replacement: Any) -> None:
        body = {"proposals": [{"item": item, "replacement": replacement, "reason": "sold out"}]}
        answer = self.tablet.call("PUT", f"/orders/tracking/{placed.ref}/substitutions", body)
        assert answer.status == 200, answer

    def is_ready(self, placed: Placed) -> None:
        said = self.tablet.call("PUT", f"/orders/tracking/{placed.ref}/status", {"status": "READY_FOR_PICKUP"})
        assert said.status == 200, said


def link_in_mail(scene: Scene, placed: Placed) -> str:
    """What the customer was written about the suggestion."""

    def written() -> str | None:
        mails = [mail for mail in scene.list_messages("email", scene.email_of(placed)) if "suggests" in mail["title"]]
        found = re.search(r"http\S+/track/[\w-]+", mails[0]["body"]) if mails else None
        return found[0] if found else None

    return str(scene.wait_for(written, "the mail with the link"))


def press(address: str, answer: str) -> requests.Response:
    page = requests.get(address, timeout=20).text
    form = {
        "form_token": re.findall(r'name="form_token" value="(\w+)"', page)[0],
        "substitution": re.findall(r'name="substitution" value="(\w+)"', page)[0],
        "answer": answer,
    }
    return requests.post(f"{address}/answer", form, allow_redirects=False, timeout=20)


# spec: O6, P4, T1, T3, M1, M7, N2, N4
def test_the_customer_takes_a_cheaper_replacement_and_gets_the_difference(scene):
    shop = Shop(scene)
    placed, rider = shop.picks(), scene.add_rider()
    scene.expect_balance(PayeeKind.STORE, scene.store.pk, 3_700, 0)
    shop.proposes(placed, "thali", BIRYANI)
    assert scene.read_tracking(placed)["current_status"] == "SUBSTITUTIONS_NEEDED"
    address = link_in_mail(scene, placed)
    assert press(address, "accept").status_code == 303
    told = scene.read_tracking(placed)
    assert (told["current_status"], told["total_minor"], told["authorised_minor"]) == (
        "PICKING_IN_PROGRESS",
        3_000 + 225 + 200 + 500,
        TOTAL_MINOR,
    )
    back = TOTAL_MINOR - told["total_minor"]
    scene.wait_for(lambda: scene.read_charge(placed) == (TOTAL_MINOR, back), "the difference at Stripe")
    left = 3_000 - 450 + 225  # what the store would have earned, had it been ordered so
    scene.expect_balance(PayeeKind.STORE, scene.store.pk, left, 0)
    shop.is_ready(placed)
    scene.carry_order(rider, placed)
    scene.expect_balance(PayeeKind.STORE, scene.store.pk, 0, left)
    scene.expect_balance(PayeeKind.RIDER, rider.rider.pk, 0, 500 + 200)
    scene.expect_emails(scene.email_of(placed), "The store suggests replacements", "Refund on its way", "Delivered")
    scene.expect_emails(scene.store.recipient.email, "Replacement wanted")
    assert press_again(address).status_code == 400
    assert scene.read_tracking(placed)["payment_status"] == "partly_refunded"


def press_again(address: str) -> requests.Response:
    """Nothing is asked any more."""
    page = requests.get(address, timeout=20).text
    token = re.findall(r'name="form_token" value="(\w+)"', page)
    form = {"form_token": token[0] if token else "", "substitution": "s_gone", "answer": "accept"}
    return requests.post(f"{address}/answer", form, allow_redirects=False, timeout=20)


# spec: O6, O5, P4, M7, N2
@pytest.mark.parametrize(
    ("preference", "title", "total"),
    [("refuse", "Item left out", 1_000 + 75 + 700), ("accept", "Item replaced", 3_000 + 225 + 700)],
)
def test_a_silent_customer_gets_what_they_said_when_they_ordered(scene, preference: str, title: str, total: int):
    shop = Shop(scene, substitution_decide_s=1)
    placed = shop.picks(substitution_preference=preference)
    shop.proposes(placed, "thali", BIRYANI)
    scene.wait_for_status(placed, "picking_in_progress")
    assert scene.read_tracking(placed)["total_minor"] == total
    scene.wait_for(lambda: scene.read_charge(placed) == (TOTAL_MINOR, TOTAL_MINOR - total), "the difference at Stripe")
    scene.expect_emails(scene.email_of(placed), title, "Refund on its way")


# spec: O6, O7, P4, M7
def test_an_order_of_which_nothing_is_left_is_called_off_and_paid_back(scene):
    shop = Shop(scene)
    placed = shop.picks()
    shop.proposes(placed, "thali", None)
    shop.proposes(placed, "lassi", None)
    scene.wait_for_status(placed, "refunded")
    assert scene.read_charge(placed) == (TOTAL_MINOR, TOTAL_MINOR)
    assert sorted(Refund.objects.filter(order__public_id=placed.ref).values_list("amount_minor", flat=True)) == [
        700,
        1_075,
        3_225,
    ]
    scene.expect_balance(PayeeKind.STORE, scene.store.pk, 0, 0)
    assert placed.row.cancel_reason == "Nothing of it is available"
