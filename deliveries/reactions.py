"""Reactions of this room (config/reactions.py): level-triggered, they read what is true now."""

from django.db import transaction

from deliveries.couriers import calls
from deliveries.dispatch import search
from deliveries.fulfilment import transitions
from deliveries.tracking import link_message, substitution_message
from foundation.events import Cause
from foundation.jobs import job_handler
from orders import locks


@job_handler("deliveries.follow_order")
def follow_order(order_id: int) -> None:
    """The order's preparation moved, or it was called off: its deliveries follow."""
    with transaction.atomic():
        transitions.follow_order(locks.lock_order(order_id), by=Cause("system", "job:deliveries.follow_order"))


@job_handler("deliveries.follow_rider")
def follow_rider(rider_id: int) -> None:
    """A rider came online or has a place free: whoever waits for one looks again."""
    search.wake_searches_near(rider_id)


@job_handler("deliveries.invite_customer")
def invite_customer(order_id: int) -> None:
    """The order is paid: the customer is told where to follow it."""
    link_message.send_tracking_link(order_id)


@job_handler("deliveries.ask_customer")
def ask_customer(order_id: int) -> None:
    """The store has proposed replacements: the customer is asked where to answer."""
    substitution_message.ask_customer(order_id)


@job_handler("deliveries.courier_time_is_up")
def courier_time_is_up(delivery_id: int) -> None:
    """Five minutes after the first try that failed: a courier that has not taken it is given up (SPEC C4)."""
    calls.time_is_up(delivery_id)
