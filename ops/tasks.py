"""What beat starts besides the drains; each is a thin call, idempotent by a business key."""

from celery import shared_task
from django.conf import settings

from deliveries.couriers import calls
from deliveries.eta import delay_alerts, learned_speeds
from foundation import clock
from notifications.incidents import alerting
from ops import retention
from ops.monitoring import external_probe, missing_webhooks, provider_errors, queue_lag, rejected_webhooks, stuck_work
from ops.monitoring import ledger as proofs
from orders.stores import preparation_times
from payouts import audit
from payouts.invoices import commands
from payouts.runs import runs
from riders import availability


@shared_task(name="ops.watch_queues", ignore_result=True)
def watch_queues() -> None:
    queue_lag.watch_queues()


@shared_task(name="ops.watch_providers", ignore_result=True)
def watch_providers() -> None:
    """SPEC W6: webhooks that were refused, providers that fail, webhooks that should have come."""
    rejected_webhooks.watch_rejections()
    provider_errors.watch_providers()
    missing_webhooks.watch_silence()


@shared_task(name="ops.watch_stuck_work", ignore_result=True)
def watch_stuck_work() -> None:
    stuck_work.watch_stuck_work()


@shared_task(name="ops.watch_from_outside", ignore_result=True)
def watch_from_outside() -> None:
    """SPEC W6: whether our own address answers."""
    external_probe.watch_public_url()


@shared_task(name="ops.alert_ops", ignore_result=True)
def alert_ops() -> None:
    """SPEC N5: who hears how of new incidents."""
    alerting.alert_ops()


@shared_task(name="ops.retire_silent_riders", ignore_result=True)
def retire_silent_riders() -> None:
    """Phones that fell silent are taken offline: no offer is wasted on them (SPEC D1)."""
    availability.take_silent_offline()


@shared_task(name="ops.poll_couriers", ignore_result=True)
def poll_couriers() -> None:
    """Jobs that courier companies have not mentioned for long are asked about (SPEC C5)."""
    calls.poll_silent(silent_s=settings.COURIER_SILENT_SECONDS)


@shared_task(name="ops.watch_promises", ignore_result=True)
def watch_promises() -> None:
    """SPEC D7: who will be late is told, once."""
    delay_alerts.sweep_orders()


@shared_task(name="ops.learn_preparation_times", ignore_result=True)
def learn_preparation_times() -> None:
    """SPEC D7: how long stores take, from our own last weeks."""
    preparation_times.learn_preparation_times()


@shared_task(name="ops.learn_speeds", ignore_result=True)
def learn_speeds() -> None:
    """SPEC D7: how fast orders get from door to door, from our own last weeks."""
    learned_speeds.learn_speeds()


@shared_task(name="ops.pay_stores", ignore_result=True)
def pay_stores() -> None:
    """SPEC M2: the payable balance of every store, once per day however often this runs."""
    runs.run_stores(clock.now().date())


@shared_task(name="ops.watch_courier_invoices", ignore_result=True)
def watch_courier_invoices() -> None:
    """SPEC C6: what courier companies ask and took, beside what is true of their deliveries by now."""
    commands.recheck_invoices()


@shared_task(name="ops.audit_ledger", ignore_result=True)
def audit_ledger() -> None:
    proofs.report_audit(audit.prove_ledger())


@shared_task(name="ops.forget_old_rows", ignore_result=True)
def forget_old_rows() -> None:
    retention.forget_old_rows()
