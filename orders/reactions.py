"""Jobs of this room: deadlines that have come (orders/deadlines.py sets them). Level-triggered, like every reaction."""

from foundation.jobs import job_handler
from orders import acknowledgement, substitutions


@job_handler("orders.remind_store")
def remind_store(order_id: int) -> None:
    acknowledgement.remind_store(order_id)


@job_handler("orders.acknowledgement_due")
def acknowledgement_due(order_id: int) -> None:
    acknowledgement.alert_ops(order_id)


@job_handler("orders.acknowledgement_lapsed")
def acknowledgement_lapsed(order_id: int) -> None:
    acknowledgement.let_lapse(order_id)


@job_handler("orders.ready_overdue")
def ready_overdue(order_id: int) -> None:
    acknowledgement.ready_overdue(order_id)


@job_handler("orders.substitutions_due")
def substitutions_due(order_id: int) -> None:
    substitutions.let_lapse(order_id)
