"""What ops does to a delivery by hand (SPEC A3, T1): give it to somebody, take it away, try again, end it.

Each verb opens its own transaction and takes the house's locks; each wants a reason where it overrules somebody.
"""

from uuid import UUID

from django.db import transaction

from deliveries import permissions
from deliveries.couriers import cancellation, circuit_breaker, providers
from deliveries.couriers.providers.status_update import CourierStage
from deliveries.fulfilment import offers, transitions
from deliveries.lifecycle import CARRIED, DeliveryStatus, OfferStatus
from deliveries.models import IN_HOUSE, Delivery, Offer
from foundation import events
from foundation.errors import Conflict, Invalid
from foundation.events import Cause
from foundation.models import User
from notifications.outbox import enqueue
from orders import delivery_progress, locks
from orders.lifecycle import CarriageState
from orders.models import Order, Refund
from riders import capacity
from riders.availability import REFUSALS
from riders.lifecycle import RiderStatus
from riders.models import Rider

FETCHABLE = (DeliveryStatus.SEARCHING, DeliveryStatus.ASSIGNED)
BY_OPS = "confirmed by ops"


# ── who carries ──────────────────────────────────────────────────────────────────────────────────────────────────
def give_to(order_id: int, rider_id: UUID, *, by: Cause) -> Delivery:
    """This rider fetches it, whoever was asked or had accepted before. `rider_id` is the public one.

    Raises Invalid (no such rider), Conflict (not verified, no capacity left, nothing to fetch).
    """
    wished = Rider.objects.filter(public_id=rider_id).first()
    if wished is None:
        raise Invalid("no such rider", field="driver_id")
    with transaction.atomic():
        order = locks.lock_order(order_id)
        delivery = _require_fetchable(order)
        if delivery.rider_id == wished.pk:
            return delivery
        rider = _lock_riders(delivery, wished)
        if refusal := REFUSALS.get(RiderStatus(rider.standing)):
            raise Conflict(f"{rider.name} cannot carry now: {rider.standing}", code=refusal[0])
        if delivery.rider_id is not None:
            transitions.unassign_rider(order, delivery, by=by, reason=f"given to {rider.name}")
        offers.withdraw_offer(delivery, f"given to {rider.name}", by=by)
        capacity.occupy_place(rider.pk)
        transitions.assign_rider(order, delivery, rider, by=by)
        _notify_rider(order, delivery, rider)
    return delivery


def take_away(order_id: int, reason: str, *, by: Cause) -> Delivery:
    """The rider will not fetch it: dispatch looks for another one. Raises Conflict once it was fetched."""
    with transaction.atomic():
        order = locks.lock_order(order_id)
        delivery = _require_fetchable(order)
        if delivery.status != DeliveryStatus.ASSIGNED:
            raise Conflict("Nobody has accepted it: dispatch is looking already", code="NOT_ASSIGNED")
        transitions.unassign_rider(order, delivery, by=by, reason=reason)
    return delivery


def _require_fetchable(order: Order) -> Delivery:
    delivery = transitions.lock_live(order)
    if delivery is None:
        raise Conflict("No delivery of this order is under way", code="NO_LIVE_DELIVERY")
    _require_own(delivery)
    if delivery.status not in FETCHABLE:
        raise Conflict(f"The delivery is {delivery.status}: it was fetched", code="ALREADY_FETCHED")
    return delivery


def _require_own(delivery: Delivery) -> None:
    """What a company carries is ended with that company first (the rule of one:
    deliveries/couriers/cancellation.py)."""
    if delivery.courier != IN_HOUSE:
        raise Conflict(f"{delivery.courier} has it: have it stopped first", code="COURIER_HAS_IT")


def _lock_riders(delivery: Delivery, wished: Rider) -> Rider:
    """Both riders (and before them the open offer), by id: two such exchanges cannot block each other."""
    open_offers = Offer.objects.filter(delivery=delivery, status=OfferStatus.PENDING)
    asked = [offer.rider_id for offer in open_offers.select_for_update(no_key=True, of=("self",))]
    involved = [pk for pk in (wished.pk, delivery.rider_id, *asked) if pk is not None]
    locked = Rider.objects.filter(pk__in=involved).order_by("pk").select_for_update(no_key=True, of=("self",))
    return {rider.pk: rider for rider in locked}[wished.pk]


def _notify_rider(order: Order, delivery: Delivery, rider: Rider) -> None:
    enqueue.enqueue_message(
        rider.recipient_id,
        "delivery.given",
        {"orderId": order.public_id, "store": order.store.name},
        dedupe=f"delivery:{delivery.pk}:{order.version}",
        order_ref=order.public_id,
    )


def send_to(order_id: int, courier: str, reason: str, *, by: Cause) -> Delivery:
    """This courier company shall carry it: the delivery that looks for a carrier, or a new attempt after a failed one.

    Raises Invalid (no such company, or off), Conflict (somebody has it, or ops turned the company off).
    """
    company = providers.courier_providers().get(courier)
    if company is None or not company.is_enabled():
        raise Invalid(f"{courier} is not a courier company that is configured here", field="courier")
    _require_reason(reason)
    with transaction.atomic():
        order = locks.lock_order(order_id)
        delivery = transitions.lock_live(order) or transitions.open_next_attempt(order, by=by)
        _require_own(delivery)
        if delivery.status != DeliveryStatus.SEARCHING:
            raise Conflict(f"{delivery.rider} has it: take it away first", code="RIDER_HAS_IT")
        if not circuit_breaker.begin_probe(courier):
            raise Conflict(f"{courier}: {circuit_breaker.refusal_reason(courier)}", code="COURIER_UNAVAILABLE")
        transitions.request_courier(order, delivery, courier, None, by=by)
    return delivery


def stop_courier(order_id: int, reason: str, *, by: Cause) -> Delivery:
    """The company shall carry it no more; another carrier is looked for once it has confirmed."""
    with transaction.atomic():
        order = locks.lock_order(order_id)
        delivery = _require_live(order)
        if delivery.courier == IN_HOUSE:
            raise Conflict("One of our own riders has it, or nobody", code="NO_COURIER")
        cancellation.stop_courier(order, delivery, _require_reason(reason), by=by)
    return delivery


def decide_stop(order_id: int, choice: str, user: User, *, by: Cause) -> None:
    """The company refused to stop: keep it, or accept double cost (stopping.KEEP, stopping.DOUBLE_COST). Also about a
    job that was given up and lives on. Raises Conflict when no company has refused."""
    with transaction.atomic():
        order = locks.lock_order(order_id)
        refused = Delivery.objects.filter(
            order=order, courier_job__stop_refused_at__isnull=False, courier_job__stop_decision=""
        )
        delivery = refused.select_for_update(no_key=True, of=("self",)).order_by("-attempt").first()
        if delivery is None:
            raise Conflict("No company was asked to stop and has refused", code="NOT_REFUSED")
        cancellation.decide_stop(order, delivery, choice, user=user, by=by)


def describe_driver(order_id: int, shown: dict[str, str], *, by: Cause, rider: Rider | None = None) -> None:
    """Show the customer another phone number or vehicle of who carries it. With `rider`, it must be theirs."""
    with transaction.atomic():
        order = locks.lock_order(order_id)
        delivery = transitions.lock_live(order)
        if rider is not None and (delivery is None or delivery.rider_id != rider.pk):
            raise permissions.not_yours()
        if delivery is None or delivery.status not in CARRIED:
            raise Conflict("Nobody carries this order", code="NOT_ASSIGNED")
        changed = {name: text for name, text in shown.items() if delivery.driver_details.get(name) != text}
        if changed:
            delivery.driver_details = {**delivery.driver_details, **changed}
            delivery.save(update_fields=["driver_details"])
            data = {"changed": sorted(changed)}
            events.record_event("delivery.driver_changed", delivery, by=by, data=data, order_ref=order.public_id)


# ── how it ends ──────────────────────────────────────────────────────────────────────────────────────────────────
def confirm_delivery(order_id: int, reason: str, *, by: Cause) -> None:
    """Ops knows that it was handed over (the rider's phone died, the customer called). Strict, as for riders."""
    with transaction.atomic():
        order = locks.lock_order(order_id)
        latest = Delivery.objects.filter(order=order).order_by("-attempt").first()
        if latest is not None and latest.status == DeliveryStatus.DELIVERED:
            return
        delivery = _require_live(order)
        if delivery.courier == IN_HOUSE:
            transitions.complete_delivery(
                order, delivery, by=by, position={"nearness": BY_OPS, "reason": _require_reason(reason)}
            )
        else:
            cancellation.ended_by_ops(order, delivery, CourierStage.DELIVERED, _require_reason(reason), by=by)


def fail_delivery(order_id: int, reason: str, *, by: Cause) -> None:
    """It will not arrive: the customer is refunded by the store's policy, everybody is told."""
    with transaction.atomic():
        order = locks.lock_order(order_id)
        if order.carriage == CarriageState.FAILED:
            return
        delivery = _require_live(order)
        if delivery.courier == IN_HOUSE:
            transitions.fail_delivery(order, delivery, _require_reason(reason), by=by)
        else:
            cancellation.ended_by_ops(order, delivery, CourierStage.FAILED, _require_reason(reason), by=by)


def _require_live(order: Order) -> Delivery:
    delivery = transitions.lock_live(order)
    if delivery is None:
        raise Conflict("No delivery of this order is under way", code="NO_LIVE_DELIVERY")
    return delivery


def _require_reason(reason: str) -> str:
    if not reason.strip():
        raise Invalid("say why", field="reason")
    return reason.strip()


# ── after a failure ──────────────────────────────────────────────────────────────────────────────────────────────
def try_again(order_id: int, *, by: Cause) -> Delivery:
    """A failed delivery is tried once more, by whom dispatch finds; the unsent refund is taken back (SPEC O8)."""
    with transaction.atomic():
        return transitions.open_next_attempt(locks.lock_order(order_id), by=by)


def refund_now(order_id: int, reason: str, *, by: Cause) -> Refund:
    """All that is left of the customer's money goes back at once, whatever the store's policy waits for."""
    with transaction.atomic():
        return delivery_progress.refund_at_once(locks.lock_order(order_id), by=by, why=_require_reason(reason))


def close_delivery(order_id: int, reason: str, *, by: Cause) -> None:
    """Nothing more is to be done about a failed delivery: its ticket is resolved."""
    with transaction.atomic():
        order = locks.lock_order(order_id)
        delivery_progress.close_ticket(order, _require_reason(reason))
        delivery = Delivery.objects.filter(order=order).latest("attempt")
        events.record_event(
            "delivery.closed", delivery, by=by, data={"reason": _require_reason(reason)}, order_ref=order.public_id
        )
