"""Which carrier a delivery goes to, by its store's policy, and why (SPEC C7, D4)."""

from typing import Any

import pytest

from deliveries.couriers import circuit_breaker
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import CourierCall, Delivery, DispatchDecision
from foundation.errors import Permanent
from orders.models import Store
from tests.builders import near, ready, rider, searching, store
from tests.builders import paid_order as paid
from tests.deliveries.couriers.test_calls import pass_time
from tests.deliveries.couriers.toy_courier import Toy, drain, toy

__all__ = ["toy"]
pytestmark = pytest.mark.django_db


def look(**policy: Any) -> Delivery:
    """A delivery of a store with this policy, after dispatch has looked and quotes have come."""
    delivery = searching(ready(paid(of=store(**policy))))
    drain()
    return Delivery.objects.get(pk=delivery.pk)


def verdicts(decision: DispatchDecision) -> dict[str, str]:
    return {one["courier"]: one["verdict"] for one in decision.couriers}


# spec: C7
def test_own_riders_first_then_the_companies(toy: Toy):
    delivery = look()
    assert delivery.status == DeliveryStatus.SEARCHING
    for _ in range(8):
        pass_time(15)
        drain()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.courier) == (DeliveryStatus.REQUESTED, "toy")
    assert delivery.courier_job.quote.fee_minor == 7_000
    outcomes = list(DispatchDecision.objects.filter(delivery=delivery).order_by("pk").values_list("outcome", flat=True))
    assert outcomes[-2:] == ["asked", "requested"]
    chosen = DispatchDecision.objects.filter(delivery=delivery).latest("pk").couriers
    assert [(one["courier"], one["verdict"]) for one in chosen] == [("in_house", "nobody is free"), ("toy", "chosen")]


# spec: C7
@pytest.mark.parametrize(
    ("policy", "toy_fee", "carrier"),
    [
        ({"carried_by": Store.Carriers.CHEAPEST}, 4_000, "toy"),
        ({"carried_by": Store.Carriers.CHEAPEST}, 6_000, "in_house"),
        ({"carried_by": Store.Carriers.CHEAPEST, "max_courier_fee_minor": 3_000}, 4_000, "in_house"),
        ({"carried_by": Store.Carriers.FASTEST}, 9_000, "toy"),
        ({"carried_by": Store.Carriers.FASTEST, "max_courier_minutes": 0}, 9_000, "in_house"),
        ({"carried_by": Store.Carriers.PREFERRED, "preferred_carriers": ["toy", "in_house"]}, 9_000, "toy"),
        ({"carried_by": Store.Carriers.PREFERRED, "preferred_carriers": ["in_house", "toy"]}, 1, "in_house"),
        ({"carried_by": Store.Carriers.IN_HOUSE_FIRST}, 1, "in_house"),
    ],
)
def test_the_stores_policy_picks(policy: dict[str, Any], toy_fee: int, carrier: str, toy: Toy):
    rider(at=near(north_m=100))
    toy.fee_minor, toy.minutes = toy_fee, 1
    delivery = look(**policy)
    status = DeliveryStatus.SEARCHING if carrier == "in_house" else DeliveryStatus.REQUESTED
    assert (delivery.status, delivery.courier) == (status, carrier)
    last = DispatchDecision.objects.filter(delivery=delivery).latest("pk")
    assert last.outcome == ("offered" if carrier == "in_house" else "requested")
    assert verdicts(last)[carrier] == "chosen"


def test_a_company_that_gives_no_quote_is_passed_over_and_says_why(toy: Toy):
    toy.always = Permanent("not in our area")
    rider(at=near(north_m=100))
    delivery = look(carried_by=Store.Carriers.CHEAPEST)
    last = DispatchDecision.objects.filter(delivery=delivery).latest("pk")
    assert (last.outcome, verdicts(last)["toy"]) == ("offered", "refused: not in our area")


def test_an_open_breaker_is_asked_by_the_selector(toy: Toy):
    circuit_breaker.override_breaker("toy", "open", "strike")
    rider(at=near(north_m=100))
    delivery = look(carried_by=Store.Carriers.CHEAPEST)
    last = DispatchDecision.objects.filter(delivery=delivery).latest("pk")
    assert (last.outcome, verdicts(last)["toy"]) == ("offered", "turned off by ops: strike")
    assert not CourierCall.objects.filter(delivery=delivery).exists()
