"""Jobs of this room: deadlines that have come (orders/deadlines.py sets them). Level-triggered, like every reaction."""

from orders import acknowledgement, substitutions


def remind_store(order_id: int) -> None:
    acknowledgement.remind(order_id)


def acknowledgement_due(order_id: int) -> None:
    acknowledgement.alert(order_id)


def acknowledgement_lapsed(order_id: int) -> None:
    acknowledgement.lapse(order_id)


def ready_overdue(order_id: int) -> None:
    acknowledgement.ready_overdue(order_id)


def substitutions_due(order_id: int) -> None:
    substitutions.lapse(order_id)
