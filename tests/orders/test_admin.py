"""The console's pages: read-only, actions by role with a reason on a confirm page, lists that never count all."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from deliveries.lifecycle import DeliveryStatus
from foundation import clock
from foundation.models import Event, Role, User
from foundation.work import WorkState
from notifications.models import Message
from orders import promised_times
from orders.lifecycle import OrderStatus
from orders.models import Order, PosRelay, Refund, Store
from orders.place_order import RequestedItem
from tests import builders

pytestmark = pytest.mark.django_db
LIST = "admin:orders_order_changelist"


def signed_in(role: Role) -> tuple[Client, User]:
    person, client = builders.user(role), Client()
    client.force_login(person)
    return client, person


@pytest.fixture
def lead() -> Client:
    return signed_in(Role.OPS_LEAD)[0]


def act(client: Client, url: str, action: str, *rows, **fields) -> str:
    """Choose the action, then send its confirm page with these fields; returns what the list says then."""
    ticked = {"action": action, "_selected_action": [row.pk for row in rows]}
    page = client.post(url, ticked)
    if page.status_code != 200 or b"nonce" not in page.content:
        return client.get(url).content.decode()
    nonce = re.search(r'name="nonce" value="([^"]+)"', page.content.decode())
    assert nonce is not None
    form = {**ticked, "confirmed": "1", "nonce": nonce[1], "reason": "customer called", **fields}
    answer = client.post(url, form, follow=True)
    return answer.content.decode()


# spec: A3
def test_cancel_asks_for_a_reason_and_leaves_its_trace(lead) -> None:
    order = builders.paid_order()
    url = reverse(LIST)
    page = client_page = lead.post(url, {"action": "cancel_order", "_selected_action": [order.pk]})
    assert page.status_code == 200
    assert order.order_id in client_page.content.decode()
    order.refresh_from_db()
    assert order.status == OrderStatus.STORE_NOTIFIED  # asked, not done

    assert "cancelled" in act(lead, url, "cancel_order", order)
    order.refresh_from_db()
    assert (order.status, order.cancel_reason) == (OrderStatus.CANCELLED, "customer called")
    event = Event.objects.filter(order_ref=order.public_id, name="order.status_changed").latest("version")
    assert event.actor == f"user:{lead.session['_auth_user_id']}"
    assert (event.cause, event.data["why"]) == ("admin", "customer called")
    assert "customer called" in LogEntry.objects.get().change_message


# spec: A3
def test_without_a_reason_nothing_happens(lead) -> None:
    order = builders.paid_order()
    body = act(lead, reverse(LIST), "cancel_order", order, reason="  ")
    assert "This field is required" in body
    order.refresh_from_db()
    assert order.status == OrderStatus.STORE_NOTIFIED


# spec: A3
def test_what_cannot_be_done_is_said_row_by_row_and_stops_no_other(lead) -> None:
    gone, fine = builders.ready(builders.paid_order()), builders.paid_order()
    Order.objects.filter(pk=gone.pk).update(status=OrderStatus.IN_TRANSIT)
    body = act(lead, reverse(LIST), "cancel_order", gone, fine)
    assert "Invalid status transition from in_transit to cancelled" in body
    fine.refresh_from_db()
    assert fine.status == OrderStatus.CANCELLED
    assert LogEntry.objects.count() == 1


# spec: A3
@pytest.mark.parametrize(("amount", "expected"), [("", 45_000), ("120.50", 12_050), ("450", 45_000)])
def test_refund_a_part_or_all(lead, amount, expected) -> None:
    order = builders.paid_order()
    act(lead, reverse(LIST), "refund_order", order, amount=amount)
    assert Refund.objects.get(order=order).amount_minor == expected


@pytest.mark.parametrize(
    ("amount", "said"), [("450.01", "at most ₹450.00"), ("0.001", "no such small unit"), ("-1", "")]
)
def test_a_refund_that_cannot_be_is_refused(lead, amount, said) -> None:
    order = builders.paid_order()
    assert said in act(lead, reverse(LIST), "refund_order", order, amount=amount)
    assert not Refund.objects.exists()


def test_the_same_refund_page_sent_twice_is_one_refund_and_another_page_another(lead) -> None:
    order, url = builders.paid_order(), reverse(LIST)
    form = {
        "action": "refund_order",
        "_selected_action": [order.pk],
        "confirmed": "1",
        "nonce": "1b4e28ba-2fa1-4d2e-883f-0016d3cca427",
        "reason": "cold food",
        "amount": "100",
    }
    for _ in range(2):
        lead.post(url, form)
    assert Refund.objects.count() == 1
    lead.post(url, {**form, "nonce": "6fa459ea-ee8a-4ca4-894e-db77e160355e"})
    assert Refund.objects.count() == 2


# spec: A3, O1
def test_a_status_is_forced_along_the_table_only(lead) -> None:
    order, url = builders.paid_order(), reverse(LIST)
    body = act(lead, url, "force_status", order, to="ready_for_pickup")
    assert "Invalid status transition" in body
    assert "set to confirmed" in act(lead, url, "force_status", order, to="confirmed")
    order.refresh_from_db()
    assert order.status == OrderStatus.CONFIRMED
    other = builders.paid_order()
    act(lead, url, "force_status", other, to="failed")
    other.refresh_from_db()
    assert other.status == OrderStatus.FAILED
    assert Refund.objects.filter(order=other).exists()


# spec: A3, O6
def test_ops_answers_the_stores_suggestions_for_a_customer(lead) -> None:
    order, url = builders.basket(("Thali", 2, 20_000), ("Lassi", 1, 10_000)), reverse(LIST)
    assert "nothing waits for an answer" in act(lead, url, "answer_for_customer", order, answer="accept")
    builders.suggested(order, (0, RequestedItem(name="Biryani", quantity=1, price_minor=25_000)), (1, None))
    assert "1 answered" in act(lead, url, "answer_for_customer", order, answer="accept")
    order.refresh_from_db()
    assert (order.status, order.total_minor) == (OrderStatus.PICKING_IN_PROGRESS, 30_000)
    page = lead.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert "1 × Biryani, ₹250.00 (replaced)" in page
    assert "1 × Lassi, ₹100.00 (left out)" in page
    assert f"accepted ops user:{lead.session['_auth_user_id']}" in page


# spec: A5
@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.OPS_LEAD, {"cancel_order", "refund_order", "force_status"}),
        (Role.OPS_AGENT, {"cancel_order"}),
        (Role.FINANCE, {"refund_order"}),
        (Role.READ_ONLY, set()),
    ],
)
def test_each_role_has_its_actions(role, allowed) -> None:
    client, _ = signed_in(role)
    order = builders.acknowledged(builders.paid_order())
    page = client.get(reverse(LIST)).content.decode()
    assert order.order_id in page
    offered = {action for action in ("cancel_order", "refund_order", "force_status") if f'value="{action}"' in page}
    assert offered == allowed
    before = Event.objects.count()
    for action in {"cancel_order", "refund_order", "force_status"} - allowed:
        act(client, reverse(LIST), action, order, to="ready_for_pickup")
    assert Event.objects.count() == before


@pytest.mark.parametrize("role", [Role.RIDER, Role.STORE_STAFF, Role.STOREFRONT, Role.CUSTOMER])
def test_nobody_else_gets_in(role) -> None:
    client, _ = signed_in(role)
    assert client.get(reverse(LIST)).status_code == 302


# spec: A5
def test_nothing_is_edited_by_hand(lead) -> None:
    order = builders.paid_order()
    change = reverse("admin:orders_order_change", args=[order.pk])
    page = lead.get(change).content.decode()
    assert "order.payment_confirmed" in page  # the timeline
    assert "2 × Thali" in page
    assert 'name="_save"' not in page
    assert lead.post(change, {"status": "delivered"}).status_code == 403
    assert lead.get(reverse("admin:orders_order_add")).status_code == 403
    assert lead.post(reverse("admin:orders_order_delete", args=[order.pk])).status_code == 403


# spec: A5
def test_select_all_never_acts_on_rows_that_nobody_sees(lead) -> None:
    orders = [builders.paid_order() for _ in range(2)]
    url = reverse(LIST)
    lead.post(
        url, {"action": "cancel_order", "_selected_action": [orders[0].pk], "select_across": "1", "confirmed": "1"}
    )
    assert not Order.objects.filter(status=OrderStatus.CANCELLED).exists()


# spec: A5
def test_the_list_counts_at_most_so_many_rows_and_shows_the_last_day(lead) -> None:
    old, new = builders.paid_order(), builders.paid_order()
    Order.objects.filter(pk=old.pk).update(created_at="2026-01-01T00:00:00Z")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = lead.get(reverse(LIST)).content.decode()
    assert new.order_id in page
    assert f">{old.order_id}<" not in page
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert counts
    assert all("LIMIT 10000" in sql for sql in counts if "orders_order" in sql)
    assert f">{old.order_id}<" in lead.get(reverse(LIST) + "?age=all").content.decode()


def shown(page: str, *orders: Order) -> list[str]:
    """Those of the orders that the page lists, in its order."""
    places = {order.order_id: page.find(f">{order.order_id}<") for order in orders}
    return sorted((name for name, place in places.items() if place >= 0), key=lambda name: places[name])


# spec: D7, A1
def test_late_orders_stand_first_with_how_late_they_are(lead) -> None:
    now = clock.now()
    ages = {"fine": (60, 50), "at_risk": (5, 20), "late": (-10, 3), "very late": (-40, None), "no promise": (None, 90)}
    orders = {}
    for name, (promised, expected) in ages.items():
        placed = orders[name] = builders.acknowledged(builders.paid_order())
        times = {"promised_at": promised, "eta_at": expected}
        times = {column: now + timedelta(minutes=minutes) for column, minutes in times.items() if minutes is not None}
        Order.objects.filter(pk=placed.pk).update(created_at=now - timedelta(days=3), **times)
    over = builders.moved(builders.assigned(), DeliveryStatus.DELIVERED).order
    unpaid = builders.order(promised_at=now - timedelta(hours=1))
    Order.objects.filter(pk=over.pk).update(promised_at=now - timedelta(hours=1))
    url, everything = reverse(LIST), (*orders.values(), over, unpaid)

    def listed(progress: str) -> list[str]:
        found = shown(lead.get(url, {"progress": progress}).content.decode(), *everything)
        return [name for wanted in found for name, placed in orders.items() if placed.order_id == wanted]

    assert listed("late") == ["very late", "late"]
    assert listed("at_risk") == ["very late", "late", "at_risk"]
    assert listed("open")[:4] == ["very late", "late", "at_risk", "fine"]
    page = lead.get(url, {"progress": "at_risk"}).content.decode()
    assert [minutes for minutes in ("40 min", "13 min", "10 min", "15 min") if f">{minutes}<" in page] == [
        "40 min", "13 min", "15 min",
    ]  # fmt: skip
    home = lead.get(reverse("admin:home")).content.decode()
    assert f"{url}?progress=at_risk" in home
    assert f"{url}?progress=late" in home


# spec: D7, A5
@pytest.mark.parametrize("find", [promised_times.late_orders, promised_times.at_risk_orders])
def test_what_is_late_is_found_by_an_index_on_the_promises_that_live(find) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")  # what there is hardly anything of is sorted for nothing
        plan = find(clock.now()).order_by("promised_at", "-pk")[:50].explain()
    # Both hold live orders only; which of the two serves better depends on how many there are.
    assert "order_promised" in plan or "order_at_work" in plan, plan


# spec: R4
def test_ops_say_how_a_store_judges_positions(lead) -> None:
    store, url = builders.store(), reverse("admin:orders_store_changelist")
    assert store.position_policy == "hard"
    assert "judges positions: tolerant" in act(lead, url, "judge_positions", store, policy="tolerant")
    store.refresh_from_db()
    assert store.position_policy == "tolerant"
    changed = Event.objects.get(name="store.position_policy_changed")
    assert changed.data == {"from": "hard", "to": "tolerant", "why": "customer called"}
    assert "nothing to change" in act(lead, url, "judge_positions", store, policy="tolerant")
    agent = signed_in(Role.OPS_AGENT)[0]
    act(agent, url, "judge_positions", store, policy="hard")
    store.refresh_from_db()
    assert store.position_policy == "tolerant"


# spec: A5
@pytest.mark.parametrize("name", ["public_id", "order_id", "stripe_payment_intent"])
def test_the_search_finds_exact_ids_of_any_age(lead, name) -> None:
    order, other = builders.paid_order(), builders.paid_order()
    Order.objects.filter(pk=order.pk).update(created_at="2026-01-01T00:00:00Z")
    page = lead.get(reverse(LIST), {"q": getattr(order, name)}).content.decode()
    assert order.public_id in page
    assert other.public_id not in page


@pytest.mark.parametrize(
    "model",
    ["store", "storestaff", "customer", "payment", "refund", "posrelay", "intentcancellation", "preparationtime"],
)
def test_every_list_and_page_opens(lead, model) -> None:
    order = builders.paid_order(of=builders.petpooja_store(pos_callback_token="s3cret-token"))
    builders.order()
    assert lead.get(reverse(f"admin:orders_{model}_changelist")).status_code == 200
    if model == "store":
        page = lead.get(reverse("admin:orders_store_change", args=[order.store_id])).content.decode()
        assert "s3cret-token" not in page


def test_a_store_is_closed_and_opened_with_a_reason(lead) -> None:
    store, url = builders.store(), reverse("admin:orders_store_changelist")
    act(lead, url, "close_store", store)
    assert not Store.objects.get(pk=store.pk).is_available
    assert Event.objects.get(name="store.availability_changed").data["why"] == "customer called"
    assert "nothing to change" in act(lead, url, "close_store", store)


# spec: A3
def test_a_dead_refund_can_be_sent_again(lead) -> None:
    order = builders.paid_order()
    act(lead, reverse(LIST), "refund_order", order, amount="")
    url = reverse("admin:orders_refund_changelist")
    refund = Refund.objects.get()
    assert "only a dead row" in act(lead, url, "send_again", refund)
    Refund.objects.update(state=WorkState.DEAD, retry_count=48)
    act(lead, url, "send_again", refund)
    refund.refresh_from_db()
    assert (refund.state, refund.retry_count) == (WorkState.PENDING, 0)
    assert not PosRelay.objects.exists()
    assert not Message.objects.filter(event="order.refunded").exists()
