"""PetPooja's wire: what we send, how its answers and callbacks are read. The relay calls the sandbox."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from foundation import clock
from foundation.errors import Invalid, NotFound, Permanent, Transient, Unknown
from foundation.models import OutboundCall
from foundation.work import WorkState
from notifications.models import Incident, Message
from orders import cancellation, pos
from orders.evidence import PosSignal
from orders.lifecycle import OrderStatus
from orders.models import Order, PosRelay, Refund, Store
from orders.pos import outbox, petpooja
from tests import builders

CALLBACK = {
    "restID": "rest7",
    "orderID": "o_abc",
    "status": "1",
    "cancel_reason": "",
    "minimum_prep_time": 20,
    "minimum_delivery_time": "",
    "rider_name": "",
    "rider_phone_number": "",
    "is_modified": "No",
}


def callback(**changes) -> dict:
    return {**CALLBACK, **changes}


# ── reading callbacks ────────────────────────────────────────────────────────────────────────────────────────────
# spec: O5
@pytest.mark.parametrize(
    ("status", "news"),
    [
        ("-1", PosSignal.CANCELLED),
        ("1", PosSignal.ACCEPTED),
        ("2", PosSignal.ACCEPTED),
        ("3", PosSignal.ACCEPTED),
        ("5", PosSignal.READY),
        ("4", PosSignal.IGNORED),
        ("10", PosSignal.IGNORED),
        (-1, PosSignal.CANCELLED),
        (5, PosSignal.READY),
        (" 3 ", PosSignal.ACCEPTED),
    ],
)
def test_the_codes_as_text_or_number(status, news) -> None:
    assert petpooja.read_callback("blue-door", callback(status=status)).news == news


def test_everything_a_callback_tells() -> None:
    payload = callback(
        status="-1",
        cancel_reason="out of dough",
        minimum_prep_time="35",
        rider_name="Ravi",
        rider_phone_number=919812345678,
        is_modified="Yes",
    )
    read = petpooja.read_callback("blue-door", payload, token="t0ken")
    assert (read.store_slug, read.rest_id, read.order_ref, read.token) == ("blue-door", "rest7", "o_abc", "t0ken")
    assert (read.reason, read.prep_minutes, read.is_modified) == ("out of dough", 35, True)
    assert (read.rider_name, read.rider_phone) == ("Ravi", "919812345678")
    assert read.payload == payload
    assert "t0ken" not in repr(read)


# spec: O5, W7
@pytest.mark.parametrize(
    ("payload", "field", "code"),
    [
        ([], "body", "VALIDATION_ERROR"),
        ("text", "body", "VALIDATION_ERROR"),
        (None, "body", "VALIDATION_ERROR"),
        (callback(status="7"), "status", "UNKNOWN_STATUS"),
        (callback(status="0"), "status", "UNKNOWN_STATUS"),
        (callback(status=""), "status", "VALIDATION_ERROR"),
        (callback(status=None), "status", "VALIDATION_ERROR"),
        (callback(status=True), "status", "VALIDATION_ERROR"),
        (callback(status={"a": 1}), "status", "VALIDATION_ERROR"),
        (callback(status=1.0), "status", "VALIDATION_ERROR"),
        ({"status": "1"}, "orderID", "MALFORMED_ID"),
        (callback(orderID=""), "orderID", "MALFORMED_ID"),
        (callback(orderID="a b"), "orderID", "MALFORMED_ID"),
        (callback(orderID="x" * 65), "orderID", "MALFORMED_ID"),
        (callback(orderID=["o"]), "orderID", "MALFORMED_ID"),
    ],
)
def test_what_is_no_callback_is_400_with_its_field(payload, field, code) -> None:
    with pytest.raises(Invalid) as refused:
        petpooja.read_callback("blue-door", payload)
    assert (refused.value.status, refused.value.field, refused.value.code) == (400, field, code)
    body = petpooja.refused_body(refused.value, payload)
    assert set(body) == {"success", "message", "order_id"}
    assert body["success"] is False
    assert body["message"].startswith(f"{field}: ")


@pytest.mark.parametrize("slug", ["", "a/b", "a b", "x" * 61, "caf\u00e9"])
def test_what_is_no_slug_is_400(slug) -> None:
    with pytest.raises(Invalid) as refused:
        petpooja.read_callback(slug, callback())
    assert refused.value.field == "restaurant_slug"


@pytest.mark.parametrize("minutes", ["", None, "soon", -5, 0, "1441", 1e9, [20], "²"])
def test_a_preparation_time_that_cannot_be_is_none(minutes) -> None:
    assert petpooja.read_callback("s", callback(minimum_prep_time=minutes)).prep_minutes is None


# spec: W2
def test_the_same_content_is_the_same_event_and_news_is_another() -> None:
    kind, first = petpooja.identify_callback(callback())
    reordered = dict(reversed(callback().items()))
    assert kind == "order.1"
    assert petpooja.identify_callback(reordered) == (kind, first)
    others = [
        callback(status="2"),
        callback(is_modified="Yes"),
        callback(minimum_prep_time=25),
        callback(orderID="o_x"),
    ]
    ids = {petpooja.identify_callback(other)[1] for other in others}
    assert len(ids | {first}) == 5
    assert all(len(event_id) <= 255 for event_id in ids)


# ── what we send ─────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("minor", "currency", "expected"),
    [(1250, "INR", "12.50"), (5, "USD", "0.05"), (700, "JPY", "700"), (1234, "KWD", "1.234"), (0, "INR", "0.00")],
)
def test_amounts_are_exact_decimals(minor, currency, expected) -> None:
    assert petpooja.format_major(minor, currency) == expected


@pytest.mark.django_db
def test_the_callback_url_has_the_store_s_slug_and_token(settings) -> None:
    settings.PUBLIC_URL = "https://handoff.example"
    order = builders.order(of=builders.petpooja_store(slug="blue-door"))
    assert petpooja.callback_url(order) == "https://handoff.example/pp_callback/blue-door/"
    order.store.pos_callback_token = "a&b=/ü"
    assert petpooja.callback_url(order).endswith("/pp_callback/blue-door/?token=a%26b%3D%2F%C3%BC")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"success": "0", "errorCode": "SO_105", "message": "bad", "validation_errors": {"x": "y"}}, Permanent),
        ({"success": 0, "errorCode": "SO_101"}, Permanent),
        ({"success": "0"}, Permanent),
        ({"success": "0", "errorCode": "GN_105", "message": "Invalid client credentials."}, Transient),
        ({"success": "yes"}, Unknown),
        ({}, Unknown),
        ([], Unknown),
        (None, Unknown),
    ],
)
def test_http_200_says_nothing_success_does(answer, outcome) -> None:
    with pytest.raises(outcome):
        petpooja._require_success(answer)


def test_every_pos_of_a_store_is_registered() -> None:
    assert set(pos.REGISTRY) == set(Store.Pos.values) - {Store.Pos.TABLET}
    assert pos.find_pos(Store(pos_kind="tablet")) is None


# ── the relay ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def relayed(db, sandbox) -> Order:
    return builders.paid_order(of=builders.petpooja_store())


def relay(order: Order, kind: str = "save") -> PosRelay:
    return PosRelay.objects.get(order=order, kind=kind)


def make_due() -> None:
    PosRelay.objects.filter(state=WorkState.PENDING).update(due_at=Now())


def at_pos(sandbox, order: Order) -> dict | None:
    return sandbox.control("GET", f"petpooja/orders/{order.public_id}")["order"]


# spec: O5
def test_a_paid_order_is_saved_at_the_pos_and_the_store_counts_as_told(sandbox, relayed, work_off) -> None:
    work_off(outbox.QUEUE)
    relayed.refresh_from_db()
    assert relay(relayed).state == WorkState.DONE
    assert relayed.status == OrderStatus.STORE_NOTIFIED
    there = at_pos(sandbox, relayed)
    assert there is not None
    assert there["orderID"] == relayed.pos_order_id
    assert there["clientOrderID"] == relayed.public_id
    assert (there["restID"], there["total"]) == (relayed.store.pos_rest_id, "450.00")
    assert there["callback_url"].endswith(f"/pp_callback/{relayed.store.slug}/")
    assert there["items"][0]["price"] == "200.00"


# spec: C8
def test_the_call_is_kept_without_credentials(sandbox, relayed, work_off, settings) -> None:
    work_off(outbox.QUEUE)
    call = OutboundCall.objects.get(provider="petpooja", purpose="save_order")
    kept = str(call.request)
    for secret in (settings.PETPOOJA_APP_KEY, settings.PETPOOJA_APP_SECRET, settings.PETPOOJA_ACCESS_TOKEN):
        assert secret not in kept
    assert call.reference == f"order:{relayed.pk}"


# spec: O5
@pytest.mark.parametrize("kind", ["lost_answer", "error_500"])
def test_an_unknown_outcome_is_tried_again_with_the_same_order_id(sandbox, relayed, work_off, kind) -> None:
    sandbox.fault("petpooja", "answer", kind, times=1)
    work_off(outbox.QUEUE)
    assert relay(relayed).state == WorkState.PENDING
    make_due()
    work_off(outbox.QUEUE)
    relayed.refresh_from_db()
    assert relayed.status == OrderStatus.STORE_NOTIFIED
    assert at_pos(sandbox, relayed)["times_saved"] == (2 if kind == "lost_answer" else 1)


# spec: O5
def test_a_callback_proves_that_the_pos_has_the_order(sandbox, relayed, work_off) -> None:
    """The answer was lost, the callback came: nothing is sent again, nothing is given up."""
    sandbox.fault("petpooja", "answer", "lost_answer", times=1)
    work_off(outbox.QUEUE)
    builders.pos_says(relayed, "1")
    make_due()
    work_off(outbox.QUEUE)
    relayed.refresh_from_db()
    assert (relay(relayed).state, relayed.status) == (WorkState.DONE, OrderStatus.CONFIRMED)
    assert at_pos(sandbox, relayed)["times_saved"] == 1


# spec: O5, O7
def test_an_order_that_the_pos_refuses_for_good_fails_with_a_refund(sandbox, relayed, work_off) -> None:
    sandbox.control("PUT", f"petpooja/orders/{relayed.public_id}", {"outcome": "refuse", "cancel_reason": "closed"})
    work_off(outbox.QUEUE)
    relayed.refresh_from_db()
    assert relay(relayed).state == WorkState.DEAD
    assert relayed.status == OrderStatus.FAILED
    assert relayed.failed_at is not None
    assert Refund.objects.get(order=relayed).amount_minor == relayed.total_minor
    assert Message.objects.filter(order_ref=relayed.public_id, event="order.cancelled").exists()
    assert "closed" in Incident.objects.get(kind=outbox.REFUSED).title
    assert not PosRelay.objects.filter(kind="cancel").exists()


# spec: O5
def test_a_pos_that_nobody_can_reach_fails_the_order_and_takes_it_back(sandbox, relayed, work_off, settings) -> None:
    settings.PETPOOJA_API_BASE = "http://127.0.0.1:9"
    PosRelay.objects.update(retry_count=outbox.QUEUE.schedule.tries - 1)
    work_off(outbox.QUEUE)
    relayed.refresh_from_db()
    assert relayed.status == OrderStatus.FAILED
    assert relay(relayed, "cancel").state == WorkState.PENDING  # nobody knows whether an earlier try got through
    make_due()
    settings.PETPOOJA_API_BASE = sandbox.env["PETPOOJA_API_BASE"]
    work_off(outbox.QUEUE)
    assert relay(relayed, "cancel").state == WorkState.DEAD
    assert not Incident.objects.filter(kind=outbox.NOT_STOPPED).exists()  # it never had it


def test_wrong_credentials_are_ours_to_mend_not_the_order_s_end(sandbox, relayed, work_off, settings) -> None:
    settings.PETPOOJA_APP_KEY = "an old one"
    work_off(outbox.QUEUE)
    relayed.refresh_from_db()
    assert relay(relayed).state == WorkState.PENDING
    assert relayed.status == OrderStatus.PAYMENT_CONFIRMED
    settings.PETPOOJA_APP_KEY = sandbox.env["PETPOOJA_APP_KEY"]
    make_due()
    work_off(outbox.QUEUE)
    relayed.refresh_from_db()
    assert relayed.status == OrderStatus.STORE_NOTIFIED


# spec: O7
def test_a_cancelled_order_is_taken_back_from_the_pos(sandbox, relayed, work_off) -> None:
    work_off(outbox.QUEUE)
    cancellation.cancel_by_person(relayed.pk, by=builders.TEST, reason="changed their mind")
    work_off(outbox.QUEUE)
    assert relay(relayed, "cancel").state == WorkState.DONE
    there = at_pos(sandbox, relayed)
    assert (there["state"], there["cancel_reason"]) == ("cancelled", "changed their mind")


def test_a_cancellation_waits_for_the_save_that_is_under_way(sandbox, relayed, work_off) -> None:
    PosRelay.claim_batch(limit=1, lease_s=60)  # a worker is saving it right now
    cancellation.cancel_by_person(relayed.pk, by=builders.TEST, reason="changed their mind")
    work_off(outbox.QUEUE)
    waiting = relay(relayed, "cancel")
    assert (waiting.state, waiting.retry_count) == (WorkState.PENDING, 0)


def test_an_order_that_was_cancelled_before_it_was_sent_is_not_sent(sandbox, relayed, work_off) -> None:
    PosRelay.objects.update(retry_count=1)  # tried before, in vain
    cancellation.cancel_by_person(relayed.pk, by=builders.TEST, reason="changed their mind")
    PosRelay.objects.filter(kind="cancel").update(due_at=clock.now() + timedelta(minutes=1))
    work_off(outbox.QUEUE)
    make_due()
    work_off(outbox.QUEUE)
    assert {kind: relay(relayed, kind).state for kind in ("save", "cancel")} == {
        "save": WorkState.IGNORED,
        "cancel": WorkState.IGNORED,
    }
    assert at_pos(sandbox, relayed) is None


def test_the_error_body_takes_any_payload() -> None:
    for payload in (None, [], "x", {"orderID": 7}, {"orderID": "A-1"}):
        body = petpooja.refused_body(NotFound("Order not found"), payload)
        assert body["message"] == "Order not found"
        assert body["order_id"] == ("A-1" if payload == {"orderID": "A-1"} else None)
    assert petpooja.refused_body("Something went wrong", {})["message"] == "Something went wrong"
