"""What beat starts besides the drains; each is a thin call, idempotent by a business key."""

from celery import shared_task
from django.conf import settings

from config import retention
from config.watching import books as proofs
from config.watching import doors, lanes, outside, providers, silence, stuck
from deliveries import lateness, pace, requesting
from foundation import clock
from notifications import alerting
from orders import kitchens
from payouts import books, invoices, payouts
from riders import availability


@shared_task(name="config.watch_lanes", ignore_result=True)
def watch_lanes() -> None:
    lanes.watch()


@shared_task(name="config.watch_providers", ignore_result=True)
def watch_providers() -> None:
    """SPEC W6: webhooks that were refused, providers that fail, webhooks that should have come."""
    doors.watch()
    providers.watch()
    silence.watch()


@shared_task(name="config.watch_stuck_work", ignore_result=True)
def watch_stuck_work() -> None:
    stuck.watch()


@shared_task(name="config.watch_from_outside", ignore_result=True)
def watch_from_outside() -> None:
    """SPEC W6: whether our own address answers."""
    outside.watch()


@shared_task(name="config.tell_ops", ignore_result=True)
def tell_ops() -> None:
    """SPEC N5: who hears how of new incidents."""
    alerting.tell()


@shared_task(name="config.retire_silent_riders", ignore_result=True)
def retire_silent_riders() -> None:
    """Phones that fell silent are taken offline: no offer is wasted on them (SPEC D1)."""
    availability.retire_silent()


@shared_task(name="config.poll_couriers", ignore_result=True)
def poll_couriers() -> None:
    """Jobs that courier companies have not mentioned for long are asked about (SPEC C5)."""
    requesting.poll_silent(silent_s=settings.COURIER_SILENT_SECONDS)


@shared_task(name="config.watch_promises", ignore_result=True)
def watch_promises() -> None:
    """SPEC D7: who will be late is told, once."""
    lateness.sweep()


@shared_task(name="config.learn_kitchens", ignore_result=True)
def learn_kitchens() -> None:
    """SPEC D7: how long stores take, from our own last weeks."""
    kitchens.learn()


@shared_task(name="config.learn_paces", ignore_result=True)
def learn_paces() -> None:
    """SPEC D7: how fast orders get from door to door, from our own last weeks."""
    pace.learn()


@shared_task(name="config.pay_stores", ignore_result=True)
def pay_stores() -> None:
    """SPEC M2: the payable balance of every store, once per day however often this runs."""
    payouts.run_stores(clock.now().date())


@shared_task(name="config.watch_courier_invoices", ignore_result=True)
def watch_courier_invoices() -> None:
    """SPEC C6: what courier companies ask and took, beside what is true of their deliveries by now."""
    invoices.watch()


@shared_task(name="config.prove_books", ignore_result=True)
def prove_books() -> None:
    proofs.report(books.prove())


@shared_task(name="config.forget_old_rows", ignore_result=True)
def forget_old_rows() -> None:
    retention.forget_old_rows()
