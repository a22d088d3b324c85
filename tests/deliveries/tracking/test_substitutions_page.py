"""Substitutions on the customer's page (SPEC O6, T3): what the store suggests, the answer, and what it costs then."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from orders.lifecycle import OrderStatus, SubstitutionPreference
from orders.models import Order, Substitution
from orders.place_order import RequestedItem
from tests.builders import basket, order, ready, store, suggested
from tests.deliveries.tracking.test_page import send, shown, state

pytestmark = pytest.mark.django_db
BIRYANI = RequestedItem(name="Biryani <b>", quantity=1, price_minor=25_000)


def dinner(**facts: Any) -> Order:
    return basket(("Thali", 2, 20_000), ("Lassi", 1, 10_000), tax_minor=2_500, of=store(time_zone="UTC"), **facts)


def asked() -> tuple[Order, Substitution]:
    placed = dinner()
    (one,) = suggested(placed, (0, BIRYANI))
    return placed, one


# spec: O6, T3
def test_the_page_asks_without_javascript():
    placed, one = asked()
    page = shown(placed)
    for part in (
        "The store suggests replacements",
        "Please answer below.",
        'Instead of <span data-part="item">2 × Thali (₹400.00)</span>',
        "1 × Biryani &lt;b&gt; (₹250.00)",
        f"Please answer by {one.decide_by:%H:%M}.",
        f'name="substitution" value="{one.public_id}"',
    ):
        assert part in page, part
    assert re.findall(r'<button name="answer" value="(\w+)"', page) == ["accept", "leave_out"] * 2  # and the template's


# spec: O6, T3
@pytest.mark.parametrize(
    ("answer", "line", "total"),
    [
        ("accept", {"text": "1 × Biryani <b>", "price": "₹250.00", "note": "instead of 2 × Thali"}, "₹417.50"),
        ("leave_out", {"text": "2 × Thali", "price": "₹400.00", "note": "left out, not charged"}, "₹155.00"),
    ],
)
def test_the_answer_changes_what_comes_and_what_it_costs(answer: str, line: dict[str, str], total: str):
    placed, one = asked()
    reply = send(placed, "answer", substitution=one.public_id, answer=answer)
    assert (reply.status_code, reply["Location"]) == (303, reply["Location"])
    told = state(placed)
    assert (told["suggestions"], told["status"]) == ([], "PICKING_IN_PROGRESS")
    assert (told["lines"][0], told["total"]) == (line, total)
    assert told["less"].startswith("You paid ₹575.00; ₹")
    one.refresh_from_db()
    assert (one.how, one.decided_by) == ("page", f"customer:{placed.customer_id}")


# spec: O6
def test_another_answer_is_refused_on_the_page():
    placed, one = asked()
    send(placed, "answer", substitution=one.public_id, answer="accept")
    assert send(placed, "answer", substitution=one.public_id, answer="accept").status_code == 303
    reply = send(placed, "answer", substitution=one.public_id, answer="leave_out")
    assert (reply.status_code, "This was decided otherwise before" in reply.content.decode()) == (409, True)
    reply = send(placed, "answer", substitution="s_other", answer="accept")
    assert (reply.status_code, "There is no such suggestion" in reply.content.decode()) == (400, True)
    assert send(placed, "answer", substitution=one.public_id, answer="perhaps").status_code == 400


# spec: O6
def test_an_answer_after_the_deadline_is_too_late():
    placed, one = asked()
    Substitution.objects.update(decide_by=F("decide_by") - timedelta(hours=1))
    assert send(placed, "answer", substitution=one.public_id, answer="accept").status_code == 409


# spec: O6, T3
def test_the_standing_preference_is_shown_and_changed_until_it_is_picked():
    placed = dinner()
    assert '<option value="refuse" selected>' in shown(placed)
    assert send(placed, "missing", prefers="accept").status_code == 303
    assert state(placed)["prefers"] == SubstitutionPreference.ACCEPT
    assert send(placed, "missing", prefers="whatever").status_code == 400
    ready(placed)
    assert state(placed)["may_prefer"] is False
    assert send(placed, "missing", prefers="refuse").status_code == 409


def test_nothing_is_asked_before_and_afterwards():
    fresh = order()
    assert state(fresh)["suggestions"] == []
    placed, _ = asked()
    ready(placed)
    told = state(placed)
    assert (told["suggestions"], told["lines"][0]["note"]) == ([], "left out, not charged")
    assert Order.objects.get(pk=placed.pk).status == OrderStatus.READY_FOR_PICKUP
