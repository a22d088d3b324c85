"""The verbs of this room as people use them: who may, with which fields, what was done (foundation/actions.py)."""

from django import forms

from foundation.actions import ActionRequest, action
from riders import riders
from riders.models import Rider


@action("Verify", permission="riders.stand_rider")
def verify_rider(rider: Rider, request: ActionRequest) -> str:
    riders.verify_rider(rider.pk, by=request.by)
    return "verified"


@action("Suspend", permission="riders.stand_rider")
def suspend_rider(rider: Rider, request: ActionRequest) -> str:
    riders.suspend_rider(rider.pk, request.reason, by=request.by)
    return "suspended"


@action("Reinstate", permission="riders.stand_rider")
def reinstate_rider(rider: Rider, request: ActionRequest) -> str:
    riders.reinstate_rider(rider.pk, by=request.by, note=request.reason)
    return "reinstated"


@action(
    "Set capacity",
    permission="riders.capacity_rider",
    fields={"capacity": lambda: forms.IntegerField(min_value=1, max_value=10, label="Orders at once")},
)
def set_capacity(rider: Rider, request: ActionRequest) -> str:
    riders.set_capacity(rider.pk, request.fields["capacity"], by=request.by)
    return f"may carry {request.fields['capacity']} at once"
