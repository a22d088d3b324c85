"""Any shuffling and duplication of what Stripe and the POS say ends as the ordered run does (SPEC O1, P8)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.models import Event
from orders import payments
from orders.evidence import PaymentEvidence, PaymentFailed, PosStatus
from orders.lifecycle import derive_status
from orders.models import Order, Payment, Refund
from orders.pos import callbacks as pos_callbacks
from tests import builders

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EXACT = (
    "status",
    "payment",
    "preparation",
    "carriage",
    "refunded_minor",
    "stripe_payment_intent",
    "payment_error",
    "paid_at",
    "pos_is_modified",
    "minimum_prep_minutes",
    "pos_rider_name",
    "pos_held",
    "cancel_reason",
)
# Unsigned callbacks carry no time of their own; when we told the store (notified_at) is our doing, not evidence.
ONLY_WHETHER = ("confirmed_at", "ready_at", "failed_at", "refunded_at")


@dataclass(frozen=True)
class Story:
    """What happened in the world, in order. `refunds` are cumulative shares of the total, in percent."""

    declines: int
    paid: bool
    refunds: tuple[int, ...]
    callbacks: tuple[str, ...]

    @property
    def pieces(self) -> int:
        return self.declines + (1 + len(self.callbacks) + len(self.refunds) if self.paid else 0)

    def evidence(self, order: Order) -> list[PaymentEvidence | PosStatus]:
        told: list[Any] = [decline_of(order, number) for number in range(self.declines)]
        if self.paid:
            told.append(replace(builders.payment_of(order), occurred_at=START + timedelta(minutes=10)))
            told += [
                builders.pos_status(
                    order,
                    code,
                    minimum_prep_time=20,
                    is_modified="Yes" if code == "3" else "No",
                    cancel_reason="closed",
                )
                for code in self.callbacks
            ]
            paid_at = START + timedelta(minutes=9, seconds=58)
            told += [
                builders.refund_of(
                    order,
                    order.total_minor * percent // 100,
                    paid_at=paid_at,
                    occurred_at=START + timedelta(hours=percent),
                )
                for percent in self.refunds
            ]
        return told


def decline_of(order: Order, number: int) -> PaymentFailed:
    return PaymentFailed(
        intent_id=order.stripe_payment_intent,
        order_ref=order.public_id,
        event_id=f"evt_decline_{number}",
        occurred_at=START + timedelta(seconds=number // 2),  # Stripe's seconds: two may be equal
        reason=f"declined {number}",
    )


stories = st.builds(
    Story,
    declines=st.integers(0, 3),
    paid=st.sampled_from([True, True, True, False]),
    refunds=st.lists(st.sampled_from([10, 25, 50, 100]), max_size=3, unique=True).map(
        lambda found: tuple(sorted(found))
    ),
    callbacks=st.lists(st.sampled_from(["1", "2", "3", "4", "5", "10", "-1"]), max_size=4, unique=True).map(
        lambda found: tuple(sorted(found, key=["1", "2", "3", "4", "5", "10", "-1"].index))
    ),
)


def tell(order: Order, evidence: Sequence[PaymentEvidence | PosStatus]) -> dict[str, Any]:
    """The state of the order after it was told all of this."""
    for piece in evidence:
        if isinstance(piece, PosStatus):
            with transaction.atomic():
                pos_callbacks.apply_callback(piece)
        else:
            payments.apply_payment_event(piece)
    order.refresh_from_db()
    assert order.status == derive_status(order.payment, order.preparation, order.carriage)
    versions = list(Event.objects.filter(order_ref=order.public_id).order_by("id").values_list("version", flat=True))
    assert versions == list(range(1, len(versions) + 1))
    asked = sum(Refund.objects.filter(order=order).values_list("amount_minor", flat=True))
    assert asked <= order.total_minor
    rows = Payment.objects.filter(order=order).values_list("amount_minor", "refunded_minor", "stripe_charge", "paid_at")
    return {
        **{name: getattr(order, name) for name in EXACT},
        **{name: getattr(order, name) is not None for name in ONLY_WHETHER},
        "payments": list(rows),
    }


# spec: O1, O5, P1, P2, P4, P8
@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), story=stories)
def test_shuffled_and_doubled_evidence_ends_as_the_ordered_run(db, data, story) -> None:
    pieces = range(story.pieces)
    twice = data.draw(st.lists(st.sampled_from(pieces), max_size=4), label="twice") if pieces else []
    order_told = data.draw(st.permutations([*pieces, *twice]), label="told in this order")
    with transaction.atomic():
        shop = builders.petpooja_store()
        ordered, shuffled = builders.order(of=shop), builders.order(of=shop)
        expected = tell(ordered, story.evidence(ordered))
        told = story.evidence(shuffled)
        assert len(told) == story.pieces
        got = tell(shuffled, [told[number] for number in order_told])
        transaction.set_rollback(True)
    got["stripe_payment_intent"] = got["stripe_payment_intent"] and ordered.stripe_payment_intent
    got["payments"] = [(*row[:2], f"ch_{ordered.pk}", row[3]) for row in got["payments"]]
    assert got == expected
