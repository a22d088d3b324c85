"""The same stories on days when everything goes wrong between two companies: the same ends, and the ledger proved."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from foundation import clock
from foundation.events import Cause
from foundation.models import Event
from notifications.models import Message
from orders.models import Refund
from payouts.models import LedgerEntry, PayeeKind, Payout
from payouts.runs import runs
from tests.flows.people import Placed, RiderPhone, Scene

TOTAL_MINOR, SHARE_MINOR, EARNED_MINOR = 5_000, 3_700, 700

WEBHOOKS = [
    {"provider": "stripe", "direction": "webhook", "kind": "duplicate", "share": 0.3},
    {"provider": "stripe", "direction": "webhook", "kind": "reorder", "share": 0.3},
    {"provider": "stripe", "direction": "webhook", "kind": "delay", "share": 0.2, "seconds": 0.5},
    {"provider": "stripe", "direction": "webhook", "kind": "lost_answer", "share": 0.2},
    {"provider": "stripe", "direction": "webhook", "kind": "wrong_signature", "share": 0.1},
    {"provider": "petpooja", "direction": "webhook", "kind": "duplicate", "share": 0.3},
    {"provider": "petpooja", "direction": "webhook", "kind": "reorder", "share": 0.3},
]
LOST = [
    {"provider": "stripe", "direction": "answer", "kind": "lost_answer", "path": "/v1/refunds", "share": 0.6},
    {"provider": "stripe", "direction": "answer", "kind": "lost_answer", "path": "/v1/transfers", "share": 0.6},
    {"provider": "petpooja", "direction": "answer", "kind": "lost_answer", "share": 0.4},
]
STORM = [
    {"provider": "stripe", "direction": "answer", "kind": "error_500", "path": "/v1/refunds", "share": 0.5},
    {"provider": "stripe", "direction": "answer", "kind": "error_500", "path": "/v1/transfers", "share": 0.5},
    {"provider": "petpooja", "direction": "answer", "kind": "error_500", "share": 0.4},
    {"provider": "fcm", "direction": "answer", "kind": "error_500", "share": 0.3},
    {"provider": "sendgrid", "direction": "answer", "kind": "error_500", "share": 0.3},
]


@contextmanager
def weather(scene: Scene, faults: list[dict[str, object]]) -> Iterator[None]:
    for fault in faults:
        scene.outside.control("POST", "faults", fault)
    yield
    fired = {rule["kind"] for rule in scene.outside.control("GET", "faults")["faults"] if rule["fired"]}
    scene.outside.control("DELETE", "faults")
    assert fired, "no fault ever fired: this was a fine day"


# spec: P8, O1, O8, P1, P4, M1, M2, M4, M7, W4, W5, R6, N2
@pytest.mark.parametrize("faults", [WEBHOOKS, LOST, STORM], ids=["webhooks", "lost answers", "500 storm"])
def test_the_day_ends_as_it_should(scene, faults):
    riders = [scene.add_rider(), scene.add_rider()]
    with weather(scene, faults):
        good = [scene.place_order() for _ in range(3)]
        refused, cancelled = scene.place_order(), scene.place_order()
        scene.plan_kitchen(refused, outcome="cancel")
        for placed in [*good, cancelled]:
            scene.plan_kitchen(placed)
        for placed in random.sample([*good, refused, cancelled], 5):
            assert scene.pay(placed).ok
        scene.wait_without_delays(lambda: cancelled.status not in ("pending", "payment_confirmed"), "the paid order")
        assert cancel(scene, cancelled) == 200
        for placed in good:
            deliver(scene, riders, placed)
        for placed in (refused, cancelled):
            scene.wait_without_delays(lambda p=placed: p.status == "refunded", f"the refund of {placed.ref}")
        scene.wait_without_delays(
            lambda: scene.read_balance(PayeeKind.STORE, scene.store.pk) == (0, 3 * SHARE_MINOR), "the share"
        )
        freeze(scene)
        scene.wait_for(lambda: payout(scene).submitted_at is not None, "the transfer to be sent")
    a_day_later(scene)
    scene.wait_without_delays(lambda: payout(scene).status == "processing", "the transfer")
    the_end_is_right(scene, riders, good, [refused, cancelled])


def a_day_later(scene: Scene) -> None:
    """Stripe has forgotten its idempotency keys, and with them the 500 that it would repeat under each for a day."""
    scene.outside.control("POST", "stripe/forget_keys")


def cancel(scene: Scene, placed: Placed) -> int:
    return scene.storefront.call("PUT", f"/orders/tracking/{placed.ref}/status", {"status": "CANCELLED"}).status


def deliver(scene: Scene, riders: list[RiderPhone], placed: Placed) -> None:
    """Whoever has the offer on the phone's list takes it: a push may be long in coming on such a day."""

    def offered() -> RiderPhone | None:
        return next((r for r in riders if any(o["id"] == placed.ref for o in active(r))), None)

    rider = scene.wait_without_delays(offered, f"an offer of {placed.ref}")
    assert rider.accept(placed).status == 200
    scene.wait_without_delays(lambda: placed.status == "assigned_to_driver", f"{placed.ref} to be ready")
    for step, at in (("PICKED_UP", scene.centre), ("OUT_FOR_DELIVERY", scene.centre), ("DELIVERED", placed.home)):
        assert rider.report_step(placed, step, at).status == 200


def active(rider: RiderPhone) -> list[dict[str, str]]:
    return list(rider.get("/api/v1/rider/orders").body["data"])


def freeze(scene: Scene) -> None:
    account = scene.find_account(PayeeKind.STORE, scene.store.pk)
    runs.freeze_account(account.pk, clock.now().date().isoformat(), by=Cause("clock"))


def payout(scene: Scene) -> Payout:
    return Payout.objects.get(account=scene.find_account(PayeeKind.STORE, scene.store.pk))


def the_end_is_right(scene: Scene, riders: list[RiderPhone], good: list[Placed], bad: list[Placed]) -> None:
    scene.settle()
    assert {placed.status for placed in good} == {"delivered"}
    assert {scene.read_charge(placed) for placed in good} == {(TOTAL_MINOR, 0)}
    assert {scene.read_charge(placed) for placed in bad} == {(TOTAL_MINOR, TOTAL_MINOR)}
    for placed in bad:
        assert Refund.objects.filter(order=placed.row).count() == 1
        assert len(scene.read_stripe(f"refunds?payment_intent={placed.row.stripe_payment_intent}")["data"]) == 1
    assert sum(sum(scene.read_balance(PayeeKind.RIDER, rider.rider.pk)) for rider in riders) == 3 * EARNED_MINOR
    transfers = scene.outside.control("GET", "stripe/summary")["transfers"]
    mine = [transfer for transfer in transfers if transfer["transfer_group"] == str(payout(scene).public_id)]
    assert [transfer["amount"] for transfer in mine] == [3 * SHARE_MINOR]
    assert scene.read_balance(PayeeKind.STORE, scene.store.pk) == (0, 0)
    nothing_happened_twice(good, bad)


def nothing_happened_twice(good: list[Placed], bad: list[Placed]) -> None:
    for placed in [*good, *bad]:
        once = ("order.payment_confirmed", "order.delivered", "order.cancelled", "order.refunded")
        names = list(Event.objects.filter(order_ref=placed.ref, name__in=once).values_list("name", flat=True))
        assert len(names) == len(set(names)), names
        entries = list(LedgerEntry.objects.filter(order_ref=placed.ref).values_list("account", "kind", "reference"))
        assert len(entries) == len(set(entries))
        keys = list(Message.objects.filter(order_ref=placed.ref).values_list("dedupe_key", flat=True))
        assert len(keys) == len(set(keys))
