"""Jobs of this room: deadlines that have come (orders/deadlines.py sets them). Level-triggered, like every reaction."""

from orders import acknowledgement, substitutions


def remind_store(order_id: int) -> None:
    acknowledgement.remind_store(order_id)


def acknowledgement_due(order_id: int) -> None:
    acknowledgement.alert_ops(order_id)


def acknowledgement_lapsed(order_id: int) -> None:
    acknowledgement.let_lapse(order_id)


def ready_overdue(order_id: int) -> None:
    acknowledgement.ready_overdue(order_id)


def substitutions_due(order_id: int) -> None:
    substitutions.let_lapse(order_id)
