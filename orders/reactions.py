"""Jobs of this room: deadlines that have come (orders/deadlines.py sets them). Level-triggered, like every reaction."""

from foundation.jobs import job_handler
from orders import acknowledgement, substitutions


@job_handler("orders.remind_store")
def remind_store(order_id: int) -> None:
    acknowledgement.remind_store(order_id)


@job_handler("orders.acknowledgement_due")
def acknowledgement_due(order_id: int) -> None:
    acknowledgement.report_unacknowledged(order_id)


@job_handler("orders.acknowledgement_lapsed")
def acknowledgement_lapsed(order_id: int) -> None:
    acknowledgement.cancel_unacknowledged(order_id)


@job_handler("orders.ready_overdue")
def ready_overdue(order_id: int) -> None:
    acknowledgement.report_not_ready(order_id)


@job_handler("orders.substitutions_due")
def substitutions_due(order_id: int) -> None:
    substitutions.decide_overdue(order_id)
