"""The queue of searching deliveries: when dispatch looks at one again, and what ends its search (SPEC D1, D4).

A searching `Delivery` is its own work row; `due_at` says when it is looked at (dispatch/search.py does it). Whoever
changes what a search depends on (an offer that ended, a rider with a free place) calls a verb here.
"""

from django.db.models.functions import Now

from deliveries.lifecycle import DeliveryStatus
from deliveries.models import Delivery
from foundation import events, jobs
from foundation.work import WorkState
from notifications.incidents import service

FOLLOW_RIDER = jobs.handler_name("deliveries.follow_rider")


def resolve_search(delivery: Delivery, resolution: str) -> None:
    """The search is over: what ops was told of it is resolved."""
    if delivery.alerted_at is not None:
        service.resolve_key(incident_key(delivery), resolution)


def incident_key(delivery: Delivery) -> str:
    return f"delivery_without_rider:{delivery.pk}"


def wake_search(delivery: Delivery) -> None:
    """Look at this locked delivery now. One that a worker has just claimed is left to it: it waits for our lock, and
    reads what we leave behind."""
    Delivery.objects.filter(pk=delivery.pk, status=DeliveryStatus.SEARCHING, state=WorkState.PENDING).update(
        due_at=Now()
    )


def announce_free_rider(rider_id: int) -> None:
    """The rider has a place again: waiting deliveries are looked at, in a transaction of their own (a rider's lock is
    held here, and deliveries are locked before riders)."""
    jobs.enqueue_job(FOLLOW_RIDER, events.subject_key("rider", rider_id))
