"""The verbs of this room as people use them: who may, with which fields, what was done (foundation/actions.py)."""

from django import forms

from deliveries.couriers import cancellation, circuit_breaker, providers
from deliveries.fraud import flags
from deliveries.fulfilment import ops_actions
from deliveries.lifecycle import DeliveryStatus
from deliveries.models import CircuitBreaker, CourierCall, Delivery, FraudFlag, TrackingLink
from deliveries.tracking import links
from foundation import money
from foundation.actions import ActionRequest, action
from foundation.errors import Conflict
from foundation.models import User
from riders import riders

STOP_CHOICES = [
    (cancellation.KEEP, "Keep it: the courier carries it after all"),
    (cancellation.DOUBLE_COST, "Pay for two: somebody else is sent as well"),
]


def _require_status(delivery: Delivery, status: DeliveryStatus) -> None:
    if delivery.status != status:
        raise Conflict(f"it is {delivery.status}, not {status}")


@action("Try again with another rider", permission="deliveries.reassign_delivery")
def try_again(delivery: Delivery, request: ActionRequest) -> str:
    _require_status(delivery, DeliveryStatus.FAILED)
    return f"attempt {ops_actions.try_again(delivery.order_id, by=request.by).attempt} looks for a rider"


@action(
    "Send to a courier company",
    permission="deliveries.reassign_delivery",
    fields={"courier": lambda: forms.ChoiceField(choices=[(c.name, c.title) for c in providers.enabled_providers()])},
)
def send_to_courier(delivery: Delivery, request: ActionRequest) -> str:
    sent = ops_actions.send_to(delivery.order_id, request.fields["courier"], request.reason, by=request.by)
    return f"{sent.courier} is asked as attempt {sent.attempt}"


@action("Refund the customer now", permission="orders.refund_order")
def refund_customer(delivery: Delivery, request: ActionRequest) -> str:
    refund = ops_actions.refund_now(delivery.order_id, request.reason, by=request.by)
    return f"refund of {money.format_money(refund.amount_minor, refund.currency)} requested"


@action("Close: nothing more to do", permission="deliveries.reassign_delivery")
def close_delivery(delivery: Delivery, request: ActionRequest) -> str:
    ops_actions.close_delivery(delivery.order_id, request.reason, by=request.by)
    return "closed"


@action("Take away from the rider and search again", permission="deliveries.reassign_delivery")
def search_again(delivery: Delivery, request: ActionRequest) -> str:
    ops_actions.take_away(delivery.order_id, request.reason, by=request.by)
    return "searches for another rider"


@action("Have the courier company stop, and search again", permission="deliveries.reassign_delivery")
def stop_courier(delivery: Delivery, request: ActionRequest) -> str:
    return f"{ops_actions.stop_courier(delivery.order_id, request.reason, by=request.by).courier} is asked to stop"


@action(
    "The courier will not stop: decide",
    permission="deliveries.decide_delivery",
    fields={"choice": lambda: forms.ChoiceField(choices=STOP_CHOICES, widget=forms.RadioSelect)},
)
def decide_stop(delivery: Delivery, request: ActionRequest) -> str:
    user = User.objects.get(pk=request.by.user_id or 0)
    ops_actions.decide_stop(delivery.order_id, request.fields["choice"], user, by=request.by)
    return dict(STOP_CHOICES)[request.fields["choice"]]


@action("Give up: delivery failed", permission="deliveries.decide_delivery")
def give_up(delivery: Delivery, request: ActionRequest) -> str:
    ops_actions.fail_delivery(delivery.order_id, request.reason, by=request.by)
    return "failed"


@action("Confirm: it was delivered", permission="deliveries.decide_delivery")
def confirm_delivered(delivery: Delivery, request: ActionRequest) -> str:
    ops_actions.confirm_delivery(delivery.order_id, request.reason, by=request.by)
    return "delivered"


@action("Uphold: it was fraud, the earning stays held", permission="deliveries.decide_fraudflag")
def uphold_flag(flag: FraudFlag, request: ActionRequest) -> str:
    flags.uphold_flag(flag, by=request.by, note=request.reason)
    return "upheld"


@action("Dismiss: the earning is free", permission="deliveries.decide_fraudflag")
def dismiss_flag(flag: FraudFlag, request: ActionRequest) -> str:
    flags.dismiss_flag(flag, by=request.by, note=request.reason)
    return "dismissed"


@action("Suspend the rider", permission="riders.stand_rider")
def suspend_rider(flag: FraudFlag, request: ActionRequest) -> str:
    riders.suspend_rider(flag.rider_id, request.reason, by=request.by)
    return f"{flag.rider.name} is suspended"


@action("Reinstate the rider", permission="riders.stand_rider")
def reinstate_rider(flag: FraudFlag, request: ActionRequest) -> str:
    riders.reinstate_rider(flag.rider_id, by=request.by, note=request.reason)
    return f"{flag.rider.name} is reinstated"


@action(
    "Overrule the breaker",
    permission="deliveries.overrule_circuitbreaker",
    fields={"override": lambda: forms.ChoiceField(choices=CircuitBreaker.Override.choices, required=False)},
)
def override_breaker(breaker: CircuitBreaker, request: ActionRequest) -> str:
    made = circuit_breaker.override_breaker(breaker.courier, request.fields["override"], request.reason)
    return made.get_override_display()


@action("Try again", permission="deliveries.reassign_delivery")
def replay_call(call: CourierCall, request: ActionRequest) -> str:
    return "due now" if CourierCall.replay_rows([call.pk]) else f"nothing to do: it is {call.state}"


@action("Revoke: the link opens nothing any more", permission="deliveries.revoke_trackinglink")
def revoke_link(link: TrackingLink, request: ActionRequest) -> str:
    links.revoke_link(link.pk, request.reason, by=request.by)
    return "revoked"
